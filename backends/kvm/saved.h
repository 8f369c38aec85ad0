/* SPDX-License-Identifier: Apache-2.0 */
/*
 * saved.h - how many vCPUs a VM had when it was saved: one that has been given some is restored
 * with them, whatever its description says.  Beside what is saved; for both ways to QEMU.
 */
#ifndef KVM_SAVED_H
#define KVM_SAVED_H
#include <stdint.h>
#include <anyvisor/hvp.h>

/* In the directory dir; a VM that has what it was made with leaves no note. */
int saved_vcpus_note(const char *dir, uint32_t made_with, uint32_t now, struct hvp_error *err);
/* made_with where there is no note; never more than most. */
uint32_t saved_vcpus(const char *dir, uint32_t made_with, uint32_t most);

#endif
