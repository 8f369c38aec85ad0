/* SPDX-License-Identifier: Apache-2.0 */
/*
 * descriptor.h - one file of plugins.d as plain data: which .so, for which guests, how configured.
 * Made by core/config, used by core/plugin and the CLI's check, backends and explain.
 */
#ifndef CONFIG_DESCRIPTOR_H
#define CONFIG_DESCRIPTOR_H
#include <stddef.h>
#include "base/str.h"

struct descriptor_key {
    char *key, *value; /* as written; the plug-in judges them */
    unsigned line;     /* in the descriptor's file, counted from 1; 0 = unknown */
};

struct descriptor {
    char *name;          /* "kvm-s390x": what the policy's `hypervisor` lists name */
    char *file;          /* absolute path of the YAML file, for messages and the ownership check */
    char *so;            /* absolute path of the plug-in */
    char *arch;          /* of the guests, as uname -m */
    struct strv modules; /* host kernel modules to load before probe; "a|b" = one of them */
    struct descriptor_key *config;
    size_t n_config;
};

/* Free the members of *d and clear it. Half-built and zeroed ones are fine. */
void descriptor_done(struct descriptor *d);

#endif
