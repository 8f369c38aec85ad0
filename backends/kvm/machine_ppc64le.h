/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine_ppc64le.h - the board for ppc64le guests, ended by one without arch.
 * For machine.c only.
 */
#ifndef KVM_MACHINE_PPC64LE_H
#define KVM_MACHINE_PPC64LE_H
#include "machine.h"

extern const struct machine machine_ppc64le[];

#endif
