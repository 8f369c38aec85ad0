/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp_enosys.h - ENOSYS for system calls that a profile is too old to know.
 * For seccomp.c only.
 */
#ifndef PLAN_SECCOMP_ENOSYS_H
#define PLAN_SECCOMP_ENOSYS_H
#include "oci/oci.h"

/* arch: libseccomp's token of the guest, which is its AUDIT_ARCH; big: its byte order. */
void seccomp_add_enosys(const struct oci_seccomp *s, uint32_t default_action, uint32_t arch,
                        bool big, uint8_t **program, size_t *len);

#endif
