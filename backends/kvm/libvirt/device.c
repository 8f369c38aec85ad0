/* SPDX-License-Identifier: Apache-2.0 */
/* Shares and NICs, and what is common to all devices. */
#include "kvm/device.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "domain.h"
#include "kvm/options.h"

#define NIC_QUEUES_MAX 8
#define MTU_MIN 68
#define MTU_MAX 65535

void lv_alias(unsigned number, char *buf, size_t len)
{
    snprintf(buf, len, "ua-d%u", number);
}

static void add_alias(struct xml *x, const struct lv_place *at)
{
    char alias[24];

    lv_alias(at->number, alias, sizeof(alias));
    xml_empty(x, "alias", "name", alias, NULL);
}

static int check_nic(const struct hvp_nic *n, struct hvp_error *err)
{
    if (n->tap_fds)
        return hvp_fail(err, ENOTSUP,
                        "NIC '%s': a descriptor of a tap cannot be handed to libvirt's daemon",
                        n->d.tag);
    if (n->queues > NIC_QUEUES_MAX)
        return hvp_fail(err, EINVAL, "NIC '%s': more than %d queues", n->d.tag, NIC_QUEUES_MAX);
    if (n->mtu != 0 && (n->mtu < MTU_MIN || n->mtu > MTU_MAX))
        return hvp_fail(err, EINVAL, "NIC '%s': MTU %u is out of range", n->d.tag, n->mtu);
    if (n->ifname && (!n->ifname[0] || strlen(n->ifname) > LV_IFNAME_MAX))
        return hvp_fail(err, EINVAL, "NIC '%s': '%.40s' is not a name of an interface", n->d.tag,
                        n->ifname);
    return 0;
}

int lv_device_check(const struct hvp_device *dev, struct hvp_error *err)
{
    switch (dev->kind) {
    case HVP_DEV_NIC:
        return check_nic((const struct hvp_nic *)dev, err);
    case HVP_DEV_DISK:
        return device_check(dev, err) < 0 ? err->code
                                          : lv_disk_check((const struct hvp_disk *)dev, err);
    case HVP_DEV_SHARE:
        return device_check(dev, err);
    default:
        return hvp_fail(err, ENOTSUP, "device '%s': a device of this kind is not supported",
                        dev->tag);
    }
}

/* multidevs: the share holds mounts of many file systems, whose inode numbers clash. */
static void add_share(struct xml *x, const struct hvp_share *s, const struct lv_place *at)
{
    const char *model = options_get(s->options, s->n_options, "security_model");
    const char *mode = "passthrough";

    if (model && strcmp(model, "none") == 0)
        mode = "squash";
    else if (model && strcmp(model, "mapped-xattr") == 0)
        mode = "mapped";
    xml_open(x, "filesystem");
    xml_attr(x, "type", "mount");
    xml_attr(x, "accessmode", mode);
    xml_attr(x, "multidevs", "remap");
    xml_attr(x, "model", "virtio-non-transitional");
    xml_empty(x, "source", "dir", s->dir, NULL);
    xml_empty(x, "target", "dir", s->d.tag, NULL);
    if (s->d.flags & HVP_F_READONLY)
        xml_empty(x, "readonly", NULL);
    add_alias(x, at);
    lv_place_xml(x, at);
    xml_close(x);
}

/* A name has no room for a UUID, of which any part may be another one's: its FNV-1a has. */
void lv_ifname(const struct hvp_nic *n, const char *uuid, unsigned number, char *buf)
{
    uint32_t hash = 2166136261u;

    for (; *uuid; uuid++)
        hash = (hash ^ (unsigned char)*uuid) * 16777619u;
    if (n->ifname)
        snprintf(buf, LV_IFNAME_MAX + 1, "%s", n->ifname);
    else
        snprintf(buf, LV_IFNAME_MAX + 1, "av%08x-%u", hash, number);
}

/* type='ethernet': a tap that libvirt makes and connects to nothing. */
static void add_nic(struct xml *x, const struct hvp_nic *n, const struct lv_place *at,
                    const char *uuid)
{
    char name[LV_IFNAME_MAX + 1];

    lv_ifname(n, uuid, at->number, name);
    xml_open(x, "interface");
    xml_attr(x, "type", "ethernet");
    xml_open(x, "mac");
    xml_attrf(x, "address", "%02x:%02x:%02x:%02x:%02x:%02x", n->mac[0], n->mac[1], n->mac[2],
              n->mac[3], n->mac[4], n->mac[5]);
    xml_close(x);
    xml_empty(x, "target", "dev", name, NULL);
    xml_empty(x, "model", "type", "virtio-non-transitional", NULL);
    xml_open(x, "driver");
    xml_attr(x, "name", "qemu");
    if (n->queues > 1)
        xml_attrf(x, "queues", "%u", n->queues);
    xml_close(x);
    xml_empty(x, "link", "state", n->d.flags & HVP_F_LINK_DOWN ? "down" : "up", NULL);
    if (n->mtu) {
        xml_open(x, "mtu");
        xml_attrf(x, "size", "%u", n->mtu);
        xml_close(x);
    }
    xml_empty(x, "rom", "enabled", "no", NULL); /* nobody boots from the network */
    add_alias(x, at);
    lv_place_xml(x, at);
    xml_close(x);
}

void lv_device_xml(struct xml *x, const struct hvp_device *dev, const struct lv_place *at,
                   const char *uuid)
{
    switch (dev->kind) {
    case HVP_DEV_NIC:
        add_nic(x, (const struct hvp_nic *)dev, at, uuid);
        break;
    case HVP_DEV_DISK:
        lv_disk_xml(x, (const struct hvp_disk *)dev, at, uuid);
        break;
    default:
        add_share(x, (const struct hvp_share *)dev, at);
    }
}
