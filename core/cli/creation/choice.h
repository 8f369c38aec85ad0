/* SPDX-License-Identifier: Apache-2.0 */
/*
 * choice.h - configuration, descriptors, and which back-end a workload gets.
 * For create, explain, check, backends and gc. Errors carry PHASE_CONFIG or PHASE_POLICY.
 */
#ifndef CLI_CHOICE_H
#define CLI_CHOICE_H
#include "cli/cli.h"
#include "config/config.h"
#include "oci/oci.h"
#include "plugin/plugin.h"
#include "policy/policy.h"

struct probed { /* what is known of descriptors.v[i] */
    bool asked;
    char *reason;            /* why not usable, or what the plug-in said; may be NULL */
    struct plugin_info info; /* valid when usable */
    bool usable;
};

struct choice {
    struct config config;
    struct kvs files; /* the configuration's, as facts (template.h), as they were when read */
    struct descriptor_list descriptors;
    struct probed *probed; /* one per descriptor */
    bool look_only;        /* probing changes nothing on the host: modules are not loaded */
    struct workload workload;
    struct decision decision;
    const struct descriptor *back_end; /* into descriptors */
};

/* Configuration and descriptors. */
int choice_load(const struct cli *cli, struct choice *ret, struct err *err);
void choice_done(struct choice *c);
/* What its files are now. All that were read, for any key may decide who gets what. */
void choice_config_facts(const struct config *config, struct kvs *ret);

/*
 * Modules, then the plug-in in a child process. Fills probed[i]. With look_only no module is
 * loaded; one that a start would load is named in the reason.
 */
void choice_probe(const struct cli *cli, struct choice *c, size_t i);

/*
 * Choose for a bundle. all: probe every back-end that the class lists (explain); otherwise only as
 * many as it takes, and none at all where the class leaves one: then the monitor finds out.
 */
int choice_make(const struct cli *cli, struct choice *c, const struct oci_spec *spec, bool all,
                struct err *err);

/* Whether the VMM of the back-end with this descriptor's file makes the host's interfaces of NICs,
 * and so may name them. The back-end is asked, if that has not been done. */
bool choice_makes_hostifs(const struct cli *cli, struct choice *c, const char *file);

/* For a container that joins a VM of that class: what its storage may be. No back-end is chosen. */
int choice_member(const struct cli *cli, struct choice *c, const struct oci_spec *spec,
                  const char *cls, struct err *err);

/* Host table for a plug-in of this architecture; *ret_guest_dir backs a string of it. */
void choice_host(const struct cli *cli, const char *arch, struct hvp_host *ret,
                 char **ret_guest_dir);

/* What a VM of the chosen back-end boots. */
struct boot_files {
    char *guest_dir, *kernel, *image, *cmdline;
    const char *kind; /* "configured", "small" or "distribution" */
};
/* preload: groups of modules that the guest shall load early; NULL = none. */
void choice_boot_files(const struct cli *cli, const struct choice *c, const char *preload,
                       struct boot_files *ret);
void boot_files_done(struct boot_files *b);

/* Folder of the small kernel and its image when both are built, else NULL. */
char *choice_small_dir(const char *guest_dir);

const char *choice_host_arch(void);
uint32_t choice_host_cpus(void);

#endif
