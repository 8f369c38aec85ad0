/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - what the files of core/net share: attributes as texts, the tables behind the links.
 * For core/net only.
 */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H
#include "net/net.h"

/* text.c: NULL where there is no attribute or it has no sense; the caller frees. */
char *text_ip(const struct nlattr *a, uint8_t family);
char *text_prefix(const struct nlattr *a, uint8_t family, unsigned prefix);
char *text_via(const struct nlattr *a); /* RTA_VIA */
char *text_mac(const struct nlattr *a);

/* New zeroed element at the end of an array of *n. */
#define APPEND(array, n)                                                                           \
    ({                                                                                             \
        (array) = xreallocarray((array), (n) + 1, sizeof(*(array)));                               \
        memset(&(array)[n], 0, sizeof(*(array)));                                                  \
        &(array)[(n)++];                                                                           \
    })

const struct net_link *scan_link(const struct net_scan *s, uint32_t index);
struct net_nic *scan_nic(struct net_scan *s, uint32_t link_index); /* NULL = not given to a guest */

#define NET_KIND_MACVTAP "macvtap"
#define NET_KIND_TUN "tun"
#define NET_OCCUPIED "'%s' is there already: the namespace is carried into another VM"

/* scan.c: the links alone */
int scan_links(struct net_ns *ns, struct net_scan *s, struct err *err);

/* link.c: an interface of the namespace gets this alias, "" for none */
int link_set_alias(struct net_ns *ns, uint32_t index, const char *alias, struct err *err);
/* The namespace's own stack has nothing to say on it. A kernel may have no IPv6. */
int link_silence_ipv6(struct net_ns *ns, const char *name, struct err *err);
int link_delete(struct net_ns *ns, uint32_t index, struct err *err);

/* tap.c: a new one of this name; queues is in bounds */
int tap_make(struct net_ns *ns, const char *name, unsigned queues, int *ret_fds, struct err *err);

/* redirect.c: frames pass between this tap and the interface that it carries by filters. */
bool redirect_is_between(const struct net_link *tap);
/* A program of BPF sees what the interface gets first; it goes with the redirect. */
int redirect_add_before(struct net_ns *ns, uint32_t index, int program, struct err *err);

/* resolver.c and answers.c: where name servers are */
#define NET_PORT_NAMES 53

/* namespace.c: run fn in the namespace and come back. */
int ns_run(int ns, int (*fn)(void *arg, struct err *err), void *arg, struct err *err);

/* routes.c: after links and addresses */
int scan_routes(struct net_ns *ns, struct net_scan *s, struct err *err);
int scan_rules(struct net_ns *ns, struct net_scan *s, struct err *err);
int scan_neighbours(struct net_ns *ns, struct net_scan *s, struct err *err);

#endif
