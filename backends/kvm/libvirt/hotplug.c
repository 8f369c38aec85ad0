/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of a VM that exists. On PCIe a device can only come into a root port that was made
 * beforehand; port N is libvirt's bus N.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "common/util.h"
#include "lv.h"

static struct lv_device *find(struct lv_vm *vm, const char *tag)
{
    for (struct lv_device *d = vm->devices; d; d = d->next)
        if (strcmp(d->tag, tag) == 0)
            return d;
    return NULL;
}

/* A NIC's whole description is said again when its link changes. */
static void keep_nic(struct lv_vm *vm, struct lv_device *d, const struct hvp_nic *n)
{
    d->nic = *n;
    lv_ifname(n, vm->uuid, d->at.number, d->ifname);
    d->nic.ifname = d->ifname;
    d->nic.d.tag = d->tag;
}

struct lv_device *lv_device_add(struct lv_vm *vm, const struct hvp_device *dev,
                                const struct lv_place *at, struct hvp_error *err)
{
    struct lv_device *d;

    if (dev->kind == HVP_DEV_DISK &&
        lv_disk_check_version((const struct hvp_disk *)dev, vm->inst->version, err) < 0)
        return NULL;
    d = calloc(1, sizeof(*d));
    if (!d) {
        hvp_fail(err, ENOMEM, "out of memory for device '%s'", dev->tag);
        return NULL;
    }
    snprintf(d->tag, sizeof(d->tag), "%s", dev->tag);
    d->kind = dev->kind;
    d->at = *at;
    if (dev->kind == HVP_DEV_NIC)
        keep_nic(vm, d, (const struct hvp_nic *)dev);
    pthread_mutex_lock(&vm->lock);
    d->next = vm->devices;
    vm->devices = d;
    pthread_mutex_unlock(&vm->lock);
    return d;
}

static void forget(struct lv_vm *vm, struct lv_device *dev)
{
    struct lv_device **p = &vm->devices;

    pthread_mutex_lock(&vm->lock);
    while (*p && *p != dev)
        p = &(*p)->next;
    if (*p)
        *p = dev->next;
    pthread_mutex_unlock(&vm->lock);
    free(dev);
}

static int free_port(struct lv_vm *vm, struct lv_place *ret, struct hvp_error *err)
{
    unsigned ports = vm->inst->config.kvm.hotplug_ports;

    for (unsigned bus = 1; bus <= ports; bus++) {
        struct lv_device *d = vm->devices;

        while (d && d->at.bus != bus)
            d = d->next;
        if (!d) {
            *ret = (struct lv_place){.bus = bus, .number = vm->next_number++};
            return 0;
        }
    }
    return hvp_fail(err, ENOSPC, "all %u hot-plug ports of the VM are taken (hotplug_ports)",
                    ports);
}

static int attach(struct lv_call *c)
{
    return virDomainAttachDeviceFlags(c->dom, c->text, VIR_DOMAIN_AFFECT_LIVE);
}

static int update(struct lv_call *c)
{
    return virDomainUpdateDeviceFlags(c->dom, c->text, VIR_DOMAIN_AFFECT_LIVE);
}

static int detach(struct lv_call *c)
{
    return virDomainDetachDeviceAlias(c->dom, c->text, VIR_DOMAIN_AFFECT_LIVE);
}

static int resize(struct lv_call *c)
{
    return virDomainBlockResize(c->dom, c->text, c->number, VIR_DOMAIN_BLOCK_RESIZE_BYTES);
}

int lv_say(struct lv_vm *vm, int (*fn)(struct lv_call *c), char *text, uint64_t number,
           const struct deadline *d, const char *what, struct hvp_error *err)
{
    struct lv_call *c = NULL;
    int r;

    if (!text)
        return hvp_fail(err, ENOMEM, "%s: out of memory", what);
    if (lv_attach(vm, d, err) < 0 || !(c = lv_call_new(vm, fn, err))) {
        free(text);
        return err->code;
    }
    c->text = text;
    c->number = number;
    r = lv_call_run(c, d, what, err);
    lv_call_free(c);
    return r;
}

static int say_device(struct lv_vm *vm, int (*fn)(struct lv_call *c), const struct hvp_device *dev,
                      const struct lv_place *at, const struct deadline *d, struct hvp_error *err)
{
    struct xml x = {0};
    char what[40];

    snprintf(what, sizeof(what), "%s '%s'", dev->kind == HVP_DEV_NIC ? "NIC" : "disk", dev->tag);
    lv_device_xml(&x, dev, at, vm->uuid);
    if (xml_failed(&x)) {
        int e = xml_failed(&x);

        xml_done(&x);
        return hvp_fail(err, e, "%s: cannot be described to libvirt: %s", what, strerror(e));
    }
    return lv_say(vm, fn, x.text, 0, d, what, err);
}

int lv_device_attach(void *p, const struct hvp_device *dev, uint32_t timeout_ms,
                     struct hvp_error *err)
{
    struct lv_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct lv_device *known;
    struct lv_place at;

    if (lv_device_check(dev, err) < 0)
        return err->code;
    if (dev->kind != HVP_DEV_DISK && dev->kind != HVP_DEV_NIC)
        return hvp_fail(err, ENOTSUP,
                        "device '%s': only disks and NICs can be added to a running VM", dev->tag);
    if (find(vm, dev->tag))
        return hvp_fail(err, EEXIST, "the VM has a device '%s' already", dev->tag);
    if (free_port(vm, &at, err) < 0)
        return err->code;
    known = lv_device_add(vm, dev, &at, err);
    if (!known)
        return err->code;
    if ((dev->kind == HVP_DEV_DISK && lv_secret_make(vm, (const struct hvp_disk *)dev, err) < 0) ||
        say_device(vm, attach, dev, &at, &d, err) < 0) {
        lv_secrets_remove(vm, dev->tag);
        forget(vm, known);
        return err->code;
    }
    return 0;
}

static bool is_unplugged(struct lv_vm *vm, const struct lv_device *dev)
{
    uint64_t count;
    bool done;

    (void)!read(vm->change_fd, &count, sizeof(count));
    pthread_mutex_lock(&vm->lock);
    done = dev->unplugged;
    pthread_mutex_unlock(&vm->lock);
    return done;
}

static int wait_unplugged(struct lv_vm *vm, struct lv_device *dev, const struct deadline *d,
                          struct hvp_error *err)
{
    while (!is_unplugged(vm, dev)) {
        struct pollfd p = {.fd = vm->change_fd, .events = POLLIN};
        int r = deadline_poll(d, &p, 1);

        if (r == -ECANCELED)
            return hvp_fail(err, ECANCELED, "given up waiting for device '%s'", dev->tag);
        if (r < 0)
            return hvp_fail(err, EBUSY, "the guest does not let go of device '%s'", dev->tag);
    }
    return 0;
}

int lv_device_detach(void *p, const char *tag, uint32_t timeout_ms, struct hvp_error *err)
{
    struct lv_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct lv_device *dev = find(vm, tag);
    char alias[24], what[40];

    if (!dev)
        return hvp_fail(err, ENOENT, "the VM has no device '%.40s'", tag);
    if (!dev->at.bus)
        return hvp_fail(err, ENOTSUP, "device '%s' was there from the start and cannot be removed",
                        tag);
    lv_alias(dev->at.number, alias, sizeof(alias));
    snprintf(what, sizeof(what), "remove '%s'", tag);
    /* libvirt only asks the guest; its event comes when that has let go. */
    if (!dev->unplugging && lv_say(vm, detach, strdup(alias), 0, &d, what, err) < 0)
        return err->code;
    dev->unplugging = true;
    if (wait_unplugged(vm, dev, &d, err) < 0)
        return err->code;
    lv_secrets_remove(vm, tag);
    forget(vm, dev);
    return 0;
}

static int update_nic(struct lv_vm *vm, struct lv_device *known, uint32_t flags,
                      const struct deadline *d, struct hvp_error *err)
{
    struct hvp_nic wanted = known->nic;

    wanted.d.flags = flags;
    if (say_device(vm, update, &wanted.d, &known->at, d, err) < 0)
        return err->code;
    known->nic = wanted;
    return 0;
}

int lv_device_update(void *p, const struct hvp_device *dev, uint32_t timeout_ms,
                     struct hvp_error *err)
{
    struct lv_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct lv_device *known = find(vm, dev->tag);
    char target[8];

    if (!known)
        return hvp_fail(err, ENOENT, "the VM has no device '%.40s'", dev->tag);
    if (known->kind != dev->kind)
        return hvp_fail(err, EINVAL, "device '%s' is of another kind", dev->tag);
    if (dev->kind == HVP_DEV_NIC)
        return update_nic(vm, known, dev->flags, &d, err);
    if (dev->kind != HVP_DEV_DISK)
        return hvp_fail(err, ENOTSUP, "device '%s': nothing of it can change", dev->tag);
    if (((const struct hvp_disk *)dev)->size == 0)
        return 0;
    lv_disk_target(known->at.number, target, sizeof(target));
    return lv_say(vm, resize, strdup(target), ((const struct hvp_disk *)dev)->size, &d,
                  "change the disk's size", err);
}

int lv_nic_hostif(void *p, const char *tag, char *buf, size_t len, struct hvp_error *err)
{
    struct lv_device *known = find(p, tag);

    if (!known || known->kind != HVP_DEV_NIC)
        return hvp_fail(err, ENOENT, "the VM has no NIC '%.40s'", tag);
    snprintf(buf, len, "%s", known->ifname);
    return 0;
}
