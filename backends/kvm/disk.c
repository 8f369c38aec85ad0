/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "json.h"
#include "options.h"

/* Seconds that the guest's requests wait for a server that went away; then it gets I/O errors. */
#define TIMEOUT_DEFAULT 30u
#define TIMEOUT_MAX 86400u
#define LUN_MAX 16383u
#define NBD_PORT "10809"
#define NBD_EXPORT_MAX 4096

static const char *const formats[] = {
    [HVP_FORMAT_RAW] = "raw",
    [HVP_FORMAT_QCOW2] = "qcow2",
    [HVP_FORMAT_VMDK] = "vmdk",
    [HVP_FORMAT_VHDX] = "vhdx",
};

static const char *option(const struct hvp_disk *k, const char *key)
{
    return options_get(k->options, k->n_options, key);
}

/* The id of an object that belongs to the disk: "s-TAG" is its secret, "c-TAG" its TLS. */
static const char *name(const struct hvp_disk *k, char kind, char buf[HVP_TAG_MAX + 3])
{
    snprintf(buf, HVP_TAG_MAX + 3, "%c-%s", kind, k->d.tag);
    return buf;
}

static int missing(const struct hvp_disk *k, const char *protocol, const char *key,
                   struct hvp_error *err)
{
    return hvp_fail(err, EINVAL, "disk '%s': %s needs %s", k->d.tag, protocol, key);
}

static int check_timeout(const struct hvp_disk *k, struct hvp_error *err)
{
    const char *text = option(k, "timeout");
    uint32_t seconds;

    if (text && !options_number(text, TIMEOUT_MAX, &seconds))
        return hvp_fail(err, EINVAL, "disk '%s': timeout '%.40s' is not 0 to %u seconds", k->d.tag,
                        text, TIMEOUT_MAX);
    return 0;
}

static int check_tls(const struct hvp_disk *k, struct hvp_error *err)
{
    const char *dir = option(k, "tls_dir"), *kind = option(k, "tls_kind");

    if (!dir && (kind || option(k, "tls_hostname") || option(k, "tls_user")))
        return missing(k, "TLS", "'tls_dir', the directory with its credentials", err);
    if (dir && dir[0] != '/')
        return hvp_fail(err, EINVAL, "disk '%s': '%.200s' is not an absolute path", k->d.tag, dir);
    if (kind && strcmp(kind, "x509") != 0 && strcmp(kind, "psk") != 0)
        return hvp_fail(err, EINVAL, "disk '%s': tls_kind '%.40s' is not x509 or psk", k->d.tag,
                        kind);
    return 0;
}

static int check_nbd(const struct hvp_disk *k, struct hvp_error *err)
{
    static const char *const words[] = {"host",     "port",    "socket",   "export",
                                        "timeout",  "tls_dir", "tls_kind", "tls_hostname",
                                        "tls_user", NULL};
    const char *host = option(k, "host"), *path = option(k, "socket"), *export;
    uint32_t port;

    if (options_check(k->d.tag, k->options, k->n_options, words, err) < 0)
        return err->code;
    if (!host == !path)
        return missing(k, "nbd", "'socket' or 'host'", err);
    if (path && path[0] != '/')
        return hvp_fail(err, EINVAL, "disk '%s': '%.200s' is not an absolute path", k->d.tag, path);
    if (option(k, "port") && (!host || !options_number(option(k, "port"), 65535, &port)))
        return hvp_fail(err, EINVAL, "disk '%s': '%.40s' is not a port of a host", k->d.tag,
                        option(k, "port"));
    export = option(k, "export");
    if (export && strlen(export) > NBD_EXPORT_MAX)
        return hvp_fail(err, EINVAL, "disk '%s': the export's name is too long", k->d.tag);
    if (k->secret_file)
        return hvp_fail(err, EINVAL,
                        "disk '%s': nbd has no password, its credentials are tls_dir's", k->d.tag);
    return check_tls(k, err);
}

static int check_iscsi(const struct hvp_disk *k, struct hvp_error *err)
{
    static const char *const words[] = {"portal",    "target",  "lun", "user",
                                        "initiator", "timeout", NULL};
    const char *lun = option(k, "lun");
    uint32_t n;

    if (options_check(k->d.tag, k->options, k->n_options, words, err) < 0)
        return err->code;
    if (!option(k, "portal") || !option(k, "target"))
        return missing(k, "iscsi", "'portal' and 'target'", err);
    if (lun && !options_number(lun, LUN_MAX, &n))
        return hvp_fail(err, EINVAL, "disk '%s': lun '%.40s' is not 0 to %u", k->d.tag, lun,
                        LUN_MAX);
    if (!option(k, "user") != !k->secret_file)
        return missing(k, "iscsi", "'user' and a secret file, or neither", err);
    return 0;
}

static int check_rbd(const struct hvp_disk *k, struct hvp_error *err)
{
    static const char *const words[] = {"pool", "namespace", "image", "user", "conf", "mon", NULL};
    const char *conf = option(k, "conf");

    if (options_check(k->d.tag, k->options, k->n_options, words, err) < 0)
        return err->code;
    if (!option(k, "pool") || !option(k, "image"))
        return missing(k, "rbd", "'pool' and 'image'", err);
    if (conf && conf[0] != '/')
        return hvp_fail(err, EINVAL, "disk '%s': '%.200s' is not an absolute path", k->d.tag, conf);
    if (k->secret_file && !option(k, "user"))
        return missing(k, "rbd with a secret file", "'user'", err);
    return 0;
}

static int check_local(const struct hvp_disk *k, struct hvp_error *err)
{
    static const char *const none[] = {NULL};

    if (k->path[0] != '/')
        return hvp_fail(err, EINVAL, "disk '%s': '%.200s' is not an absolute path", k->d.tag,
                        k->path);
    if (k->secret_file)
        return hvp_fail(err, EINVAL, "disk '%s': a local disk has no secret file", k->d.tag);
    return options_check(k->d.tag, k->options, k->n_options, none, err);
}

int disk_check(const struct hvp_disk *k, struct hvp_error *err)
{
    if (k->format < HVP_FORMAT_RAW || k->format > HVP_FORMAT_VHDX)
        return hvp_fail(err, ENOTSUP, "disk '%s': format %u is not supported", k->d.tag, k->format);
    if (k->cache > HVP_CACHE_UNSAFE)
        return hvp_fail(err, EINVAL, "disk '%s': unknown cache mode %u", k->d.tag, k->cache);
    if (k->secret_file && k->secret_file[0] != '/')
        return hvp_fail(err, EINVAL, "disk '%s': '%.200s' is not an absolute path", k->d.tag,
                        k->secret_file);
    switch (k->protocol) {
    case HVP_PROTO_FILE:
    case HVP_PROTO_BLOCK:
        return check_local(k, err);
    case HVP_PROTO_NBD:
        return check_timeout(k, err) < 0 ? err->code : check_nbd(k, err);
    case HVP_PROTO_ISCSI:
        return check_timeout(k, err) < 0 ? err->code : check_iscsi(k, err);
    case HVP_PROTO_RBD:
        return check_rbd(k, err);
    default:
        return hvp_fail(err, ENOTSUP, "disk '%s': protocol %u is not supported", k->d.tag,
                        k->protocol);
    }
}

static void copy_option(struct json_object *o, const struct hvp_disk *k, const char *key)
{
    if (option(k, key))
        json_add_text(o, key, option(k, key));
}

static uint32_t number(const struct hvp_disk *k, const char *key, uint32_t otherwise)
{
    const char *text = option(k, key);

    if (text)
        options_number(text, UINT32_MAX, &otherwise);
    return otherwise;
}

static struct json_object *nbd_server(const struct hvp_disk *k)
{
    const char *path = option(k, "socket"), *port = option(k, "port");
    struct json_object *o = json_object_new_object();

    json_add_text(o, "type", path ? "unix" : "inet");
    if (path) {
        json_add_text(o, "path", path);
        return o;
    }
    json_add_text(o, "host", option(k, "host"));
    json_add_text(o, "port", port ? port : NBD_PORT);
    return o;
}

static void add_nbd(struct json_object *o, const struct hvp_disk *k)
{
    char id[HVP_TAG_MAX + 3];

    json_add_text(o, "driver", "nbd");
    json_object_object_add(o, "server", nbd_server(k));
    copy_option(o, k, "export");
    if (disk_has_tls(k))
        json_add_text(o, "tls-creds", name(k, 'c', id));
    if (option(k, "tls_hostname"))
        json_add_text(o, "tls-hostname", option(k, "tls_hostname"));
    json_add_int(o, "reconnect-delay", number(k, "timeout", TIMEOUT_DEFAULT));
}

static void add_iscsi(struct json_object *o, const struct hvp_disk *k)
{
    char id[HVP_TAG_MAX + 3];

    json_add_text(o, "driver", "iscsi");
    json_add_text(o, "transport", "tcp");
    copy_option(o, k, "portal");
    copy_option(o, k, "target");
    json_add_int(o, "lun", number(k, "lun", 0));
    copy_option(o, k, "user");
    if (k->secret_file)
        json_add_text(o, "password-secret", name(k, 's', id));
    if (option(k, "initiator"))
        json_add_text(o, "initiator-name", option(k, "initiator"));
    json_add_int(o, "timeout", number(k, "timeout", TIMEOUT_DEFAULT));
}

/* "HOST:PORT,[V6]:PORT" to the list that QEMU wants. */
static struct json_object *monitors(const char *text)
{
    struct json_object *list = json_object_new_array();
    size_t n;

    for (; *text; text += n, text += *text == ',') {
        struct json_object *o = json_object_new_object();
        const char *colon, *host = text;
        char buf[256];
        size_t len;

        n = strcspn(text, ",");
        colon = memrchr(text, ':', n);
        len = colon ? (size_t)(colon - text) : n;
        if (len > 1 && host[0] == '[' && host[len - 1] == ']') {
            host++;
            len -= 2;
        }
        snprintf(buf, sizeof(buf), "%.*s", (int)len, host);
        json_add_text(o, "host", buf);
        snprintf(buf, sizeof(buf), "%.*s", colon ? (int)(text + n - colon - 1) : 0,
                 colon ? colon + 1 : "");
        json_add_text(o, "port", buf);
        json_object_array_add(list, o);
    }
    return list;
}

static void add_rbd(struct json_object *o, const struct hvp_disk *k)
{
    char id[HVP_TAG_MAX + 3];

    json_add_text(o, "driver", "rbd");
    copy_option(o, k, "pool");
    copy_option(o, k, "namespace");
    copy_option(o, k, "image");
    copy_option(o, k, "conf");
    copy_option(o, k, "user");
    if (option(k, "mon"))
        json_object_object_add(o, "server", monitors(option(k, "mon")));
    if (k->secret_file)
        json_add_text(o, "key-secret", name(k, 's', id));
}

/* The node below the format: where the bytes come from. */
static struct json_object *protocol_node(const struct hvp_disk *k)
{
    struct json_object *o = json_object_new_object();

    if (k->protocol == HVP_PROTO_NBD) {
        add_nbd(o, k);
    } else if (k->protocol == HVP_PROTO_ISCSI) {
        add_iscsi(o, k);
    } else if (k->protocol == HVP_PROTO_RBD) {
        add_rbd(o, k);
    } else {
        json_add_text(o, "driver", k->protocol == HVP_PROTO_BLOCK ? "host_device" : "file");
        json_add_text(o, "filename", k->path);
    }
    return o;
}

struct json_object *disk_node(const struct hvp_disk *k)
{
    struct json_object *o = json_object_new_object(), *cache, *below = protocol_node(k);
    char node[HVP_TAG_MAX + 3];

    json_add_text(o, "driver", formats[k->format]);
    json_add_text(o, "node-name", name(k, 'n', node));
    json_add_bool(o, "read-only", k->d.flags & HVP_F_READONLY);
    json_add_text(o, "discard", k->discard ? "unmap" : "ignore");
    /* A node that does not pass trims on keeps them from all above it, whatever those say. */
    json_add_text(below, "discard", k->discard ? "unmap" : "ignore");
    if (k->cache == HVP_CACHE_NONE || k->cache == HVP_CACHE_UNSAFE) {
        cache = json_object_new_object();
        json_add_bool(cache, "direct", k->cache == HVP_CACHE_NONE);
        json_add_bool(cache, "no-flush", k->cache == HVP_CACHE_UNSAFE);
        json_object_object_add(o, "cache", json_object_get(cache));
        json_object_object_add(below, "cache", cache);
    }
    /* Opening read-write what the guest may only read fails on a read-only file. */
    json_add_bool(below, "read-only", k->d.flags & HVP_F_READONLY);
    /* An image must not name other files of ours, or servers, that lie behind it. */
    if (k->format == HVP_FORMAT_QCOW2)
        json_object_object_add(o, "backing", NULL);
    json_object_object_add(o, "file", below);
    return o;
}

/* Ceph's key is base64 already, and QEMU's rbd driver encodes what it is given once more. */
struct json_object *disk_secret(const struct hvp_disk *k, int secret_fd)
{
    char id[HVP_TAG_MAX + 3], path[40];
    struct json_object *o = json_object_new_object();

    snprintf(path, sizeof(path), "/proc/self/fd/%d", secret_fd);
    json_add_text(o, "qom-type", "secret");
    json_add_text(o, "id", name(k, 's', id));
    json_add_text(o, "file", path);
    json_add_text(o, "format", k->protocol == HVP_PROTO_RBD ? "base64" : "raw");
    return o;
}

bool disk_has_tls(const struct hvp_disk *k)
{
    return option(k, "tls_dir") != NULL;
}

struct json_object *disk_tls(const struct hvp_disk *k)
{
    bool psk = option(k, "tls_kind") && strcmp(option(k, "tls_kind"), "psk") == 0;
    char id[HVP_TAG_MAX + 3];
    struct json_object *o = json_object_new_object();

    json_add_text(o, "qom-type", psk ? "tls-creds-psk" : "tls-creds-x509");
    json_add_text(o, "id", name(k, 'c', id));
    json_add_text(o, "endpoint", "client");
    json_add_text(o, "dir", option(k, "tls_dir"));
    if (psk && option(k, "tls_user"))
        json_add_text(o, "username", option(k, "tls_user"));
    if (!psk)
        json_add_bool(o, "verify-peer", true);
    return o;
}
