/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine_s390x.h - the board for s390x guests, ended by one without arch.
 * For machine.c only.
 */
#ifndef KVM_MACHINE_S390X_H
#define KVM_MACHINE_S390X_H
#include "machine.h"

extern const struct machine machine_s390x[];

#endif
