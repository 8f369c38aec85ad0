/* SPDX-License-Identifier: Apache-2.0 */
#include "domain.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "kvm/memory.h"

#define MIB (UINT64_C(1) << 20)

struct lv_place lv_cold_place(size_t index)
{
    return (struct lv_place){.slot = SLOT_FIRST_DEVICE + (unsigned)index,
                             .number = (unsigned)index};
}

void lv_place_xml(struct xml *x, const struct lv_place *at)
{
    xml_open(x, "address");
    xml_attr(x, "type", "pci");
    xml_attrf(x, "bus", "%u", at->bus);
    xml_attrf(x, "slot", "%u", at->slot);
    xml_close(x);
}

static bool is_element_name(const char *key)
{
    for (const char *p = key; *p; p++)
        if (!islower((unsigned char)*p) && (p == key || !strchr("0123456789_-", *p)))
            return false;
    return key[0];
}

void lv_sandbox_xml(struct xml *x, const struct lv_owner *o)
{
    xml_leaf(x, LV_ID, o->id);
    for (size_t i = 0; i < o->n_metadata; i++)
        if (is_element_name(o->metadata[i].key))
            xml_leaf(x, o->metadata[i].key, o->metadata[i].value);
    xml_leaf(x, LV_RUN_DIR, o->run_dir);
}

/* For people and their tools: whose VM this is. */
static void add_metadata(struct xml *x, const struct hvp_vm_spec *s)
{
    const struct lv_owner owner = {s->id, s->run_dir, s->metadata, s->n_metadata};

    xml_open(x, "title");
    xml_text(x, LV_TITLE);
    xml_text(x, s->id);
    xml_close(x);
    xml_open(x, "metadata");
    xml_open(x, LV_METADATA_KEY ":sandbox");
    xml_attr(x, "xmlns:" LV_METADATA_KEY, LV_METADATA_URI);
    lv_sandbox_xml(x, &owner);
    xml_close(x);
    xml_close(x);
}

static void add_text_number(struct xml *x, uint64_t n)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64, n);
    xml_text(x, text);
}

static void add_number(struct xml *x, const char *name, const char *unit, uint64_t n)
{
    xml_open(x, name);
    if (unit)
        xml_attr(x, "unit", unit);
    add_text_number(x, n);
    xml_close(x);
}

/* What libvirt calls memory is with the room for more. */
static void add_sizes(struct xml *x, const struct hvp_vm_spec *s)
{
    uint64_t whole = s->memory + memory_room(s);

    if (memory_grows(s)) {
        xml_open(x, "maxMemory");
        xml_attr(x, "slots", "1");
        xml_attr(x, "unit", "b");
        add_text_number(x, whole);
        xml_close(x);
    }
    add_number(x, "memory", "b", whole);
    xml_open(x, "vcpu");
    if (s->vcpus_max > s->vcpus)
        xml_attrf(x, "current", "%u", s->vcpus);
    add_text_number(x, s->vcpus_max);
    xml_close(x);
}

static void add_kernel(struct xml *x, const struct lv_domain *d)
{
    const struct hvp_vm_spec *s = d->spec;
    const struct machine *m = d->machine;

    xml_open(x, "os");
    xml_open(x, "type");
    xml_attr(x, "arch", m->arch);
    xml_attr(x, "machine", m->name);
    xml_text(x, "hvm");
    xml_close(x);
    if (d->firmware) {
        xml_open(x, "loader");
        xml_attr(x, "readonly", "yes");
        xml_attr(x, "type", "rom");
        xml_text(x, d->firmware);
        xml_close(x);
    }
    xml_leaf(x, "kernel", s->kernel);
    if (s->initrd[0])
        xml_leaf(x, "initrd", s->initrd);
    xml_open(x, "cmdline");
    xml_text(x, s->cmdline);
    if (m->console_word[0]) {
        xml_text(x, " ");
        xml_text(x, m->console_word);
    }
    if (d->accel == ACCEL_TCG && m->tcg_word) {
        xml_text(x, " ");
        xml_text(x, m->tcg_word);
    }
    if (memory_grows(s))
        xml_text(x, " " MEMORY_WORD);
    xml_close(x);
    xml_close(x);
}

/* libvirt has memory for later only in a machine with a node that it comes to. */
static void add_node(struct xml *x, const struct hvp_vm_spec *s)
{
    if (!memory_grows(s))
        return;
    xml_open(x, "numa");
    xml_open(x, "cell");
    xml_attr(x, "id", "0");
    xml_attrf(x, "cpus", "0-%u", s->vcpus_max - 1);
    xml_attrf(x, "memory", "%" PRIu64, s->memory);
    xml_attr(x, "unit", "b");
    xml_close(x);
    xml_close(x);
}

static int add_cpu(struct xml *x, const struct lv_domain *d, struct hvp_error *err)
{
    xml_open(x, "cpu");
    if (lv_cpu_xml(x, d, err) < 0)
        return err->code;
    add_node(x, d->spec);
    xml_close(x);
    return 0;
}

static int add_board(struct xml *x, const struct lv_domain *d, struct hvp_error *err)
{
    xml_open(x, "features");
    xml_empty(x, "acpi", NULL);
    xml_empty(x, "apic", NULL);
    xml_empty(x, "vmport", "state", "off", NULL);
    xml_empty(x, "smm", "state", "off", NULL);
    xml_close(x);
    if (add_cpu(x, d, err) < 0)
        return err->code;
    xml_open(x, "clock");
    xml_attr(x, "offset", "utc");
    xml_empty(x, "timer", "name", "hpet", "present", "no", NULL);
    xml_close(x);
    /* A guest's reset never reboots the VM. */
    xml_leaf(x, "on_poweroff", "destroy");
    xml_leaf(x, "on_reboot", "destroy");
    xml_leaf(x, "on_crash", "destroy");
    return 0;
}

/* A pty rather than a socket: `virsh console` and libvirt's own API know nothing else. */
static void add_console(struct xml *x, const struct hvp_vm_spec *s)
{
    xml_open(x, "serial");
    xml_attr(x, "type", "pty");
    if (s->console_log[0])
        xml_empty(x, "log", "file", s->console_log, "append", "on", NULL);
    xml_empty(x, "target", "port", "0", NULL);
    xml_close(x);
    xml_open(x, "console");
    xml_attr(x, "type", "pty");
    xml_empty(x, "target", "type", "serial", "port", "0", NULL);
    xml_close(x);
}

static void add_channel(struct xml *x, const struct hvp_vm_spec *s, uint32_t port)
{
    xml_open(x, "channel");
    xml_attr(x, "type", "unix");
    xml_open(x, "source");
    xml_attr(x, "mode", "bind");
    xml_attrf(x, "path", "%s/agent%u.sock", s->run_dir, port);
    xml_close(x);
    xml_open(x, "target");
    xml_attr(x, "type", "virtio");
    xml_attrf(x, "name", "%s%u", HVP_CHANNEL_NAME, port);
    xml_close(x);
    xml_open(x, "address");
    xml_attr(x, "type", "virtio-serial");
    xml_attr(x, "controller", "0");
    xml_attr(x, "bus", "0");
    xml_attrf(x, "port", "%u", port + 1);
    xml_close(x);
    xml_close(x);
}

/* One for each device that may come later; they are functions of one slot. */
static void add_root_port(struct xml *x, unsigned index)
{
    xml_open(x, "controller");
    xml_attr(x, "type", "pci");
    xml_attrf(x, "index", "%u", index);
    xml_attr(x, "model", "pcie-root-port");
    xml_open(x, "address");
    xml_attr(x, "type", "pci");
    xml_attr(x, "bus", "0");
    xml_attrf(x, "slot", "%u", SLOT_PORTS);
    xml_attrf(x, "function", "%u", index - 1);
    if (index == 1)
        xml_attr(x, "multifunction", "on");
    xml_close(x);
    xml_close(x);
}

static void add_controllers(struct xml *x, const struct lv_domain *d)
{
    const struct lv_place serial = {.slot = SLOT_SERIAL}, rng = {.slot = SLOT_RNG};

    xml_empty(x, "controller", "type", "usb", "model", "none", NULL);
    xml_empty(x, "controller", "type", "pci", "index", "0", "model", "pcie-root", NULL);
    for (unsigned i = 1; i <= d->config->kvm.hotplug_ports; i++)
        add_root_port(x, i);
    xml_open(x, "controller");
    xml_attr(x, "type", "virtio-serial");
    xml_attr(x, "index", "0");
    xml_attr(x, "model", "virtio-non-transitional");
    lv_place_xml(x, &serial);
    xml_close(x);
    xml_open(x, "rng");
    xml_attr(x, "model", "virtio-non-transitional");
    xml_open(x, "backend");
    xml_attr(x, "model", "random");
    xml_text(x, "/dev/urandom");
    xml_close(x);
    lv_place_xml(x, &rng);
    xml_close(x);
    xml_empty(x, "memballoon", "model", "none", NULL);
}

void lv_memory_xml(struct xml *x, uint64_t room, uint64_t wanted)
{
    const struct lv_place at = {.slot = SLOT_MEMORY};

    xml_open(x, "memory");
    xml_attr(x, "model", "virtio-mem");
    xml_open(x, "target");
    add_number(x, "size", "b", room);
    add_number(x, "node", NULL, 0);
    add_number(x, "block", "b", MEMORY_STEP);
    add_number(x, "requested", "b", wanted);
    xml_close(x);
    xml_empty(x, "alias", "name", "ua-" MEMORY_ID, NULL);
    lv_place_xml(x, &at);
    xml_close(x);
}

static int add_devices(struct xml *x, const struct lv_domain *d, struct hvp_error *err)
{
    const struct hvp_vm_spec *s = d->spec;

    xml_open(x, "devices");
    xml_leaf(x, "emulator", d->emulator);
    add_controllers(x, d);
    add_console(x, s);
    for (uint32_t i = 0; i < s->n_channels; i++)
        add_channel(x, s, i);
    for (size_t i = 0; i < s->n_devices; i++) {
        struct lv_place at = lv_cold_place(i);

        if (at.slot >= SLOT_MEMORY)
            return hvp_fail(err, ENOSPC, "device '%s': the machine has no slot left",
                            s->devices[i]->tag);
        if (lv_device_check(s->devices[i], err) < 0)
            return err->code;
        lv_device_xml(x, s->devices[i], &at, s->uuid);
    }
    if (memory_grows(s))
        lv_memory_xml(x, memory_room(s), 0);
    xml_close(x);
    return 0;
}

/*
 * The share's files have all kinds of owners, and libvirt's QEMU is a user without rights. For this
 * domain it stays root; labels of SELinux and AppArmor are libvirt's to give, as for any other.
 */
static void add_label(struct xml *x)
{
    xml_open(x, "seclabel");
    xml_attr(x, "type", "static");
    xml_attr(x, "model", "dac");
    xml_attr(x, "relabel", "no");
    xml_leaf(x, "label", "+0:+0");
    xml_close(x);
}

static int check_spec(const struct lv_domain *d, struct hvp_error *err)
{
    const struct hvp_vm_spec *s = d->spec;

    if (machine_check(d->machine, s, err) < 0)
        return err->code;
    if (s->n_channels < 1 || s->n_channels > LV_MAX_CHANNELS)
        return hvp_fail(err, EINVAL, "%u channels, but a VM has 1 to %d", s->n_channels,
                        LV_MAX_CHANNELS);
    return 0;
}

int lv_domain_xml(struct xml *x, const struct lv_domain *d, struct hvp_error *err)
{
    const struct hvp_vm_spec *s = d->spec;
    int e;

    if (check_spec(d, err) < 0)
        return err->code;
    xml_open(x, "domain");
    xml_attr(x, "type", d->accel == ACCEL_KVM ? "kvm" : "qemu");
    xml_open(x, "name");
    xml_text(x, LV_NAME_PREFIX);
    xml_text(x, s->id);
    xml_close(x);
    xml_leaf(x, "uuid", s->uuid);
    add_metadata(x, s);
    add_sizes(x, s);
    if (d->config->partition) {
        xml_open(x, "resource");
        xml_leaf(x, "partition", d->config->partition);
        xml_close(x);
    }
    add_kernel(x, d);
    if (add_board(x, d, err) < 0 || add_devices(x, d, err) < 0)
        return err->code;
    if (d->as_root)
        add_label(x);
    xml_close(x);
    if ((e = xml_failed(x)))
        return hvp_fail(err, e, "describe the VM to libvirt: %s",
                        e == EINVAL ? "a name or path holds control characters" : strerror(e));
    return 0;
}
