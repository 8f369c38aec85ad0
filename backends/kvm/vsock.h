/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vsock.h - a guest's vsock address, claimed from the host's kernel before QEMU starts, and the
 * agent's channel over it: the guest connects to the host.  Used by vm.c and connect.c.
 */
#ifndef KVM_VSOCK_H
#define KVM_VSOCK_H
#include <anyvisor/hvp.h>
#include "common/deadline.h"

/* wanted 0 = any free one.  The descriptor of /dev/vhost-vsock holds the claim. */
int vsock_claim(uint32_t wanted, uint32_t *ret_cid, int *ret_fd, struct hvp_error *err);
/* The same, and a socket that listens on the port of the same number. */
int vsock_listen(uint32_t *ret_cid, int *ret_fd, int *ret_listen_fd, struct hvp_error *err);
/*
 * The newest living connection of that guest, blocking; others' are closed.  alive_fd polls
 * readable when there is nobody left who could connect: -EPIPE.
 */
int vsock_accept(int listen_fd, uint32_t cid, int alive_fd, const struct deadline *d, int *ret_fd,
                 struct hvp_error *err);

#endif
