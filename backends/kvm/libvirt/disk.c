/* SPDX-License-Identifier: Apache-2.0 */
#include "kvm/disk.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "domain.h"
#include "kvm/options.h"

#define NBD_PORT "10809"
#define ISCSI_PORT "3260"
#define NBD_TIMEOUT "30" /* seconds that requests wait for a server that went away */

static const char *option(const struct hvp_disk *k, const char *key)
{
    return options_get(k->options, k->n_options, key);
}

void lv_disk_target(unsigned number, char *buf, size_t len)
{
    if (number < 26)
        snprintf(buf, len, "vd%c", (char)('a' + number));
    else
        snprintf(buf, len, "vd%c%c", (char)('a' + number / 26 - 1), (char)('a' + number % 26));
}

void lv_secret_usage(const char *uuid, const char *tag, char *buf, size_t len)
{
    snprintf(buf, len, "anyvisor %s %s", uuid, tag);
}

static int refuse(const struct hvp_disk *k, const char *what, struct hvp_error *err)
{
    return hvp_fail(err, ENOTSUP, "disk '%s': %s; the back-end 'kvm' can", k->d.tag, what);
}

/* Beyond what the kvm back-end checks: things that libvirt has no words for. */
int lv_disk_check(const struct hvp_disk *k, struct hvp_error *err)
{
    if (k->format == HVP_FORMAT_VHDX)
        return refuse(k, "libvirt does not know the format vhdx", err);
    if (k->format == HVP_FORMAT_QCOW2 && k->protocol != HVP_PROTO_FILE &&
        k->protocol != HVP_PROTO_BLOCK)
        return refuse(k,
                      "libvirt does not tell whether a qcow2 image on a server keeps its data in "
                      "another file",
                      err);
    if (k->protocol == HVP_PROTO_NBD && disk_has_tls(k))
        return refuse(k, "libvirt takes TLS credentials from its qemu.conf, not from a volume",
                      err);
    if (k->protocol == HVP_PROTO_ISCSI && option(k, "timeout"))
        return refuse(k, "libvirt cannot set a time limit for iSCSI", err);
    if (k->protocol == HVP_PROTO_RBD && option(k, "user") && !k->secret_file)
        return refuse(k, "libvirt takes a user of Ceph only together with a secret", err);
    return 0;
}

#define RECONNECT_SINCE 9001000 /* libvirt 9.1 */

int lv_disk_check_version(const struct hvp_disk *k, unsigned long version, struct hvp_error *err)
{
    if (k->protocol == HVP_PROTO_NBD && option(k, "timeout") && version < RECONNECT_SINCE)
        return refuse(k, "libvirt knows a time limit of NBD since version 9.1 only", err);
    return 0;
}

static void add_driver(struct xml *x, const struct hvp_disk *k)
{
    static const char *const formats[] = {
        [HVP_FORMAT_RAW] = "raw", [HVP_FORMAT_QCOW2] = "qcow2", [HVP_FORMAT_VMDK] = "vmdk"};
    static const char *const caches[] = {[HVP_CACHE_NONE] = "none",
                                         [HVP_CACHE_WRITEBACK] = "writeback",
                                         [HVP_CACHE_UNSAFE] = "unsafe"};

    xml_open(x, "driver");
    xml_attr(x, "name", "qemu");
    xml_attr(x, "type", formats[k->format]);
    if (k->cache != HVP_CACHE_DEFAULT)
        xml_attr(x, "cache", caches[k->cache]);
    xml_attr(x, "discard", k->discard ? "unmap" : "ignore");
    /* The other way, to stop the VM, would freeze containers that have nothing to do with it. */
    xml_attr(x, "error_policy", "report");
    xml_attr(x, "rerror_policy", "report");
    xml_close(x);
}

static void add_auth(struct xml *x, const struct hvp_disk *k, const char *type, const char *uuid)
{
    char usage[HVP_TAG_MAX + 64];

    if (!k->secret_file)
        return;
    lv_secret_usage(uuid, k->d.tag, usage, sizeof(usage));
    xml_open(x, "auth");
    xml_attr(x, "username", option(k, "user"));
    xml_empty(x, "secret", "type", type, "usage", usage, NULL);
    xml_close(x);
}

static void add_nbd(struct xml *x, const struct hvp_disk *k)
{
    const char *path = option(k, "socket"), *port = option(k, "port");
    const char *wait = option(k, "timeout");

    xml_attr(x, "protocol", "nbd");
    if (option(k, "export"))
        xml_attr(x, "name", option(k, "export"));
    if (path)
        xml_empty(x, "host", "transport", "unix", "socket", path, NULL);
    else
        xml_empty(x, "host", "name", option(k, "host"), "port", port ? port : NBD_PORT, NULL);
    xml_empty(x, "reconnect", "delay", wait ? wait : NBD_TIMEOUT, NULL);
}

/* "host:port", "[v6]:port" or a host alone. */
static void add_portal(struct xml *x, const char *portal)
{
    const char *bracket = strchr(portal, ']');
    const char *colon = strrchr(bracket ? bracket : portal, ':');
    char host[256];
    size_t n = colon ? (size_t)(colon - portal) : strlen(portal);

    if (bracket) {
        portal++;
        n = (size_t)(bracket - portal);
    }
    snprintf(host, sizeof(host), "%.*s", (int)(n < sizeof(host) ? n : sizeof(host) - 1), portal);
    xml_empty(x, "host", "name", host, "port", colon ? colon + 1 : ISCSI_PORT, NULL);
}

static void add_iscsi(struct xml *x, const struct hvp_disk *k, const char *uuid)
{
    const char *lun = option(k, "lun"), *initiator = option(k, "initiator");

    xml_attr(x, "protocol", "iscsi");
    xml_attrf(x, "name", "%s/%s", option(k, "target"), lun ? lun : "0");
    add_portal(x, option(k, "portal"));
    add_auth(x, k, "iscsi", uuid);
    if (initiator) {
        xml_open(x, "initiator");
        xml_empty(x, "iqn", "name", initiator, NULL);
        xml_close(x);
    }
}

static void add_monitors(struct xml *x, const char *list)
{
    while (list && *list) {
        size_t n = strcspn(list, ",");
        char one[300];

        snprintf(one, sizeof(one), "%.*s", (int)n, list);
        add_portal(x, one);
        list += n + (list[n] == ',');
    }
}

static void add_rbd(struct xml *x, const struct hvp_disk *k, const char *uuid)
{
    const char *space = option(k, "namespace"), *conf = option(k, "conf");

    xml_attr(x, "protocol", "rbd");
    xml_attrf(x, "name", "%s/%s%s%s", option(k, "pool"), space ? space : "", space ? "/" : "",
              option(k, "image"));
    add_monitors(x, option(k, "mon"));
    if (conf)
        xml_empty(x, "config", "file", conf, NULL);
    add_auth(x, k, "ceph", uuid);
}

static void add_source(struct xml *x, const struct hvp_disk *k, const char *uuid)
{
    xml_open(x, "source");
    if (k->protocol == HVP_PROTO_FILE)
        xml_attr(x, "file", k->path);
    else if (k->protocol == HVP_PROTO_BLOCK)
        xml_attr(x, "dev", k->path);
    else if (k->protocol == HVP_PROTO_NBD)
        add_nbd(x, k);
    else if (k->protocol == HVP_PROTO_ISCSI)
        add_iscsi(x, k, uuid);
    else
        add_rbd(x, k, uuid);
    xml_close(x);
}

void lv_disk_xml(struct xml *x, const struct hvp_disk *k, const struct lv_place *at,
                 const char *uuid)
{
    char target[8], alias[24];

    lv_disk_target(at->number, target, sizeof(target));
    lv_alias(at->number, alias, sizeof(alias));
    xml_open(x, "disk");
    xml_attr(x, "type",
             k->protocol == HVP_PROTO_FILE    ? "file"
             : k->protocol == HVP_PROTO_BLOCK ? "block"
                                              : "network");
    xml_attr(x, "device", "disk");
    xml_attr(x, "model", "virtio-non-transitional");
    add_driver(x, k);
    add_source(x, k, uuid);
    /* Empty: an image must not name other files of the host, or servers, that lie behind it. */
    xml_empty(x, "backingStore", NULL);
    xml_empty(x, "target", "dev", target, "bus", "virtio", NULL);
    if (k->d.flags & HVP_F_READONLY)
        xml_empty(x, "readonly", NULL);
    if (k->d.flags & HVP_F_SHARED)
        xml_empty(x, "shareable", NULL);
    xml_leaf(x, "serial", k->d.tag);
    xml_empty(x, "alias", "name", alias, NULL);
    lv_place_xml(x, at);
    xml_close(x);
}
