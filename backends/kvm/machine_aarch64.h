/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine_aarch64.h - the board for aarch64 guests, ended by one without arch.
 * For machine.c only.
 */
#ifndef KVM_MACHINE_AARCH64_H
#define KVM_MACHINE_AARCH64_H
#include "machine.h"

extern const struct machine machine_aarch64[];

#endif
