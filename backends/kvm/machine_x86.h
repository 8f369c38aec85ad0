/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine_x86.h - the boards for x86_64 guests, ended by one without arch.
 * For machine.c only.
 */
#ifndef KVM_MACHINE_X86_H
#define KVM_MACHINE_X86_H
#include "machine.h"

extern const struct machine machine_x86[];

#endif
