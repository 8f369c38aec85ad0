/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock.h - a guest's vsock address, claimed from the host's kernel before QEMU starts.
 * Used by vm.c.
 */
#ifndef KVM_VSOCK_H
#define KVM_VSOCK_H
#include <anyvisor/hvp.h>

/* wanted 0 = any free one.  The descriptor of /dev/vhost-vsock holds the claim. */
int vsock_claim(uint32_t wanted, uint32_t *ret_cid, int *ret_fd, struct hvp_error *err);

#endif
