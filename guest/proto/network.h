/* SPDX-License-Identifier: Apache-2.0 */
/*
 * network.h - a network namespace as data: what the sandbox's looks like on the host and what the
 * guest's shall look like. Body of FRAME_NETWORK; filled by core/net, applied by the agent.
 * Same rules as plan.h. Numbers are the kernel's (rtnetlink), which all architectures share;
 * addresses are texts, so that byte order is no question: "10.0.0.2", "fe80::1/64".
 */
#ifndef PROTO_NETWORK_H
#define PROTO_NETWORK_H
#include <stddef.h>
#include <stdint.h>
#include "proto/wire.h"

#define NET_NAME_MAX 15 /* of an interface, without the NUL */
#define NET_MAC_TEXT 18 /* "02:61:76:00:00:00" with its NUL */

struct net_address {
    char *ip;                  /* with its prefix length */
    char *peer, *broadcast;    /* NULL = none */
    char *label;               /* IPv4's "eth0:1"; NULL = the interface's name */
    uint32_t scope, flags;     /* RT_SCOPE_*, IFA_F_* */
    uint32_t valid, preferred; /* seconds; UINT32_MAX = for ever */
    uint32_t metric;           /* of the route that comes with it; 0 = the kernel's choice */
};

enum { NET_NIC_NOARP = 1, NET_NIC_NO_IPV6 = 2 }; /* NO_IPV6: switched off for the interface */

struct net_nic {
    char *device; /* MAC that the VM's NIC was made with; NULL = the interface is there: lo */
    char *name, *mac;
    uint32_t mtu, txqlen, flags; /* NET_NIC_*; 0 = leave */
    struct net_address *addresses;
    size_t n_addresses;
};

struct net_route {
    uint32_t family;        /* 4 or 6 */
    char *to, *from;        /* with prefix lengths; NULL = all */
    char *gateway, *source; /* NULL = none; the gateway may be of the other family */
    char *nic;              /* name; NULL with a type that needs none: unreachable, ... */
    uint32_t table, metric; /* metric: RTA_PRIORITY */
    uint32_t scope, type;   /* RT_SCOPE_*, RTN_* */
    uint32_t protocol, tos; /* RTPROT_* */
    uint32_t onlink;        /* the gateway need not be in a network of ours */
    uint32_t preference;    /* RTA_PREF of IPv6 */
    uint32_t *metrics;      /* pairs: RTAX_*, value */
    size_t n_metrics;
};

struct net_rule {
    uint32_t family; /* 4 or 6 */
    char *from, *to; /* with prefix lengths; NULL = all */
    char *in, *out;  /* names of interfaces; NULL = any */
    uint32_t priority, table, action, tos, mark, mask, invert;
    uint32_t suppress; /* prefix length + 1; 0 = none */
};

struct net_neighbour { /* a permanent one */
    char *ip, *mac, *nic;
    uint32_t flags; /* NTF_* */
};

struct msg_network {
    struct net_nic *nics; /* all there shall be: others of the VM are taken away */
    size_t n_nics;
    struct net_route *routes;
    size_t n_routes;
    struct net_rule *rules; /* beside the kernel's own */
    size_t n_rules;
    struct net_neighbour *neighbours;
    size_t n_neighbours;
    uint32_t carriers; /* 1: nothing is to be made, only to be waited for: carriers of nics[] */
};

void msg_network_put(struct wbuf *w, const struct msg_network *m);
int msg_network_get(struct wire body, struct msg_network *ret);
void msg_network_done(struct msg_network *m);

/* Parts of a network on their own, for whoever builds or edits one. */
void net_nic_done(struct net_nic *nic);
void net_route_done(struct net_route *route);

/* Texts and bytes. */
struct net_ip {
    uint32_t family; /* 4 or 6 */
    uint8_t bytes[16];
    uint32_t prefix; /* 32 or 128 where the text has none */
};
size_t net_ip_len(const struct net_ip *ip);             /* of bytes */
int net_ip_parse(const char *text, struct net_ip *ret); /* -EINVAL */
int net_mac_parse(const char *text, uint8_t ret[6]);    /* -EINVAL */
void net_mac_text(const uint8_t mac[6], char ret[NET_MAC_TEXT]);

#endif
