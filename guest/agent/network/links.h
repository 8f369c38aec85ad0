/* SPDX-License-Identifier: Apache-2.0 */
/*
 * links.h - the interfaces of the machine, while its network is made.
 * For network.c (the request), nics.c (interfaces, addresses) and routes.c.
 */
#ifndef AGENT_LINKS_H
#define AGENT_LINKS_H
#include <stdbool.h>
#include <stdint.h>
#include "base/netlink.h"
#include "proto/network.h"

#define LINKS_MAX 64

struct link {
    uint32_t index, flags;
    char name[NET_NAME_MAX + 1];
    uint8_t mac[6], device[6]; /* device: MAC that it was made with */
    bool wanted, no_ipv6;
    bool sends; /* has a carrier, and the kernel has noticed */
};

struct links {
    struct link v[LINKS_MAX];
    size_t n;
};

/* nics.c */
int links_list(struct netlink *nl, struct links *ret, struct err *err);
struct link *links_find(struct links *l, const char *name);
/* The interface that a NIC of the message is; NULL: the machine has none for it (yet). */
struct link *links_find_nic(struct links *l, const struct net_nic *nic);
int nics_set(struct netlink *nl, struct links *all, const struct msg_network *n, struct err *err);
uint8_t family_of(uint32_t number); /* AF_* of 4 or 6 */
struct net_ip put_ip(struct netlink_msg *m, uint16_t type, const char *text);

/* routes.c */
int routes_set(struct netlink *nl, struct links *all, const struct msg_network *n, struct err *err);
int rules_set(struct netlink *nl, const struct msg_network *n, struct err *err);
int neighbours_set(struct netlink *nl, struct links *all, const struct msg_network *n,
                   struct err *err);

#endif
