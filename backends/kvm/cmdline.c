/* SPDX-License-Identifier: Apache-2.0 */
#include "cmdline.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "common/util.h"
#include "device.h"
#include "disk.h"
#include "json.h"
#include "kvm.h"
#include "memory.h"

#define MIB (UINT64_C(1) << 20)

unsigned cmdline_slot(size_t index)
{
    return SLOT_FIRST_DEVICE + (unsigned)index;
}

bool cmdline_small_pages(const struct cmdline *c)
{
    return c->accel == ACCEL_KVM && c->incoming && c->memory && !memory_grows(c->spec);
}

struct builder {
    struct args *a;
    const struct cmdline *c;
    int next_fd;
    size_t next_cid;
};

static void add_pair(struct args *a, const char *name, const char *value)
{
    args_add(a, name);
    args_add(a, value);
}

/* Takes o over. */
static void add_json(struct args *a, const char *name, struct json_object *o)
{
    add_pair(a, name, json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    json_object_put(o);
}

static struct device_place place(const struct builder *b, unsigned slot)
{
    return (struct device_place){.bus = b->c->machine->pci_bus, .slot = slot};
}

static void add_identity(struct builder *b)
{
    const struct hvp_vm_spec *s = b->c->spec;

    args_add(b->a, b->c->qemu);
    args_add(b->a, "-name");
    args_addf(b->a, "guest=anyvisor-%s", s->id);
    add_pair(b->a, "-uuid", s->uuid);
    args_add(b->a, "-nodefaults");
    args_add(b->a, "-no-user-config");
    args_add(b->a, "-no-reboot");
    args_add(b->a, "-S");
    add_pair(b->a, "-display", "none");
    if (b->c->incoming)
        add_pair(b->a, "-incoming", "defer");
    /* Deny spawn: nothing that breaks out of QEMU can exec a program on the host. */
    if (b->c->config->seccomp)
        add_pair(b->a, "-sandbox",
                 "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

/*
 * Always an object of one name where VMs can be cloned: QEMU looks for saved memory by the name.
 * False = the board makes its own.
 */
static bool add_memory(struct builder *b)
{
    const struct cmdline *c = b->c;
    bool memfd = c->config->memory == KVM_MEMORY_MEMFD;
    cleanup_free char *file = c->memory ? args_escape(c->memory) : NULL;
    uint64_t mib = c->spec->memory / MIB;

    if (!c->memory && !memfd && !c->machine->shares_memory)
        return false;
    args_add(b->a, "-object");
    if (!c->memory)
        args_addf(b->a, "memory-backend-%s,id=ram,size=%" PRIu64 "M,share=%s",
                  memfd ? "memfd" : "ram", mib, memfd ? "on" : "off");
    else
        args_addf(b->a, "memory-backend-file,id=ram,size=%" PRIu64 "M,mem-path=%s,share=%s%s", mib,
                  file ? file : "", c->memory_shared ? "on" : "off",
                  c->memory_readonly ? ",readonly=on,rom=off" : "");
    return true;
}

static void add_machine(struct builder *b)
{
    const struct hvp_vm_spec *s = b->c->spec;
    const struct machine *m = b->c->machine;
    bool kvm = b->c->accel == ACCEL_KVM;
    const char *cpu = s->cpu_model[0] ? s->cpu_model : b->c->config->cpu;
    bool backend = add_memory(b);

    args_add(b->a, "-machine");
    args_addf(b->a, "%s%s", m->options, backend ? ",memory-backend=ram" : "");
    add_pair(b->a, "-accel", accel_name(b->c->accel));
    add_pair(b->a, "-cpu", cpu ? cpu : kvm ? m->cpu_kvm : m->cpu_tcg);
    args_add(b->a, "-smp");
    if (s->vcpus_max > s->vcpus)
        args_addf(b->a, "%u,maxcpus=%u", s->vcpus, s->vcpus_max);
    else
        args_addf(b->a, "%u", s->vcpus);
    args_add(b->a, "-m");
    if (memory_grows(s))
        args_addf(b->a, "%" PRIu64 "M,maxmem=%" PRIu64 "M", s->memory / MIB,
                  (s->memory + memory_room(s)) / MIB);
    else
        args_addf(b->a, "%" PRIu64 "M", s->memory / MIB);
    if (b->c->firmware)
        add_pair(b->a, "-bios", b->c->firmware);
}

static void add_kernel(struct builder *b)
{
    const struct hvp_vm_spec *s = b->c->spec;
    const struct machine *m = b->c->machine;
    bool tcg = b->c->accel == ACCEL_TCG;
    char words[160];
    size_t n = 0;

    /* Without a console word the kernel picks the serial port anyway, where the board has one. */
    words[0] = '\0';
    if (m->console_word[0])
        n += (size_t)snprintf(words, sizeof(words), " %s", m->console_word);
    if (b->c->channel_cid) /* its port on the host has the same number */
        n +=
            (size_t)snprintf(words + n, sizeof(words) - n, " anyvisor.vsock=%u", b->c->channel_cid);
    if (tcg && m->tcg_word)
        n += (size_t)snprintf(words + n, sizeof(words) - n, " %s", m->tcg_word);
    if (tcg && m->has_tsc && b->c->tsc_khz)
        (void)snprintf(words + n, sizeof(words) - n, "%s tsc_early_khz=%" PRIu64,
                       b->c->tsc_reliable ? " tsc=reliable" : "", b->c->tsc_khz);
    add_pair(b->a, "-kernel", s->kernel);
    if (s->initrd[0])
        add_pair(b->a, "-initrd", s->initrd);
    args_add(b->a, "-append");
    args_addf(b->a, "%s%s%s", s->cmdline, words, memory_grows(s) ? " " MEMORY_WORD : "");
}

/*
 * For devices whose requests the guest waits for one by one. With KVM a doorbell is an event that
 * QEMU's main loop hears without stopping the guest. Under emulation the guest's CPU is a thread of
 * QEMU already: serving the request there saves the switch, a quarter of an exec's time.
 */
static struct json_object *served_by_caller(const struct builder *b, struct json_object *o)
{
    if (b->c->accel == ACCEL_TCG && strcmp(b->c->machine->bus, "pci") == 0)
        json_object_object_add(o, "ioeventfd", json_object_new_boolean(false));
    return o;
}

/* In JSON like all devices: QEMU makes those in its other syntax first, before there is a bus. */
static void add_port(struct builder *b, uint32_t port)
{
    struct json_object *o;
    char chardev[16], name[40];

    snprintf(chardev, sizeof(chardev), "agent%u", port);
    snprintf(name, sizeof(name), "%s%u", HVP_CHANNEL_NAME, port);
    o = device_strings("driver", "virtserialport", "bus", "serial.0", "chardev", chardev, "name",
                       name, NULL);
    json_object_object_add(o, "nr", json_object_new_int64((int64_t)port + 1));
    add_json(b->a, "-device", o);
}

static void add_serial_channels(struct builder *b)
{
    struct device_place at = place(b, SLOT_SERIAL);

    add_json(b->a, "-device",
             served_by_caller(b, device_virtio("virtio-serial", "serial", b->c->machine, &at)));
    for (uint32_t i = 0; i < b->c->spec->n_channels; i++) {
        args_add(b->a, "-chardev");
        args_addf(b->a, "socket,id=agent%u,fd=%d,server=on,wait=off", i, CMDLINE_FD_AGENT + (int)i);
        add_port(b, i);
    }
}

static void add_vsock_channel(struct builder *b)
{
    struct device_place at = place(b, SLOT_SERIAL);

    add_json(b->a, "-device",
             device_vsock("agent", b->c->channel_cid, CMDLINE_FD_AGENT, b->c->machine, &at));
}

/* Control channel, console and the agent's: listening sockets that vm.c made. */
static int add_channels(struct builder *b, struct hvp_error *err)
{
    const struct hvp_vm_spec *s = b->c->spec;
    uint32_t max = b->c->channel_cid ? 1 : KVM_MAX_CHANNELS;
    cleanup_free char *log = args_escape(s->console_log);

    if (s->n_channels < 1 || s->n_channels > max)
        return hvp_fail(err, EINVAL, "%u channels, but this VM can have 1 to %u", s->n_channels,
                        max);
    args_add(b->a, "-chardev");
    args_addf(b->a, "socket,id=qmp,fd=%d,server=on,wait=off", CMDLINE_FD_QMP);
    add_pair(b->a, "-mon", "chardev=qmp,mode=control");
    if (s->console_log[0]) { /* its name is for who reads the list of processes */
        args_add(b->a, "-add-fd");
        args_addf(b->a, "fd=%d,set=1,opaque=%s", CMDLINE_FD_CONSOLE_LOG, log ? log : "");
    }
    args_add(b->a, "-chardev");
    args_addf(b->a, "socket,id=console,fd=%d,server=on,wait=off%s", CMDLINE_FD_CONSOLE,
              s->console_log[0] ? ",logfile=/dev/fdset/1,logappend=on" : "");
    if (b->c->machine->console_args[0])
        add_pair(b->a, "-device", b->c->machine->console_args);
    else
        add_pair(b->a, "-serial", "chardev:console");
    if (b->c->channel_cid)
        add_vsock_channel(b);
    else
        add_serial_channels(b);
    return 0;
}

static void add_rng(struct builder *b)
{
    struct device_place at = place(b, SLOT_RNG);

    add_json(b->a, "-device", device_virtio("virtio-rng", "rng", b->c->machine, &at));
}

/* Of the host it takes nothing before the guest has it. Not "reserve=off": QEMU then reads a file
 * of /proc, which it does not have in its jail. */
static void add_room(struct builder *b)
{
    struct device_place at = place(b, SLOT_MEMORY);
    bool memfd = b->c->config->memory == KVM_MEMORY_MEMFD;
    struct json_object *o;

    if (!memory_grows(b->c->spec))
        return;
    args_add(b->a, "-object");
    args_addf(b->a, "memory-backend-%s,id=ram-" MEMORY_ID ",size=%" PRIu64 "M,share=%s",
              memfd ? "memfd" : "ram", memory_room(b->c->spec) / MIB, memfd ? "on" : "off");
    o = device_virtio("virtio-mem", MEMORY_ID, b->c->machine, &at);
    json_add_text(o, "memdev", "ram-" MEMORY_ID);
    json_add_int(o, "block-size", (int64_t)MEMORY_STEP);
    add_json(b->a, "-device", o);
}

static void add_root_ports(struct builder *b)
{
    unsigned n = b->c->machine->root_ports ? b->c->config->hotplug_ports : 0;

    char id[16], addr[16];

    for (unsigned i = 0; i < n; i++) {
        struct json_object *o;

        snprintf(id, sizeof(id), "port%u", i);
        snprintf(addr, sizeof(addr), "0x%x.%u", SLOT_PORTS, i);
        o = device_strings("driver", "pcie-root-port", "id", id, "bus", "pcie.0", "addr", addr,
                           NULL);
        json_object_object_add(o, "chassis", json_object_new_int64(i + 1));
        json_object_object_add(o, "multifunction", json_object_new_boolean(i == 0 && n > 1));
        add_json(b->a, "-device", o);
    }
}

static void add_netdev(struct builder *b, const struct hvp_nic *n)
{
    char fds[64] = "";

    for (uint32_t i = 0; i < n->queues; i++) {
        size_t used = strlen(fds);

        snprintf(fds + used, sizeof(fds) - used, "%s%d", i ? ":" : "", b->next_fd++);
    }
    args_add(b->a, "-netdev");
    args_addf(b->a, "tap,id=t-%s,%s=%s", n->d.tag, n->queues > 1 ? "fds" : "fd", fds);
}

static int add_share(struct builder *b, const struct hvp_share *s, const struct device_place *at,
                     struct hvp_error *err)
{
    cleanup_free char *fsdev = device_fsdev(s, b->c->privileged);

    if (!fsdev)
        return hvp_fail(err, ENOMEM, "out of memory for the command line of QEMU");
    add_pair(b->a, "-fsdev", fsdev);
    add_json(b->a, "-device", served_by_caller(b, device_share(s, b->c->machine, at)));
    return 0;
}

static void add_disk(struct builder *b, const struct hvp_disk *k, const struct device_place *at)
{
    if (k->secret_file)
        add_json(b->a, "-object", disk_secret(k, b->next_fd++));
    if (disk_has_tls(k))
        add_json(b->a, "-object", disk_tls(k));
    add_json(b->a, "-blockdev", disk_node(k));
    add_json(b->a, "-device", device_disk(k, b->c->machine, at));
}

static int add_device(struct builder *b, size_t index, struct hvp_error *err)
{
    const struct hvp_device *dev = b->c->spec->devices[index];
    const struct machine *m = b->c->machine;
    struct device_place at = place(b, cmdline_slot(index));

    if (device_check(dev, err) < 0)
        return err->code;
    if (m->pci_bus && at.slot >= SLOT_MEMORY)
        return hvp_fail(err, ENOSPC, "device '%s': machine '%s' has no slot left", dev->tag,
                        m->name);
    switch (dev->kind) {
    case HVP_DEV_DISK:
        add_disk(b, (const struct hvp_disk *)dev, &at);
        return 0;
    case HVP_DEV_NIC:
        add_netdev(b, (const struct hvp_nic *)dev);
        add_json(b->a, "-device", device_nic((const struct hvp_nic *)dev, m, &at));
        return 0;
    case HVP_DEV_SHARE:
        return add_share(b, (const struct hvp_share *)dev, &at, err);
    default:
        add_json(b->a, "-device",
                 device_vsock(dev->tag, b->c->cids[b->next_cid++], b->next_fd++, m, &at));
        return 0;
    }
}

int cmdline_build(struct args *a, const struct cmdline *c, struct hvp_error *err)
{
    struct builder b = {.a = a, .c = c, .next_fd = CMDLINE_FD_DEVICES};

    if (machine_check(c->machine, c->spec, err) < 0)
        return err->code;
    add_identity(&b);
    add_machine(&b);
    if (!c->incoming || !c->memory) /* a clone's is in its memory */
        add_kernel(&b);
    if (add_channels(&b, err) < 0)
        return err->code;
    add_rng(&b);
    for (size_t i = 0; i < c->spec->n_devices; i++)
        if (add_device(&b, i, err) < 0)
            return err->code;
    add_room(&b);
    add_root_ports(&b);
    if (args_failed(a))
        return hvp_fail(err, ENOMEM, "out of memory for the command line of QEMU");
    return 0;
}
