/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.h - the room for memory that a VM may get later: a virtio-mem device, there from the
 * start and empty, in which the guest takes what QEMU offers; and for vCPUs.  Pure; for both ways
 * to QEMU.
 */
#ifndef KVM_MEMORY_H
#define KVM_MEMORY_H
#include <stdbool.h>
#include "common/deadline.h"

#define MEMORY_ID "room"
/* The guest takes and gives in such pieces: pages that its allocator keeps together. */
#define MEMORY_STEP (UINT64_C(4) << 20)
/* For the guest's kernel line: not every kernel uses new memory by itself. */
#define MEMORY_WORD "memhp_default_state=online"

bool memory_grows(const struct hvp_vm_spec *s);
/* Bytes of the device; 0 = the VM keeps its size and has none. */
uint64_t memory_room(const struct hvp_vm_spec *s);
/* Whether a VM of these sizes can have so many bytes; max 0: it was found again, nobody knows. */
int memory_check(uint64_t start, uint64_t max, uint64_t bytes, struct hvp_error *err);
/* The same of vCPUs. */
int vcpus_check(uint32_t start, uint32_t max, uint32_t vcpus, struct hvp_error *err);
/* Of memory that is to be taken back: what a guest cannot spare it keeps, and waiting is no use. */
void memory_limit_patience(struct deadline *d);
/* What of the device makes a VM of so many bytes, which are at least those of its start. */
uint64_t memory_more(uint64_t start, uint64_t bytes);

#endif
