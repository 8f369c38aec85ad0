/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy_setup.h - what a container's proxy does in its new namespaces before it is executed, while
 * it still has the rights of its caller. For sandbox_start.c; proxy_setup_run() is an in_child of
 * proc_spawn.
 */
#ifndef CLI_PROXY_SETUP_H
#define CLI_PROXY_SETUP_H
#include <stdbool.h>
#include "oci/oci.h"

struct proxy_setup {
    bool own_mounts;         /* a new mount namespace */
    char *uid_map, *gid_map; /* of a new user namespace; NULL: none */
};

void proxy_setup_make(const struct oci_spec *spec, struct proxy_setup *ret);
void proxy_setup_done(struct proxy_setup *s);

int proxy_setup_run(const void *setup);

#endif
