/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kit.h - the conformance kit for hypervisor plug-ins: asks one of them for everything that hvp.h
 * promises, and breaks what can be broken. For `anyvisor plugin test`.
 * All of it happens in a child process: a plug-in that crashes or hangs is a finding.
 */
#ifndef KIT_KIT_H
#define KIT_KIT_H
#include "base/str.h"
#include "plugin/plugin.h"

enum kit_result { KIT_OK, KIT_FAILED, KIT_SKIPPED, KIT_NOTE };

struct kit_check {
    enum kit_result result;
    char area[16];     /* "abi", "life", "devices", ... */
    char what[112];    /* "the VM starts" */
    char detail[1024]; /* why it failed or was skipped; a note's text */
};

struct kit_options {
    const struct descriptor *d;
    const struct hvp_host *host; /* version, guest_dir and cache_dir are taken from it */
    const char *kernel, *initrd; /* what the VMs boot; kernel NULL: they are no VMs with a kernel */
    uint32_t boot_ms;            /* until the agent answers */
    const struct strv *only;     /* areas that need a VM; empty: all of them */
    void (*told)(void *ctx, const struct kit_check *c); /* one after the other, as they come */
    void *ctx;
};

struct kit_summary {
    unsigned passed, failed, skipped;
    bool ran_vms; /* false: this host cannot, or the kit did not get that far */
    struct plugin_info info;
};

/* 0 when the kit ran, whatever it found; -EINVAL for an area that there is not. */
int kit_run(const struct kit_options *o, struct kit_summary *ret, struct err *err);

#endif
