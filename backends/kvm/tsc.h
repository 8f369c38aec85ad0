/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tsc.h - the host's time-stamp counter, which an emulated x86 guest has for its own.  For vm.c,
 * which tells the guest what it could only measure badly.  tsc_none.c where hosts have no such
 * thing.
 */
#ifndef KVM_TSC_H
#define KVM_TSC_H
#include <stdbool.h>
#include <stdint.h>

/* Takes 5 ms of CPU time; 0 = unknown. */
uint64_t tsc_khz(void);
/* The host's kernel keeps its own time by it: it neither jumps nor changes its frequency. */
bool tsc_is_reliable(void);

#endif
