/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device.h - devices of the ABI as QEMU's objects: checks, and the JSON that -blockdev/-device and
 * blockdev-add/device_add take alike.  Pure; used by cmdline.c and hotplug.c.
 */
#ifndef KVM_DEVICE_H
#define KVM_DEVICE_H
#include <json-c/json.h>
#include <stdbool.h>
#include <anyvisor/hvp.h>
#include "machine.h"

/* A device of a kind and with options that this back-end knows, else -EINVAL or -ENOTSUP. */
int device_check(const struct hvp_device *dev, struct hvp_error *err);

/*
 * Where a device sits: bus NULL = where the machine puts it; addr only with a bus.
 */
struct device_place {
    const char *bus;
    unsigned slot;
};

/* New objects, the caller puts them; NULL without memory. */
struct json_object *device_disk(const struct hvp_disk *disk, const struct machine *m,
                                const struct device_place *at);
struct json_object *device_nic(const struct hvp_nic *nic, const struct machine *m,
                               const struct device_place *at);
struct json_object *device_share(const struct hvp_share *share, const struct machine *m,
                                 const struct device_place *at);
struct json_object *device_vsock(const char *tag, uint32_t cid, int fd, const struct machine *m,
                                 const struct device_place *at);
/* Any virtio device: driver NAME-BUS with id. */
struct json_object *device_virtio(const char *name, const char *id, const struct machine *m,
                                  const struct device_place *at);
/* A new object of "key", "value" pairs ended by NULL. */
struct json_object *device_strings(const char *key, ...) __attribute__((sentinel));
/* Value for -fsdev; NULL without memory. */
char *device_fsdev(const struct hvp_share *share, bool privileged);

#endif
