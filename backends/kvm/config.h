/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - the keys of a descriptor's `config` as this back-end reads them.
 * Filled by the config op, read by probe and vm_create.
 */
#ifndef KVM_CONFIG_H
#define KVM_CONFIG_H
#include <stdbool.h>
#include "accel.h"

enum kvm_memory { KVM_MEMORY_ANON, KVM_MEMORY_MEMFD };

struct kvm_config {
    char *qemu;     /* absolute path or a name to search; NULL = the machine's */
    char *machine;  /* NULL = the architecture's first */
    char *cpu;      /* NULL = host under KVM, max under TCG */
    char *firmware; /* "auto", "default" or an absolute path; NULL = auto */
    enum accel accel;
    enum kvm_memory memory;
    bool seccomp;
    unsigned hotplug_ports;
};

extern const char kvm_config_help[];
void kvm_config_init(struct kvm_config *c);
int kvm_config_set(struct kvm_config *c, const char *arch, const char *key, const char *value,
                   struct hvp_error *err);
void kvm_config_done(struct kvm_config *c);

#endif
