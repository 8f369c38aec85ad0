/* SPDX-License-Identifier: Apache-2.0 */
/*
 * descriptor.h - one file of plugins.d as plain data: which .so, for which guests, how configured.
 * Made by core/config, used by core/plugin and the CLI's check, backends and explain.
 */
#ifndef CONFIG_DESCRIPTOR_H
#define CONFIG_DESCRIPTOR_H
#include <stdbool.h>
#include <stddef.h>
#include "base/str.h"

struct descriptor_key {
    char *key, *value;     /* as written; the plug-in judges them */
    unsigned line, column; /* of the key in the descriptor's file, from 1; line 0 = unknown */
};

struct descriptor {
    char *name;           /* "kvm-s390x": what the policy's `hypervisor` lists name */
    char *file;           /* absolute path of the YAML file, for messages and the ownership check */
    char *so;             /* absolute path of the plug-in */
    char *arch;           /* of the guests, as uname -m */
    struct strv modules;  /* host kernel modules to load before probe, as hostmod.h names them */
    bool host_mounts;     /* the VMM opens its files in the host's mount namespace, not in ours */
    struct strv requires; /* paths of the host without which it cannot be used here */
    struct strv paths;    /* of the host, for plug-in and VMM; "PATH:rw" may be written */
    struct descriptor_key *config;
    size_t n_config;
};

struct descriptor_list {
    struct descriptor *v; /* in the order of the file names */
    size_t n;
};

/* Free the members of *d and clear it. Half-built and zeroed ones are fine. */
void descriptor_done(struct descriptor *d);
void descriptor_list_done(struct descriptor_list *l);

/*
 * One file; its `library` without a slash is in backend_dir, with one relative to the file.
 * The text form is for tests and the fuzzer: file stands for the file's absolute path.
 */
int descriptor_load(const char *path, const char *backend_dir, struct descriptor *ret,
                    struct err *err);
int descriptor_parse(const char *text, size_t len, const char *file, const char *backend_dir,
                     struct descriptor *ret, struct err *err);

/*
 * Every *.yaml of dir. A file that cannot be read or parsed fails the whole call, two descriptors
 * of one name too: a back-end that is silently absent would change what policy chooses.
 * A directory that does not exist is an empty list.
 */
int descriptor_load_dir(const char *dir, const char *backend_dir, struct descriptor_list *ret,
                        struct err *err);
/* By name; NULL = absent. */
const struct descriptor *descriptor_find(const struct descriptor_list *l, const char *name);

#endif
