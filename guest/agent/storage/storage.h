/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storage.h - disks and servers that a container's files come from.
 * For container.c and requests.c; disk_dir and layers_root also for the child.
 */
#ifndef AGENT_STORAGE_H
#define AGENT_STORAGE_H
#include "agent/agent.h"

/* disks.c: mounted disks of the machine, counted; layers.c: roots on them */
bool disks_wanted(const struct plan_container *c);
/* Its serial number; NULL = none. */
const char *disks_missing(const struct agent *a, const struct plan_container *c);
/* "NAME:TAG": the disk of that serial number, which has none to read, is /dev/NAME. */
void disk_alias(struct agent *a, const char *word);
int disks_prepare(struct agent *a, struct container *c, struct err *err);
void disks_release(struct agent *a, struct container *c);
/* The same for good: disks that end with the machine are left as they are, with all that is still
 * to be written to them. */
void disks_power_off(struct agent *a, struct container *c);
int disk_use(struct agent *a, const char *tag, const char *type, const char *data, struct err *err);
void disk_drop(struct agent *a, const char *tag);
int disk_dir(const char *tag, const char *subdir, struct err *err); /* O_PATH; also in the child */
int layers_prepare(struct agent *a, struct container *c, struct err *err);
void layers_release(struct agent *a, struct container *c);
int layers_root(const struct container *c, struct err *err); /* in the child */

/* nfs.c. nfs_mount: 1: done; 0: it will reply */
bool nfs_wanted(const struct plan_container *c);
int nfs_mount(struct agent *a, struct container *c, uint32_t seq, struct err *err);
void nfs_cancel(struct agent *a, struct container *c);

/* diskwait.c. 1: all disks are there; 0: container_disks_there will be called */
int disks_await(struct agent *a, struct container *c, struct err *err);

#endif
