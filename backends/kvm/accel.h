/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accel.h - which accelerator runs the guest's instructions: KVM where it is the real thing,
 * QEMU's software emulation (TCG) elsewhere.  The decision is a pure function of facts.
 */
#ifndef KVM_ACCEL_H
#define KVM_ACCEL_H
#include <stdbool.h>
#include <stddef.h>
#include <anyvisor/hvp.h>

enum accel { ACCEL_AUTO, ACCEL_KVM, ACCEL_TCG };

struct accel_facts {
    char host_arch[16]; /* as uname -m */
    int kvm_errno;      /* of opening /dev/kvm for reading and writing; 0 = it opens */
    bool cpu_virt;      /* the CPU announces vmx or svm (x86 only) */
    bool kvm_module;    /* kvm_intel or kvm_amd is loaded or built in (x86 only) */
    bool pvm_module;    /* kvm_pvm is loaded: KVM without hardware, by shadow page tables */
};

void accel_gather(struct accel_facts *ret);
/*
 * ret is ACCEL_KVM or ACCEL_TCG; note says why TCG was taken and is "" for KVM.  want = ACCEL_KVM
 * fails with -ENODEV (or open's error) where KVM is not usable.
 */
int accel_choose(enum accel want, const char *guest_arch, const struct accel_facts *f,
                 enum accel *ret, char *note, size_t note_len, struct hvp_error *err);
const char *accel_name(enum accel a);

#endif
