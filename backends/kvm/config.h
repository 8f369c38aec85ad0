/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - the keys of a descriptor's `config` as this back-end reads them.
 * Filled by the config op, read by probe and vm_create.
 */
#ifndef KVM_CONFIG_H
#define KVM_CONFIG_H
#include <stdbool.h>
#include "accel.h"

#define KVM_USER_AUTO UINT32_MAX

enum kvm_memory { KVM_MEMORY_ANON, KVM_MEMORY_MEMFD };
enum kvm_channel { KVM_CHANNEL_SERIAL, KVM_CHANNEL_VSOCK };

struct kvm_config {
    char *qemu;     /* absolute path or a name to search; NULL = the machine's */
    char *machine;  /* NULL = the architecture's first */
    char *cpu;      /* NULL = host under KVM, max under TCG */
    char *firmware; /* "auto", "default" or an absolute path; NULL = auto */
    enum accel accel;
    enum kvm_memory memory;
    enum kvm_channel channel; /* what carries the agent's */
    bool seccomp;
    unsigned hotplug_ports;
    bool host_network; /* for network disks that come later */
    uint32_t user;     /* uid and gid of QEMU; KVM_USER_AUTO = one for each VM */
};

extern const char kvm_config_help[];
void kvm_config_init(struct kvm_config *c);
/* A copy of value in *to, in place of what was there; an empty one is -EINVAL. */
int kvm_config_text(char **to, const char *key, const char *value, struct hvp_error *err);
int kvm_config_set(struct kvm_config *c, const char *arch, const char *key, const char *value,
                   struct hvp_error *err);
void kvm_config_done(struct kvm_config *c);

#endif
