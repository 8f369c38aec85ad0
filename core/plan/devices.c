/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `linux.devices` and the device filter. Host numbers mean nothing in the guest: only devices whose
 * numbers every Linux kernel shares are made there, others are refused by name. The list that
 * --privileged writes, all devices of the host, is filtered instead.
 */
#include <errno.h>
#include "plan/internal.h"

enum { ACC_MKNOD = 1, ACC_READ = 2, ACC_WRITE = 4, ACC_ALL = 7 };

/* The agent makes these in every container. */
static const char *const standard[] = {
    "/dev/null", "/dev/zero", "/dev/full",    "/dev/random",   "/dev/urandom",
    "/dev/tty",  "/dev/ptmx", "/dev/console", "/dev/pts/ptmx",
};

/* Numbers that all Linux kernels share (Documentation/admin-guide/devices.txt). */
static const struct {
    uint32_t major, minor;
} harmless[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}};

static const struct {
    const char *path;
    uint32_t major, minor;
} guest_has[] = {{"/dev/fuse", 10, 229}, {"/dev/net/tun", 10, 200}};

bool device_is_standard(const char *path)
{
    for (size_t i = 0; i < ARRAY_SIZE(standard); i++)
        if (strcmp(standard[i], path) == 0)
            return true;
    return false;
}

bool device_in_guest(const struct plan_input *in, const char *path, uint32_t *ret_major,
                     uint32_t *ret_minor)
{
    for (size_t i = 0; i < ARRAY_SIZE(guest_has); i++) {
        if (strcmp(guest_has[i].path, path) != 0 ||
            (in->guest_devices && !strv_has(in->guest_devices, path)))
            continue;
        *ret_major = guest_has[i].major;
        *ret_minor = guest_has[i].minor;
        return true;
    }
    return false;
}

static bool is_harmless(const struct oci_device *d)
{
    for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
        if (strchr("cu", d->type[0]) && d->major == harmless[i].major &&
            d->minor == harmless[i].minor)
            return true;
    return false;
}

static void add_device(struct builder *b, const struct oci_device *d, uint32_t major,
                       uint32_t minor)
{
    struct plan_device *p = APPEND(b->c->devices, b->c->n_devices);

    p->path = xstrdup(d->path);
    p->type = d->type[0] == 'p' ? 'p' : 'c';
    p->major = major;
    p->minor = minor;
    p->mode = d->file_mode.set ? (uint32_t)d->file_mode.value & 07777 : 0666;
    p->uid = d->uid.set ? (uint32_t)d->uid.value : 0;
    p->gid = d->gid.set ? (uint32_t)d->gid.value : 0;
}

static void add_disk(struct builder *b, const struct oci_device *d, const struct plan_disk *disk)
{
    struct plan_device *p;

    add_device(b, d, 0, 0);
    p = &b->c->devices[b->c->n_devices - 1];
    p->type = 'b';
    p->disk = xstrdup(disk->tag);
}

/* 1: taken or not needed; 0: the guest has no such device. */
static int take_device(struct builder *b, size_t index)
{
    const struct oci_device *d = &b->spec->linux_.devices[index];
    const struct plan_disk *disk = builder_disk(b, PLAN_DISK_DEVICE, index);
    uint32_t major, minor;

    if (disk)
        add_disk(b, d, disk);
    else if (d->type[0] == 'p')
        add_device(b, d, 0, 0);
    else if (is_harmless(d)) /* a standard one as well: with the bundle's owner and mode */
        add_device(b, d, (uint32_t)d->major, (uint32_t)d->minor);
    else if (device_is_standard(d->path))
        return 1;
    else if (d->type[0] != 'b' && device_in_guest(b->in, d->path, &major, &minor))
        add_device(b, d, major, minor);
    else
        return 0;
    return 1;
}

static int refuse_device(struct builder *b, size_t index)
{
    const struct oci_device *d = &b->spec->linux_.devices[index];

    return err_set_phase(b->err, PHASE_CONFIG, ENOTSUP,
                         d->type[0] == 'b'
                             ? "config.json: linux.devices[%zu]: '%s' is a block device of the "
                               "host; a VM gets it as a disk where storage.volumes lists 'block'"
                             : "config.json: linux.devices[%zu]: '%s' is a device of the host, "
                               "which a VM does not have",
                         index, d->path);
}

int build_devices(struct builder *b)
{
    const struct oci_linux *l = &b->spec->linux_;
    bool filter = l->n_devices > PLAN_PRIVILEGED_DEVICES;
    size_t dropped = 0;

    for (size_t i = 0; i < l->n_devices; i++) {
        if (take_device(b, i))
            continue;
        if (!filter)
            return refuse_device(b, i);
        dropped++;
    }
    if (dropped > 0)
        strv_addf(b->warnings, "linux.devices: %zu of %zu devices exist on the host only, ignoring",
                  dropped, l->n_devices);
    return 0;
}

static uint32_t access_bits(const char *access)
{
    uint32_t bits = 0;

    if (!access || !*access)
        return ACC_ALL;
    bits |= strchr(access, 'm') ? ACC_MKNOD : 0;
    bits |= strchr(access, 'r') ? ACC_READ : 0;
    bits |= strchr(access, 'w') ? ACC_WRITE : 0;
    return bits;
}

static void add_rule(struct plan_cgroup *c, uint32_t allow, uint32_t type, int64_t major,
                     int64_t minor, uint32_t access)
{
    struct plan_device_rule *p = APPEND(c->rules, c->n_rules);

    *p = (struct plan_device_rule){allow, type, major, minor, access};
}

/* -1 and absent both mean "any". */
static int64_t number_or_any(struct oci_i64 n)
{
    return n.set && n.value >= 0 ? n.value : -1;
}

void build_device_rules(const struct oci_resources *r, struct plan_cgroup *ret)
{
    add_rule(ret, 0, 'a', -1, -1, ACC_ALL);
    for (size_t i = 0; i < r->n_devices; i++) {
        const struct oci_device_rule *d = &r->devices[i];
        bool all = !d->type || !*d->type || *d->type == 'a';

        add_rule(ret, d->allow, all ? 'a' : (uint32_t)*d->type, number_or_any(d->major),
                 number_or_any(d->minor), access_bits(d->access));
    }
    /* runc appends these, whatever the bundle says: mknod of anything, the standard devices, ptys.
     */
    add_rule(ret, 1, 'c', -1, -1, ACC_MKNOD);
    add_rule(ret, 1, 'b', -1, -1, ACC_MKNOD);
    for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
        add_rule(ret, 1, 'c', harmless[i].major, harmless[i].minor, ACC_ALL);
    add_rule(ret, 1, 'c', 136, -1, ACC_ALL);
    add_rule(ret, 1, 'c', 5, 2, ACC_ALL);
}
