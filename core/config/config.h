/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - anyvisor.yaml as plain structs, and the descriptors of plugins.d.
 * For policy, monitor and the CLI. Errors read "FILE:LINE:COL: sentence".
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/str.h"
#include "config/descriptor.h"

#define CONFIG_FILE_MAX (1u << 20)    /* bytes of any YAML file */
#define CONFIG_AUTO UINT64_MAX        /* "auto" of a number */
#define CONFIG_UNSET (UINT64_MAX - 1) /* a class does not say: the default counts */

/* Storage policies in the order of preference, as words: "9pfs", "block", "network". */
struct config_storage {
    struct strv rootfs, volumes; /* empty in a class: the default counts */
};

struct config_vm {
    uint64_t vcpus;           /* CONFIG_AUTO, CONFIG_UNSET or a count */
    uint64_t memory;          /* bytes; CONFIG_AUTO, CONFIG_UNSET */
    uint64_t memory_overhead; /* bytes; CONFIG_UNSET */
    char *kernel, *image;     /* absolute paths; NULL = that of the guest assets */
    char *kernel_args;        /* appended; NULL = none */
};

/* What a workload must be like; every pattern given must match (fnmatch). NULL = any. */
struct config_match {
    char *pod_namespace, *pod_name, *image, *user, *runtime, *arch;
    char *cls;              /* `class`: what the workload's annotation asks for */
    struct kvs annotations; /* key -> pattern of its value */
};

struct config_class {
    char *name;
    unsigned line; /* where its entry begins, for explain */
    struct config_match match;
    struct strv hypervisor; /* empty: the default list */
    struct config_storage storage;
    struct config_vm vm; /* members at CONFIG_UNSET or NULL: the default's */
    bool selectable;     /* a workload may ask for it by annotation */
};

struct config {
    char *file;             /* absolute; NULL for built-in defaults */
    char *plugins_dir;      /* absolute */
    struct strv hypervisor; /* defaults.hypervisor */
    struct config_storage storage;
    struct config_vm vm; /* no CONFIG_UNSET here */
    uint64_t boot_timeout_s;
    struct config_class *classes;
    size_t n_classes;
    struct strv annotations_allow; /* fnmatch patterns of keys a workload may set */
};

/* The built-in values of every key: what a file of `version: 1` alone means. */
void config_defaults(const char *dir, struct config *ret);

/* A relative plugins_dir, kernel or image is relative to the file's directory. */
int config_load(const char *path, struct config *ret, struct err *err);
/* The same from text; name stands for the file in messages, dir for its directory. */
int config_parse(const char *text, size_t len, const char *name, const char *dir,
                 struct config *ret, struct err *err);
void config_done(struct config *c);

/*
 * The file to use: `option` (--config) if not NULL, else $ANYVISOR_CONFIG, else
 * "<etc_dir>/anyvisor.yaml". A missing file of the last kind gives the defaults; the others fail.
 */
int config_load_default(const char *option, const char *etc_dir, struct config *ret,
                        struct err *err);

/* Every key that anyvisor.yaml (descriptor: that a plugins.d file) may hold: "defaults.vm.memory",
 * "classes[].match.pod_name", ...; for the test that compares them with the docs. */
void config_keys(struct strv *ret);
void descriptor_keys(struct strv *ret);

#endif
