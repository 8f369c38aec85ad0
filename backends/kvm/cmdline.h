/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmdline.h - QEMU's command line for a VM: a pure function of its description, so that tests
 * compare words instead of starting machines.
 */
#ifndef KVM_CMDLINE_H
#define KVM_CMDLINE_H
#include "args.h"
#include "config.h"
#include "machine.h"

/* Descriptors that vm.c makes and QEMU gets under fixed numbers. */
enum {
    CMDLINE_FD_QMP = 3,
    CMDLINE_FD_CONSOLE = 4,
    CMDLINE_FD_AGENT = 5, /* and following, one per channel; of vsock its vhost file */
    CMDLINE_FD_CONSOLE_LOG = 15,
    CMDLINE_FD_DEVICES = 16, /* taps and vhost files, in the order of the devices */
};

struct cmdline {
    const struct hvp_vm_spec *spec;
    const struct machine *machine;
    const struct kvm_config *config;
    enum accel accel;
    const char *qemu;     /* absolute path of the program */
    const char *firmware; /* absolute path; NULL = QEMU's own */
    uint64_t tsc_khz;     /* 0 = unknown */
    bool tsc_reliable;    /* the host keeps its own time by it */
    bool incoming;        /* wait for a saved state instead of booting */
    const char *memory;   /* file that is the VM's memory; NULL = nobody else's business */
    bool memory_shared; /* the VM writes into it: a template is made; else it is copied on write */
    bool memory_readonly; /* this QEMU can copy on write what it opens for reading only */
    bool privileged;      /* QEMU runs as root: the share may pass ownership through */
    const uint32_t *cids; /* of the vsock devices, in their order */
    uint32_t channel_cid; /* address of the guest whose agent connects over vsock; 0 = none does */
};

/* Appends to a; the caller frees it also after an error. */
int cmdline_build(struct args *a, const struct cmdline *c, struct hvp_error *err);
/*
 * Whether QEMU is better off without huge pages: that of a clone under KVM, whose guest's memory is
 * a file that is copied page by page.  Not where the guest may get memory later, for that is
 * QEMU's own.
 * Emulating, QEMU needs them for what it has translated.
 */
bool cmdline_small_pages(const struct cmdline *c);
/* PCI slot that spec->devices[index] gets. */
unsigned cmdline_slot(size_t index);

#endif
