/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of a domain: what it may have, their names in the guest, disks that come and go. */
#include <errno.h>
#include <string.h>
#include <xenstore.h>
#include <sys/stat.h>
#include "common/util.h"
#include "domain.h"
#include "xen.h"

#define DETACH_TRIES 3

struct xen_device *xen_device_find(struct xen_vm *vm, const char *tag)
{
    struct xen_device *d = vm->devices;

    while (d && strcmp(d->tag, tag) != 0)
        d = d->next;
    return d;
}

static int check_share(const struct hvp_share *s, struct hvp_error *err)
{
    struct stat st;

    if (s->fs != HVP_FS_9P)
        return hvp_fail(err, ENOTSUP, "share '%s': Xen has 9p only", s->d.tag);
    for (size_t i = 0; i < s->n_options; i++)
        if (strcmp(s->options[i].key, "security_model") != 0)
            return hvp_fail(err, EINVAL, "device '%s': unknown option '%.100s'", s->d.tag,
                            s->options[i].key);
    if (stat(s->dir, &st) < 0 || !S_ISDIR(st.st_mode))
        return hvp_fail(err, ENOENT, "share '%s': there is no directory '%.300s'", s->d.tag,
                        s->dir);
    return 0;
}

static int check_disk(const struct hvp_disk *k, struct hvp_error *err)
{
    if (k->protocol != HVP_PROTO_FILE && k->protocol != HVP_PROTO_BLOCK)
        return hvp_fail(err, ENOTSUP, "disk '%s': Xen's disks are files and block devices of dom0",
                        k->d.tag);
    if (k->format != HVP_FORMAT_RAW && k->format != HVP_FORMAT_QCOW2)
        return hvp_fail(err, ENOTSUP, "disk '%s': Xen's disks are raw or qcow2", k->d.tag);
    /* It puts a writable node over the read-only file and then finds fault with that. */
    if (k->d.flags & HVP_F_READONLY && !domain_disk_is_phy(k))
        return hvp_fail(
            err, ENOTSUP,
            "disk '%s': Xen's QEMU cannot open an image read-only; take a block device, "
            "as 'losetup -r' makes one of an image, or 9p",
            k->d.tag);
    if (k->n_options)
        return hvp_fail(err, EINVAL, "device '%s': unknown option '%.100s'", k->d.tag,
                        k->options[0].key);
    if (access(k->path, F_OK) < 0)
        return hvp_fail(err, errno, "disk '%s': '%.300s': %m", k->d.tag, k->path);
    return 0;
}

static int check_device(const struct hvp_device *dev, struct hvp_error *err)
{
    if (dev->kind == HVP_DEV_SHARE)
        return check_share((const struct hvp_share *)dev, err);
    if (dev->kind == HVP_DEV_DISK)
        return check_disk((const struct hvp_disk *)dev, err);
    if (dev->kind != HVP_DEV_NIC)
        return hvp_fail(err, ENOTSUP, "device '%s': only disks, shares and NICs are supported",
                        dev->tag);
    return dev->flags & HVP_F_LINK_DOWN
               ? hvp_fail(err, ENOTSUP, "NIC '%s': Xen's have their carrier always", dev->tag)
               : 0;
}

static int choose_vdev(struct xen_vm *vm, char vdev[8], struct hvp_error *err)
{
    for (char c = 'a'; c < 'a' + XEN_DISKS_MAX; c++) {
        struct xen_device *d = vm->devices;

        snprintf(vdev, 8, "xvd%c", c);
        while (d && strcmp(d->vdev, vdev) != 0)
            d = d->next;
        if (!d)
            return 0;
    }
    return hvp_fail(err, ENOSPC, "the VM has %d disks already", XEN_DISKS_MAX);
}

static int choose_nic(const struct xen_vm *vm)
{
    int number = 0;

    for (const struct xen_device *d = vm->devices; d; d = d->next)
        number = d->nic >= number ? d->nic + 1 : number;
    return number;
}

int xen_device_note(struct xen_vm *vm, const struct hvp_device *dev, bool hot,
                    struct xen_device **ret, struct hvp_error *err)
{
    char vdev[8] = "";
    struct xen_device *d;

    if (check_device(dev, err) < 0)
        return err->code;
    if (xen_device_find(vm, dev->tag))
        return hvp_fail(err, EEXIST, "the VM has a device '%s' already", dev->tag);
    if (dev->kind == HVP_DEV_DISK && choose_vdev(vm, vdev, err) < 0)
        return err->code;
    d = calloc(1, sizeof(*d));
    if (!d)
        return hvp_fail(err, ENOMEM, "out of memory for device '%s'", dev->tag);
    *d = (struct xen_device){.next = vm->devices,
                             .kind = dev->kind,
                             .nic = dev->kind == HVP_DEV_NIC ? choose_nic(vm) : -1,
                             .hot = hot};
    snprintf(d->tag, sizeof(d->tag), "%s", dev->tag);
    memcpy(d->vdev, vdev, sizeof(vdev));
    vm->devices = d;
    *ret = d;
    return 0;
}

static void forget(struct xen_vm *vm, struct xen_device *dev)
{
    struct xen_device **p = &vm->devices;

    while (*p && *p != dev)
        p = &(*p)->next;
    if (*p)
        *p = dev->next;
    free(dev);
}

/*
 * A disk that comes later has its name at data/anyvisor/xvdX of the domain's home in xenstore,
 * where the agent looks it up; before it comes, for then the guest looks at once.
 */
static void name_path(const struct xen_vm *vm, const char *vdev, char path[64])
{
    snprintf(path, 64, "/local/domain/%u/data/anyvisor/%s", vm->domid, vdev);
}

static int name_disk(struct xen_vm *vm, const char *vdev, const char *tag, struct hvp_error *err)
{
    struct xs_handle *store = xs_open(0);
    char path[64];
    bool done;

    if (!store)
        return hvp_fail(err, errno, "reach xenstored: %m");
    name_path(vm, vdev, path);
    done = xs_write(store, XBT_NULL, path, tag, (unsigned)strlen(tag));
    if (!done)
        hvp_fail(err, errno, "write '%s' in xenstore: %m", path);
    xs_close(store);
    return done ? 0 : err->code;
}

/* What cannot be removed names nothing, and the next disk in its place overwrites it. */
static void forget_name(const struct xen_vm *vm, const char *vdev)
{
    struct xs_handle *store = xs_open(0);
    char path[64];

    if (!store)
        return;
    name_path(vm, vdev, path);
    (void)xs_rm(store, XBT_NULL, path);
    xs_close(store);
}

static int attach(struct xen_vm *vm, const struct hvp_disk *k, const char *vdev,
                  const struct deadline *d, struct hvp_error *err)
{
    libxl_device_disk disk;
    libxl_asyncop_how how;
    int r;

    libxl_device_disk_init(&disk);
    r = domain_disk(k, vdev, &disk, err);
    if (r == 0)
        r = name_disk(vm, vdev, k->d.tag, err);
    if (r == 0) {
        loop_begin(&vm->loop, &how);
        r = libxl_device_disk_add(vm->loop.ctx, vm->domid, &disk, &how);
        r = loop_finish(&vm->loop, &how, r, d, "add a disk to the domain", err);
    }
    libxl_device_disk_dispose(&disk);
    if (r < 0)
        forget_name(vm, vdev);
    return r;
}

int xen_device_attach(void *p, const struct hvp_device *dev, uint32_t timeout_ms,
                      struct hvp_error *err)
{
    struct xen_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct xen_device *known;
    int r;

    if (dev->kind == HVP_DEV_SHARE)
        return hvp_fail(err, ENOTSUP, "device '%s': a share cannot be added to a running domain",
                        dev->tag);
    if (xen_device_note(vm, dev, true, &known, err) < 0)
        return err->code;
    if (known->nic >= 0)
        r = xen_nic_attach(vm, (const struct hvp_nic *)dev, known->nic, &d, err);
    else
        r = attach(vm, (const struct hvp_disk *)dev, known->vdev, &d, err);
    if (r < 0)
        forget(vm, known);
    return r;
}

/* Of xenbus: the guest's driver has the disk, and is to be asked. */
static bool is_connected(struct xen_vm *vm, const libxl_device_disk *disk)
{
    static const int connected = 4;
    libxl_device_disk copy = *disk; /* the call is not const */
    libxl_diskinfo info;
    bool yes;

    libxl_diskinfo_init(&info);
    yes = libxl_device_disk_getinfo(vm->loop.ctx, vm->domid, &copy, &info) == 0 &&
          info.state == connected;
    libxl_diskinfo_dispose(&info);
    return yes;
}

static int detach(struct xen_vm *vm, libxl_device_disk *disk, const struct deadline *d,
                  struct hvp_error *err)
{
    bool ask = is_connected(vm, disk);
    libxl_asyncop_how how;
    int r;

    loop_begin(&vm->loop, &how);
    r = ask ? libxl_device_disk_safe_remove(vm->loop.ctx, vm->domid, disk, &how)
            : libxl_device_disk_destroy(vm->loop.ctx, vm->domid, disk, &how);
    r = loop_finish(&vm->loop, &how, r, d, "remove the disk from the domain", err);
    if (ask && r == -ETIMEDOUT)
        return hvp_fail(err, EBUSY, "the guest does not let go of the disk");
    return r;
}

static int detach_disk(struct xen_vm *vm, const char *vdev, const struct deadline *d,
                       struct hvp_error *err)
{
    libxl_device_disk disk;
    int r, tries = DETACH_TRIES;

    r = libxl_vdev_to_device_disk(vm->loop.ctx, vm->domid, vdev, &disk);
    if (r)
        return loop_fail(&vm->loop, r, "find the disk in the domain", err);
    /* QEMU overlooks the word to go while it still sets the disk up, of which nobody can be told;
     * and when its part goes between libxl's look and its watch, libxl calls that invalid. */
    do
        r = detach(vm, &disk, d, err);
    while ((r == -ETIMEDOUT || r == -EINVAL) && --tries > 0 && deadline_left_ms(d) != 0);
    libxl_device_disk_dispose(&disk);
    if (r == 0)
        forget_name(vm, vdev);
    return r;
}

int xen_device_detach(void *p, const char *tag, uint32_t timeout_ms, struct hvp_error *err)
{
    struct xen_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct xen_device *dev = xen_device_find(vm, tag);
    int r;

    if (!dev)
        return hvp_fail(err, ENOENT, "the VM has no device '%.40s'", tag);
    if (!dev->hot)
        return hvp_fail(err, ENOTSUP, "device '%s' was there from the start and cannot be removed",
                        tag);
    r = dev->nic >= 0 ? xen_nic_detach(vm, dev->nic, &d, err) : detach_disk(vm, dev->vdev, &d, err);
    if (r == 0)
        forget(vm, dev);
    return r;
}

int xen_device_addr(void *p, const char *tag, char *buf, size_t len, struct hvp_error *err)
{
    const struct xen_device *dev = xen_device_find(p, tag);
    int n;

    if (!dev)
        return hvp_fail(err, ENOENT, "the VM has no device '%.40s'", tag);
    if (dev->kind == HVP_DEV_NIC)
        n = snprintf(buf, len, "vif:%d", dev->nic);
    else
        n = dev->kind == HVP_DEV_DISK ? snprintf(buf, len, "xvd:%s", dev->vdev)
                                      : snprintf(buf, len, "xen:%s", dev->tag);
    return n < 0 || (size_t)n >= len
               ? hvp_fail(err, ENAMETOOLONG, "the address of '%s' needs %d bytes", tag, n)
               : 0;
}
