/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Devices of a VM that exists: plug, unplug, change.  On PCIe a device can only come into a root
 * port that was made beforehand; one port holds one device.
 */
#include <errno.h>
#include <string.h>
#include "common/util.h"
#include "confine.h"
#include "device.h"
#include "disk.h"
#include "kvm.h"
#include "words.h"

struct kvm_device *kvm_device_find(struct kvm_vm *vm, const char *tag)
{
    for (struct kvm_device *d = vm->devices; d; d = d->next)
        if (strcmp(d->tag, tag) == 0)
            return d;
    return NULL;
}

struct kvm_device *kvm_device_add(struct kvm_vm *vm, const struct hvp_device *dev)
{
    struct kvm_device *d = calloc(1, sizeof(*d));

    if (!d)
        return NULL;
    snprintf(d->tag, sizeof(d->tag), "%s", dev->tag);
    d->kind = dev->kind;
    d->next = vm->devices;
    vm->devices = d;
    return d;
}

static void forget(struct kvm_vm *vm, struct kvm_device *dev)
{
    struct kvm_device **p = &vm->devices;

    while (*p && *p != dev)
        p = &(*p)->next;
    if (*p)
        *p = dev->next;
    free(dev);
}

static int free_port(struct kvm_vm *vm, unsigned *ret, struct hvp_error *err)
{
    for (unsigned port = 1; port <= vm->root_ports; port++) {
        struct kvm_device *d = vm->devices;

        while (d && d->port != port)
            d = d->next;
        if (!d) {
            *ret = port;
            return 0;
        }
    }
    return hvp_fail(err, ENOSPC, "all %u hot-plug ports of the VM are taken (hotplug_ports)",
                    vm->root_ports);
}

static int64_t number(struct json_object *o, const char *key)
{
    struct json_object *v;

    return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;
}

/* Undo on the way out of a failed attach: what there is to complain about is known already. */
static void run_quietly(struct kvm_vm *vm, const char *command, struct json_object *args,
                        const struct deadline *d)
{
    struct hvp_error ignored = {.struct_size = sizeof(ignored)};

    kvm_qmp(vm, command, args, NULL, d, &ignored);
}

static struct json_object *id_of(const char *key, char kind, const char *tag)
{
    char id[HVP_TAG_MAX + 3];

    snprintf(id, sizeof(id), "%c-%s", kind, tag);
    return device_strings(key, id, NULL);
}

/* QEMU reads the secret when the object is made; then it has no use for the descriptor. */
static int attach_secret(struct kvm_vm *vm, const struct hvp_disk *k, const struct deadline *d,
                         struct hvp_error *err)
{
    cleanup_close int fd = -1;
    struct json_object *reply = NULL, *set;
    int r;

    if (disk_secret_open(k, &fd, err) < 0 || kvm_qmp_fd(vm, "add-fd", NULL, fd, &reply, d, err) < 0)
        return err->code;
    r = kvm_qmp(vm, "object-add", disk_secret(k, (int)number(reply, "fd")), NULL, d, err);
    set = json_object_new_object();
    json_object_object_add(set, "fdset-id", json_object_new_int64(number(reply, "fdset-id")));
    run_quietly(vm, "remove-fd", set, d);
    json_object_put(reply);
    return r;
}

/* Of a disk that is not open (any more). Most have none: QEMU's "no such object" is no news. */
static void drop_objects(struct kvm_vm *vm, const char *tag, const struct deadline *d)
{
    run_quietly(vm, "object-del", id_of("id", 's', tag), d);
    run_quietly(vm, "object-del", id_of("id", 'c', tag), d);
}

static int attach_disk(struct kvm_vm *vm, const struct hvp_disk *k, const struct machine *m,
                       const struct device_place *at, const struct deadline *d,
                       struct hvp_error *err)
{
    char why[480]; /* as long as it and its disk fit */

    if (confine_needs_network(&k->d) && !vm->has_network)
        return hvp_fail(err, ENETUNREACH,
                        "add disk '%s': the VM was started without a network disk, so its QEMU has "
                        "no network; set 'network: host' in the configuration of the back-end",
                        k->d.tag);
    if ((!k->secret_file || attach_secret(vm, k, d, err) == 0) &&
        (!disk_has_tls(k) || kvm_qmp(vm, "object-add", disk_tls(k), NULL, d, err) == 0) &&
        kvm_qmp(vm, "blockdev-add", disk_node(k), NULL, d, err) == 0) {
        if (kvm_disk_check_alone(vm, k, d, err) == 0 &&
            kvm_qmp(vm, "device_add", device_disk(k, m, at), NULL, d, err) == 0)
            return 0;
        run_quietly(vm, "blockdev-del", id_of("node-name", 'n', k->d.tag), d);
    }
    drop_objects(vm, k->d.tag, d);
    words_of_lock(err->msg, sizeof(err->msg));
    snprintf(why, sizeof(why), "%.479s", err->msg);
    if (strncmp(why, "disk ", 5) != 0)
        snprintf(err->msg, sizeof(err->msg), "disk '%s': %s", k->d.tag, why);
    return err->code;
}

/* Hands each tap to QEMU under a name; names is "a:b:c" for netdev_add. */
static int pass_taps(struct kvm_vm *vm, const struct hvp_nic *n, char *names, size_t len,
                     const struct deadline *d, struct hvp_error *err)
{
    names[0] = '\0';
    for (uint32_t i = 0; i < n->queues; i++) {
        size_t used = strlen(names);
        char name[32];

        snprintf(name, sizeof(name), "tap%u", vm->next_fd_id++);
        snprintf(names + used, len - used, "%s%s", i ? ":" : "", name);
        if (kvm_qmp_fd(vm, "getfd", device_strings("fdname", name, NULL), n->tap_fds[i], NULL, d,
                       err) < 0)
            return err->code;
    }
    return 0;
}

static int attach_nic(struct kvm_vm *vm, const struct hvp_nic *n, const struct machine *m,
                      const struct device_place *at, const struct deadline *d,
                      struct hvp_error *err)
{
    char names[256], id[HVP_TAG_MAX + 3];
    const char *key = n->queues > 1 ? "fds" : "fd";

    snprintf(id, sizeof(id), "t-%s", n->d.tag);
    if (pass_taps(vm, n, names, sizeof(names), d, err) < 0 ||
        kvm_qmp(vm, "netdev_add", device_strings("type", "tap", "id", id, key, names, NULL), NULL,
                d, err) < 0)
        return err->code;
    if (kvm_qmp(vm, "device_add", device_nic(n, m, at), NULL, d, err) == 0)
        return 0;
    run_quietly(vm, "netdev_del", device_strings("id", id, NULL), d);
    return err->code;
}

/* The device of that id among a bus's devices and, below its bridges, theirs. */
static bool find_in_bus(struct json_object *bus, const char *id, struct kvm_device *dev)
{
    struct json_object *devices, *bridge;
    size_t n = 0;

    if (json_object_object_get_ex(bus, "devices", &devices))
        n = json_object_array_length(devices);
    for (size_t i = 0; i < n; i++) {
        struct json_object *o = json_object_array_get_idx(devices, i);

        if (json_object_object_get_ex(o, "pci_bridge", &bridge) && find_in_bus(bridge, id, dev))
            return true;
        if (strcmp(qmp_text(o, "qdev_id", ""), id) != 0)
            continue;
        snprintf(dev->addr, sizeof(dev->addr), "pci:0000:%02x:%02x.%x",
                 (unsigned)number(o, "bus") & 0xff, (unsigned)number(o, "slot") & 0x1f,
                 (unsigned)number(o, "function") & 7);
        return true;
    }
    return false;
}

/* The bus behind a port has the number that the guest gave it: only QEMU knows it. */
static void learn_address(struct kvm_vm *vm, struct kvm_device *dev, const struct deadline *d)
{
    struct hvp_error ignored = {.struct_size = sizeof(ignored)};
    struct json_object *buses = NULL;
    char id[HVP_TAG_MAX + 3];
    size_t n;

    if (kvm_qmp(vm, "query-pci", NULL, &buses, d, &ignored) < 0)
        return; /* device_addr will say that there is none */
    snprintf(id, sizeof(id), "d-%s", dev->tag);
    n = json_object_is_type(buses, json_type_array) ? json_object_array_length(buses) : 0;
    for (size_t i = 0; i < n; i++)
        if (find_in_bus(json_object_array_get_idx(buses, i), id, dev))
            break;
    json_object_put(buses);
}

int kvm_device_attach(void *p, const struct hvp_device *dev, uint32_t timeout_ms,
                      struct hvp_error *err)
{
    struct kvm_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct device_place at = {.slot = 0};
    const struct machine *m;
    struct kvm_device *known;
    unsigned port = 0;
    char bus[16];
    int r;

    if (device_check(dev, err) < 0 || free_port(vm, &port, err) < 0 ||
        kvm_machine(vm->inst, "", &m, err) < 0)
        return err->code;
    if (dev->kind != HVP_DEV_DISK && dev->kind != HVP_DEV_NIC)
        return hvp_fail(err, ENOTSUP,
                        "device '%s': only disks and NICs can be added to a "
                        "running VM",
                        dev->tag);
    if (kvm_device_find(vm, dev->tag))
        return hvp_fail(err, EEXIST, "the VM has a device '%s' already", dev->tag);
    snprintf(bus, sizeof(bus), "port%u", port - 1);
    at.bus = bus;
    r = dev->kind == HVP_DEV_DISK ? attach_disk(vm, (const struct hvp_disk *)dev, m, &at, &d, err)
                                  : attach_nic(vm, (const struct hvp_nic *)dev, m, &at, &d, err);
    if (r < 0)
        return r;
    known = kvm_device_add(vm, dev);
    if (!known)
        return hvp_fail(err, ENOMEM, "out of memory for device '%s'", dev->tag);
    known->port = port;
    learn_address(vm, known, &d);
    return dev->flags & HVP_F_LINK_DOWN && dev->kind == HVP_DEV_NIC
               ? kvm_device_update(vm, dev, (uint32_t)deadline_left_ms(&d), err)
               : 0;
}

static int drop_backing(struct kvm_vm *vm, struct kvm_device *dev, const struct deadline *d,
                        struct hvp_error *err)
{
    if (dev->kind == HVP_DEV_NIC)
        return kvm_qmp(vm, "netdev_del", id_of("id", 't', dev->tag), NULL, d, err);
    if (kvm_qmp(vm, "blockdev-del", id_of("node-name", 'n', dev->tag), NULL, d, err) < 0)
        return err->code;
    drop_objects(vm, dev->tag, d);
    return 0;
}

int kvm_device_detach(void *p, const char *tag, uint32_t timeout_ms, struct hvp_error *err)
{
    struct kvm_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct kvm_device *dev = kvm_device_find(vm, tag);
    char id[HVP_TAG_MAX + 3];

    if (!dev)
        return hvp_fail(err, ENOENT, "the VM has no device '%.40s'", tag);
    if (!dev->port)
        return hvp_fail(err, ENOTSUP, "device '%s' was there from the start and cannot be removed",
                        tag);
    snprintf(id, sizeof(id), "d-%s", tag);
    if (!dev->unplugging &&
        kvm_qmp(vm, "device_del", device_strings("id", id, NULL), NULL, &d, err) < 0)
        return err->code;
    dev->unplugging = true; /* a second device_del while the guest thinks is an error */
    /* QEMU only asks the guest; DEVICE_DELETED comes when it has let go. */
    if (kvm_wait_unplugged(vm, dev, &d, err) < 0)
        return err->code;
    if (drop_backing(vm, dev, &d, err) < 0)
        return err->code;
    forget(vm, dev);
    return 0;
}

static int update_nic(struct kvm_vm *vm, const struct hvp_device *dev, const struct deadline *d,
                      struct hvp_error *err)
{
    char id[HVP_TAG_MAX + 3];
    struct json_object *args;

    snprintf(id, sizeof(id), "d-%s", dev->tag);
    args = device_strings("name", id, NULL);
    json_object_object_add(args, "up", json_object_new_boolean(!(dev->flags & HVP_F_LINK_DOWN)));
    return kvm_qmp(vm, "set_link", args, NULL, d, err);
}

static int update_disk(struct kvm_vm *vm, const struct hvp_disk *k, const struct deadline *d,
                       struct hvp_error *err)
{
    char node[HVP_TAG_MAX + 3];
    struct json_object *args;

    if (k->size == 0)
        return 0;
    snprintf(node, sizeof(node), "n-%s", k->d.tag);
    args = device_strings("node-name", node, NULL);
    json_object_object_add(args, "size", json_object_new_int64((int64_t)k->size));
    return kvm_qmp(vm, "block_resize", args, NULL, d, err);
}

int kvm_device_update(void *p, const struct hvp_device *dev, uint32_t timeout_ms,
                      struct hvp_error *err)
{
    struct kvm_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct kvm_device *known = kvm_device_find(vm, dev->tag);

    if (!known)
        return hvp_fail(err, ENOENT, "the VM has no device '%.40s'", dev->tag);
    if (known->kind != dev->kind)
        return hvp_fail(err, EINVAL, "device '%s' is of another kind", dev->tag);
    if (dev->kind == HVP_DEV_NIC)
        return update_nic(vm, dev, &d, err);
    if (dev->kind == HVP_DEV_DISK)
        return update_disk(vm, (const struct hvp_disk *)dev, &d, err);
    return hvp_fail(err, ENOTSUP, "device '%s': nothing of it can change", dev->tag);
}

int kvm_device_addr(void *p, const char *tag, char *buf, size_t len, struct hvp_error *err)
{
    struct kvm_vm *vm = p;
    struct kvm_device *dev = kvm_device_find(vm, tag);

    if (!dev)
        return hvp_fail(err, ENOENT, "the VM has no device '%.40s'", tag);
    if (!dev->addr[0])
        return hvp_fail(err, EAGAIN, "the guest has not given device '%s' an address yet", tag);
    snprintf(buf, len, "%s", dev->addr);
    return 0;
}
