/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disks.h - disks of the VM: their files in the private root, their form for the plug-in, plugging.
 * For prepare.c and boot.c (those that are there from the start) and container.c (the others).
 */
#ifndef MONITOR_DISKS_H
#define MONITOR_DISKS_H
#include <anyvisor/hvp.h>
#include "monitor/ipc.h"

#define DISKS_DIR "/disks" /* below base, which is ipc_sandbox.host_mounts; NULL = private root */

struct container;

/* Put what fds hold where the plug-in finds it; fds are in the order that ipc.h gives. */
int disks_show(const char *base, const struct ipc_disk *disks, size_t n, const int *fds,
               size_t n_fds, struct err *err);
void disks_hide(const char *base, const struct ipc_disk *disks,
                size_t n); /* also those that were never shown */

/* One disk as the plug-in takes it; borrows from the ipc_disk. */
struct disk_device {
    struct hvp_disk disk;
    char *path, *secret;
    struct strv shown;
    struct hvp_kv *options;
};
void disk_device_init(struct disk_device *ret, const char *base, const struct ipc_disk *d);
void disk_device_done(struct disk_device *d);

/* A plug-in speaks of tags and of places in the private root: put what the operator calls them. */
void disks_name_place(const char *place, const char *name, struct err *err);
void disks_blame(const char *base, const struct ipc_disk *disks, size_t n, struct err *err);

/*
 * In the worker, with c->plugging set meanwhile: plug c->disks, then container_plugged; unplug
 * those that were plugged, after which c is dead.
 */
void disks_plug(struct container *c);
void disks_unplug(struct container *c);

#endif
