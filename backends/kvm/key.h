/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key.h - what has to be equal for a VM to go on where another one was saved, as a printable line.
 * For the template_key op, with QEMU driven directly and through libvirt.
 */
#ifndef KVM_KEY_H
#define KVM_KEY_H
#include <stddef.h>
#include <anyvisor/hvp.h>
#include "config.h"

/* prefix: what more there is, in the caller's words; build: QEMU's. */
int key_text(const char *prefix, const struct kvm_config *config, const char *machine,
             const char *build, enum accel accel, const struct hvp_vm_spec *spec, char *buf,
             size_t len, struct hvp_error *err);

#endif
