/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nics.h - NICs and what is their other end in a network namespace.
 * For network.c (those of a new VM), carry.c (those that come later), forward.c and resolver.c.
 */
#ifndef CLI_NICS_H
#define CLI_NICS_H
#include "cli/network/network.h"
#include "net/net.h"

#define NETWORK_TAG "net" /* and its number: of a NIC */

/* Of every VM, so that a template's NIC fits each clone: what it carries has the MAC that counts.
 */
void network_device_mac(unsigned number, uint8_t ret[6]);

char *network_ns_of(pid_t pid); /* path; the caller frees */

/* A NIC of that number, for the interface (NULL: for any), with its descriptors. */
int network_add_nic(struct net_ns *ns, const struct network_wish *wish, const struct net_link *on,
                    unsigned number, struct network_nics *n, struct err *err);

/* The number alone; the entry is the list's. */
struct ipc_nic *network_list_nic(struct network_nics *n, unsigned number, uint32_t flags);

/* Interfaces that the VMM has made itself, if the reply tells of some, in place of our taps. */
int network_take_hostifs(struct net_ns *ns, const struct network_nics *asked, bool hostifs,
                         const struct ipc_reply *reply, struct err *err);

#endif
