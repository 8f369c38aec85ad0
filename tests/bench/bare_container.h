/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bare_container.h - what the OCI specification's default configuration asks for, with nothing
 * else: what a container costs in a guest at the least, for bare_init.
 */
#ifndef BARE_CONTAINER_H
#define BARE_CONTAINER_H
#include <sys/types.h>

/* A fork whose child is in new namespaces (pid, mount, ipc, uts, cgroup). */
pid_t container_fork(void);

/* In that child: the mounts, devices and masks of the default configuration below root, which
 * becomes "/"; the host name; its capabilities; no new privileges. 0 or -1, with the step on
 * stderr. */
int container_enter(const char *root);

#endif
