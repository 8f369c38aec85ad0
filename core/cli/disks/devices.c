/* SPDX-License-Identifier: Apache-2.0 */
/* Block devices of linux.devices. */
#include "cli/disks/choice.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"

/* /dev/NAME as the kernel calls the device of that number. */
static char *node_of(int64_t major, int64_t minor)
{
    cleanup_free char *uevent =
        xasprintf("/sys/dev/block/%lld:%lld/uevent", (long long)major, (long long)minor);
    cleanup_free char *text = NULL;
    const char *name;

    if (path_read(AT_FDCWD, uevent, 65536, &text, NULL, NULL) < 0)
        return NULL;
    name = strstr(text, "DEVNAME=");
    return name ? xasprintf("/dev/%.*s", (int)strcspn(name + 8, "\n"), name + 8) : NULL;
}

static bool rule_fits(const struct oci_device_rule *r, const struct oci_device *d)
{
    if (r->type && *r->type && !strchr("ab", *r->type))
        return false;
    return (!r->major.set || r->major.value < 0 || r->major.value == d->major) &&
           (!r->minor.set || r->minor.value < 0 || r->minor.value == d->minor);
}

/* The VMM keeps the guest from writing what no rule lets the container write. */
static bool may_write(const struct oci_spec *spec, const struct oci_device *d)
{
    const struct oci_resources *res = &spec->linux_.resources;
    bool may = true;

    for (size_t i = 0; i < res->n_devices; i++) {
        const struct oci_device_rule *r = &res->devices[i];

        if (rule_fits(r, d) && (!r->access || !*r->access || strchr(r->access, 'w')))
            may = r->allow;
    }
    return may;
}

static int add_device(struct chooser *k, size_t i)
{
    const struct oci_device *dev = &k->spec->linux_.devices[i];
    const struct storage_mount number = {.major = (uint32_t)dev->major,
                                         .minor = (uint32_t)dev->minor};
    cleanup_free char *node = node_of(dev->major, dev->minor);
    cleanup_free char *what = xasprintf("d%zu", i);
    struct disk *d;
    int r;

    if (!node)
        return err_set_phase(k->err, PHASE_STORAGE, ENXIO, "the host has no block device %lld:%lld",
                             (long long)dev->major, (long long)dev->minor);
    if ((r = disk_check_node(node, &number, k->err)) < 0 ||
        (r = disk_add(k, DISK_NODE, node, what, &d)) < 0)
        return r;
    if (!may_write(k->spec, dev))
        d->ipc.flags |= HVP_F_READONLY;
    disk_use(d, PLAN_DISK_DEVICE, i);
    strv_addf(&k->d->why, "linux.devices[%zu] '%s': block: the block device '%s'", i, dev->path,
              node);
    return 0;
}

/* Without 'block' in the policy plan refuses them by name. */
int disk_choose_devices(struct chooser *k)
{
    const struct oci_linux *l = &k->spec->linux_;
    int r = 0;

    if (l->n_devices > PLAN_PRIVILEGED_DEVICES ||
        !strv_has(k->c->decision.storage.volumes, "block"))
        return 0;
    for (size_t i = 0; i < l->n_devices && r == 0; i++)
        if (l->devices[i].type[0] == 'b' && (r = add_device(k, i)) < 0)
            err_wrap(k->err, "config.json: linux.devices[%zu] '%s'", i, l->devices[i].path);
    return r;
}
