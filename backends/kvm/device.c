/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "args.h"
#include "common/util.h"
#include "disk.h"
#include "json.h"
#include "options.h"

#define NIC_QUEUES_MAX 8

struct json_object *device_strings(const char *key, ...)
{
    struct json_object *o = json_object_new_object();
    va_list ap;

    va_start(ap, key);
    for (; o && key; key = va_arg(ap, const char *))
        json_object_object_add(o, key, json_object_new_string(va_arg(ap, const char *)));
    va_end(ap);
    return o;
}

/* Tags become parts of QEMU's ids and of JSON: the ABI's alphabet is checked, not trusted. */
static bool tag_ok(const char *tag)
{
    size_t n = strlen(tag);

    for (const char *p = tag; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
            return false;
    return n >= 1 && n <= HVP_TAG_MAX;
}

static int share_check(const struct hvp_share *s, struct hvp_error *err)
{
    static const char *const words[] = {"security_model", NULL};
    static const char *const models[] = {"passthrough", "none", "mapped-xattr", NULL};
    const char *model = options_get(s->options, s->n_options, "security_model");
    const struct hvp_kv as_key = {.key = model, .value = ""};

    if (s->fs != HVP_FS_9P)
        return hvp_fail(err, ENOTSUP, "share '%s': only 9p is supported", s->d.tag);
    if (s->dir[0] != '/')
        return hvp_fail(err, EINVAL, "share '%s': '%.200s' is not an absolute path", s->d.tag,
                        s->dir);
    if (options_check(s->d.tag, s->options, s->n_options, words, err) < 0)
        return err->code;
    return model ? options_check(s->d.tag, &as_key, 1, models, err) : 0;
}

static int nic_check(const struct hvp_nic *n, struct hvp_error *err)
{
    if (n->queues < 1 || n->queues > NIC_QUEUES_MAX || !n->tap_fds)
        return hvp_fail(err, EINVAL, "NIC '%s': needs 1 to %d tap descriptors", n->d.tag,
                        NIC_QUEUES_MAX);
    if (n->mtu != 0 && (n->mtu < 68 || n->mtu > 65535))
        return hvp_fail(err, EINVAL, "NIC '%s': MTU %u is out of range", n->d.tag, n->mtu);
    return 0;
}

int device_check(const struct hvp_device *dev, struct hvp_error *err)
{
    static const size_t sizes[] = {
        [HVP_DEV_DISK] = sizeof(struct hvp_disk),
        [HVP_DEV_SHARE] = sizeof(struct hvp_share),
        [HVP_DEV_NIC] = sizeof(struct hvp_nic),
        [HVP_DEV_VSOCK] = sizeof(struct hvp_vsock),
    };

    if (dev->kind < HVP_DEV_DISK || dev->kind > HVP_DEV_VSOCK)
        return hvp_fail(err, ENOTSUP, "unknown kind of device %u", dev->kind);
    if (dev->struct_size < sizes[dev->kind])
        return hvp_fail(err, EINVAL, "device of kind %u has only %u bytes", dev->kind,
                        dev->struct_size);
    if (!tag_ok(dev->tag))
        return hvp_fail(err, EINVAL, "'%.40s' is not a device tag of 1 to %d letters", dev->tag,
                        HVP_TAG_MAX);
    switch (dev->kind) {
    case HVP_DEV_DISK:
        return disk_check((const struct hvp_disk *)dev, err);
    case HVP_DEV_SHARE:
        return share_check((const struct hvp_share *)dev, err);
    case HVP_DEV_NIC:
        return nic_check((const struct hvp_nic *)dev, err);
    default:
        return 0;
    }
}

struct json_object *device_virtio(const char *name, const char *id, const struct machine *m,
                                  const struct device_place *at)
{
    struct json_object *o = json_object_new_object();
    char text[64];

    snprintf(text, sizeof(text), "%s-%s", name, m->bus);
    json_add_text(o, "driver", text);
    json_add_text(o, "id", id);
    if (strcmp(m->bus, "pci") == 0)
        json_add_text(o, "disable-legacy", "on");
    if (at && at->bus) {
        json_add_text(o, "bus", at->bus);
        snprintf(text, sizeof(text), "0x%x", at->slot);
        json_add_text(o, "addr", text);
    }
    return o;
}

static struct json_object *tagged(const char *name, const char *tag, const struct machine *m,
                                  const struct device_place *at)
{
    char id[HVP_TAG_MAX + 3];

    snprintf(id, sizeof(id), "d-%s", tag);
    return device_virtio(name, id, m, at);
}

struct json_object *device_disk(const struct hvp_disk *k, const struct machine *m,
                                const struct device_place *at)
{
    struct json_object *o = tagged("virtio-blk", k->d.tag, m, at);
    char node[HVP_TAG_MAX + 3];

    snprintf(node, sizeof(node), "n-%s", k->d.tag);
    json_add_text(o, "drive", node);
    json_add_text(o, "serial", k->d.tag);
    /* The other way, to stop the VM, would freeze containers that have nothing to do with it. */
    json_add_text(o, "werror", "report");
    json_add_text(o, "rerror", "report");
    if (k->d.flags & HVP_F_SHARED)
        json_add_bool(o, "share-rw", true);
    return o;
}

struct json_object *device_nic(const struct hvp_nic *n, const struct machine *m,
                               const struct device_place *at)
{
    struct json_object *o = tagged("virtio-net", n->d.tag, m, at);
    char text[32];

    snprintf(text, sizeof(text), "t-%s", n->d.tag);
    json_add_text(o, "netdev", text);
    snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", n->mac[0], n->mac[1], n->mac[2],
             n->mac[3], n->mac[4], n->mac[5]);
    json_add_text(o, "mac", text);
    if (strcmp(m->bus, "pci") == 0)
        json_add_text(o, "romfile", ""); /* nobody boots from the network */
    if (n->mtu)
        json_add_int(o, "host_mtu", n->mtu);
    if (n->queues > 1) {
        json_add_bool(o, "mq", true);
        if (strcmp(m->bus, "pci") == 0)
            json_add_int(o, "vectors", 2 * (int64_t)n->queues + 2);
    }
    return o;
}

struct json_object *device_share(const struct hvp_share *s, const struct machine *m,
                                 const struct device_place *at)
{
    struct json_object *o = tagged("virtio-9p", s->d.tag, m, at);
    char text[32];

    snprintf(text, sizeof(text), "s-%s", s->d.tag);
    json_add_text(o, "fsdev", text);
    json_add_text(o, "mount_tag", s->d.tag);
    return o;
}

struct json_object *device_vsock(const char *tag, uint32_t cid, int fd, const struct machine *m,
                                 const struct device_place *at)
{
    struct json_object *o = tagged("vhost-vsock", tag, m, at);
    char text[16];

    /* Only the modern device exists. */
    json_object_object_del(o, "disable-legacy");
    json_add_int(o, "guest-cid", cid);
    snprintf(text, sizeof(text), "%d", fd);
    json_add_text(o, "vhostfd", text);
    return o;
}

/*
 * passthrough stores the guest's owners as they are and needs root; "none" does the same as far as
 * it may.  multidevs=remap: the share holds mounts of many file systems, whose inode numbers clash.
 */
char *device_fsdev(const struct hvp_share *s, bool privileged)
{
    const char *model = options_get(s->options, s->n_options, "security_model");
    cleanup_free char *dir = args_escape(s->dir);
    char *text;

    if (!model)
        model = privileged ? "passthrough" : "none";
    if (!dir ||
        asprintf(&text, "local,id=s-%s,path=%s,security_model=%s,multidevs=remap%s", s->d.tag, dir,
                 model, s->d.flags & HVP_F_READONLY ? ",readonly=on" : "") < 0)
        return NULL;
    return text;
}
