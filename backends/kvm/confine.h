/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine.h - what QEMU may do on the host (docs/decisions/0007-least-privilege.md).
 * For vm.c, which starts it.
 */
#ifndef KVM_CONFINE_H
#define KVM_CONFINE_H
#include "cmdline.h"

/* Whether QEMU opens this disk over a network. */
bool confine_needs_network(const struct hvp_device *dev);

/* User, capabilities and namespaces of the QEMU that runs c->spec; nothing where we are not root.
 */
void confine(struct hvp_spawn *what, const struct cmdline *c);

#endif
