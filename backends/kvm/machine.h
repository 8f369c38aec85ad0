/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.h - what differs between the boards that QEMU emulates; one machine_ARCH.c file per
 * architecture holds its table.  Used by config (the key `machine`), probe and cmdline.
 */
#ifndef KVM_MACHINE_H
#define KVM_MACHINE_H
#include <stdbool.h>
#include <stddef.h>
#include "accel.h"

/* Slots on bus 0 where it is PCI, whoever starts QEMU: 0 is the host bridge, 1 the serial bus, 2
 * the RNG, 29 the room for more memory, 30 ports, 31 the chipset. */
enum {
    SLOT_SERIAL = 1,
    SLOT_RNG = 2,
    SLOT_FIRST_DEVICE = 3,
    SLOT_MEMORY = 0x1d,
    SLOT_PORTS = 0x1e,
};

struct machine {
    const char *arch;    /* of the guests, as uname -m */
    const char *name;    /* the word in the configuration */
    const char *qemu;    /* program, searched in the usual directories */
    const char *options; /* behind -M */
    const char *cpu_kvm, *cpu_tcg;
    const char *bus;          /* suffix of virtio devices: "pci", "ccw", "device" */
    const char *pci_bus;      /* devices have slots on it that we choose; NULL = no such bus */
    const char *firmware_tcg; /* file in QEMU's data directory, taken when it is there */
    const char *console_args; /* -device of the console on chardev "console"; "" = -serial */
    const char *console_word; /* for the guest's kernel command line; "" = none needed */
    const char *tcg_word;     /* the same, under TCG only; NULL = none */
    unsigned max_vcpus;
    bool root_ports;    /* hot-plug needs PCIe root ports, made beforehand */
    bool adds_vcpus;    /* to a VM that runs, and its guests' kernel takes them */
    bool grows;         /* has room for a virtio-mem device, and its guests the driver */
    bool has_tsc;       /* under TCG it is the host's, and the guest is told its frequency */
    bool shares_memory; /* clones of a template need no kernel and can share its memory */
};

/* name "" = the architecture's first one; NULL = there is none of that name. */
const struct machine *machine_find(const char *arch, const char *name);
/* Whether a VM of that size, with these options, can be made on it; -EINVAL or -ENOTSUP. */
int machine_check(const struct machine *m, const struct hvp_vm_spec *s, struct hvp_error *err);
/* The part of it that asks for no size: -EINVAL for an unknown option. */
int machine_check_options(const struct hvp_vm_spec *s, struct hvp_error *err);
/* QEMU's own words would be "could not load kernel", without what to do. */
int machine_check_kernel(const struct machine *m, const char *kernel, struct hvp_error *err);
/* configured: the key `firmware`, NULL = auto. Returned is it, or buf, or NULL = QEMU's own. */
const char *machine_firmware(const struct machine *m, const char *configured, enum accel accel,
                             char *buf, size_t len);
/* Names of the architecture's machines as "a, b", for messages. */
void machine_names(const char *arch, char *buf, size_t len);

#endif
