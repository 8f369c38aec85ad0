/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include "args.h"
#include "common/util.h"

#define NIC_QUEUES_MAX 8

static const char *const formats[] = {
    [HVP_FORMAT_RAW] = "raw",
    [HVP_FORMAT_QCOW2] = "qcow2",
    [HVP_FORMAT_VMDK] = "vmdk",
    [HVP_FORMAT_VHDX] = "vhdx",
};

static void add_text(struct json_object *o, const char *key, const char *value)
{
    json_object_object_add(o, key, json_object_new_string(value));
}

static void add_bool(struct json_object *o, const char *key, bool value)
{
    json_object_object_add(o, key, json_object_new_boolean(value));
}

static void add_int(struct json_object *o, const char *key, int64_t value)
{
    json_object_object_add(o, key, json_object_new_int64(value));
}

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

static const char *option(const struct hvp_kv *kv, size_t n, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(kv[i].key, key) == 0)
            return kv[i].value;
    return NULL;
}

/* Every key is one of the NULL-ended words. */
static int options_check(const char *tag, const struct hvp_kv *kv, size_t n,
                         const char *const *words, struct hvp_error *err)
{
    for (size_t i = 0; i < n; i++) {
        size_t w = 0;

        while (words[w] && strcmp(words[w], kv[i].key) != 0)
            w++;
        if (!words[w])
            return hvp_fail(err, EINVAL, "device '%s': unknown option '%.100s'", tag, kv[i].key);
    }
    return 0;
}

static int disk_check(const struct hvp_disk *k, struct hvp_error *err)
{
    static const char *const none[] = {NULL};
    static const char *const nbd[] = {"host", "port", "socket", "export", NULL};
    bool local = k->protocol == HVP_PROTO_FILE || k->protocol == HVP_PROTO_BLOCK;

    if (!local && k->protocol != HVP_PROTO_NBD)
        return hvp_fail(err, ENOTSUP, "disk '%s': protocol %u is not supported", k->d.tag,
                        k->protocol);
    if (k->format < HVP_FORMAT_RAW || k->format > HVP_FORMAT_VHDX)
        return hvp_fail(err, ENOTSUP, "disk '%s': format %u is not supported", k->d.tag, k->format);
    if (k->cache > HVP_CACHE_UNSAFE)
        return hvp_fail(err, EINVAL, "disk '%s': unknown cache mode %u", k->d.tag, k->cache);
    if (local && k->path[0] != '/')
        return hvp_fail(err, EINVAL, "disk '%s': '%.200s' is not an absolute path", k->d.tag,
                        k->path);
    if (k->secret_file)
        return hvp_fail(err, ENOTSUP, "disk '%s': a secret file is not supported", k->d.tag);
    if (!local && !option(k->options, k->n_options, "socket") &&
        !option(k->options, k->n_options, "host"))
        return hvp_fail(err, EINVAL, "disk '%s': nbd needs 'socket' or 'host'", k->d.tag);
    return options_check(k->d.tag, k->options, k->n_options, local ? none : nbd, err);
}

static int share_check(const struct hvp_share *s, struct hvp_error *err)
{
    static const char *const words[] = {"security_model", NULL};
    static const char *const models[] = {"passthrough", "none", "mapped-xattr", NULL};
    const char *model = option(s->options, s->n_options, "security_model");
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

size_t device_n_fds(const struct hvp_device *dev)
{
    if (dev->kind == HVP_DEV_NIC)
        return ((const struct hvp_nic *)dev)->queues;
    return dev->kind == HVP_DEV_VSOCK ? 1 : 0;
}

static struct json_object *nbd_server(const struct hvp_disk *k)
{
    const char *path = option(k->options, k->n_options, "socket");
    const char *port = option(k->options, k->n_options, "port");
    struct json_object *o = json_object_new_object();

    add_text(o, "type", path ? "unix" : "inet");
    if (path) {
        add_text(o, "path", path);
        return o;
    }
    add_text(o, "host", option(k->options, k->n_options, "host"));
    add_text(o, "port", port ? port : "10809");
    return o;
}

/* The node below the format: where the bytes come from. */
static struct json_object *protocol_node(const struct hvp_disk *k)
{
    struct json_object *o = json_object_new_object();
    const char *export = option(k->options, k->n_options, "export");

    if (k->protocol == HVP_PROTO_NBD) {
        add_text(o, "driver", "nbd");
        json_object_object_add(o, "server", nbd_server(k));
        if (export)
            add_text(o, "export", export);
        return o;
    }
    add_text(o, "driver", k->protocol == HVP_PROTO_BLOCK ? "host_device" : "file");
    add_text(o, "filename", k->path);
    return o;
}

struct json_object *device_blockdev(const struct hvp_disk *k)
{
    struct json_object *o = json_object_new_object(), *cache, *below = protocol_node(k);
    char node[HVP_TAG_MAX + 3];

    snprintf(node, sizeof(node), "n-%s", k->d.tag);
    add_text(o, "driver", formats[k->format]);
    add_text(o, "node-name", node);
    add_bool(o, "read-only", k->d.flags & HVP_F_READONLY);
    add_text(o, "discard", k->discard ? "unmap" : "ignore");
    if (k->cache == HVP_CACHE_NONE || k->cache == HVP_CACHE_UNSAFE) {
        cache = json_object_new_object();
        add_bool(cache, "direct", k->cache == HVP_CACHE_NONE);
        add_bool(cache, "no-flush", k->cache == HVP_CACHE_UNSAFE);
        json_object_object_add(o, "cache", json_object_get(cache));
        json_object_object_add(below, "cache", cache);
    }
    /* Opening read-write what the guest may only read fails on a read-only file. */
    add_bool(below, "read-only", k->d.flags & HVP_F_READONLY);
    json_object_object_add(o, "file", below);
    return o;
}

struct json_object *device_virtio(const char *name, const char *id, const struct machine *m,
                                  const struct device_place *at)
{
    struct json_object *o = json_object_new_object();
    char text[64];

    snprintf(text, sizeof(text), "%s-%s", name, m->bus);
    add_text(o, "driver", text);
    add_text(o, "id", id);
    if (strcmp(m->bus, "pci") == 0)
        add_text(o, "disable-legacy", "on");
    if (at && at->bus) {
        add_text(o, "bus", at->bus);
        snprintf(text, sizeof(text), "0x%x", at->slot);
        add_text(o, "addr", text);
    }
    return o;
}

static struct json_object *tagged(const char *name, const struct hvp_device *d,
                                  const struct machine *m, const struct device_place *at)
{
    char id[HVP_TAG_MAX + 3];

    snprintf(id, sizeof(id), "d-%s", d->tag);
    return device_virtio(name, id, m, at);
}

struct json_object *device_disk(const struct hvp_disk *k, const struct machine *m,
                                const struct device_place *at)
{
    struct json_object *o = tagged("virtio-blk", &k->d, m, at);
    char node[HVP_TAG_MAX + 3];

    snprintf(node, sizeof(node), "n-%s", k->d.tag);
    add_text(o, "drive", node);
    add_text(o, "serial", k->d.tag);
    if (k->d.flags & HVP_F_SHARED)
        add_bool(o, "share-rw", true);
    return o;
}

struct json_object *device_nic(const struct hvp_nic *n, const struct machine *m,
                               const struct device_place *at)
{
    struct json_object *o = tagged("virtio-net", &n->d, m, at);
    char text[32];

    snprintf(text, sizeof(text), "t-%s", n->d.tag);
    add_text(o, "netdev", text);
    snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", n->mac[0], n->mac[1], n->mac[2],
             n->mac[3], n->mac[4], n->mac[5]);
    add_text(o, "mac", text);
    if (strcmp(m->bus, "pci") == 0)
        add_text(o, "romfile", ""); /* nobody boots from the network */
    if (n->mtu)
        add_int(o, "host_mtu", n->mtu);
    if (n->queues > 1) {
        add_bool(o, "mq", true);
        add_int(o, "vectors", 2 * (int64_t)n->queues + 2);
    }
    return o;
}

struct json_object *device_share(const struct hvp_share *s, const struct machine *m,
                                 const struct device_place *at)
{
    struct json_object *o = tagged("virtio-9p", &s->d, m, at);
    char text[32];

    snprintf(text, sizeof(text), "s-%s", s->d.tag);
    add_text(o, "fsdev", text);
    add_text(o, "mount_tag", s->d.tag);
    return o;
}

struct json_object *device_vsock(const struct hvp_vsock *v, uint32_t cid, int fd,
                                 const struct machine *m, const struct device_place *at)
{
    struct json_object *o = tagged("vhost-vsock", &v->d, m, at);
    char text[16];

    /* Only the modern device exists. */
    json_object_object_del(o, "disable-legacy");
    add_int(o, "guest-cid", cid);
    snprintf(text, sizeof(text), "%d", fd);
    add_text(o, "vhostfd", text);
    return o;
}

/*
 * passthrough stores the guest's owners as they are and needs root; "none" does the same as far as
 * it may.  multidevs=remap: the share holds mounts of many file systems, whose inode numbers clash.
 */
char *device_fsdev(const struct hvp_share *s, bool privileged)
{
    const char *model = option(s->options, s->n_options, "security_model");
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
