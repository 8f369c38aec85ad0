/* SPDX-License-Identifier: Apache-2.0 */
/* Routes, rules and permanent neighbours, as far as they are not the kernel's own. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include "base/cleanup.h"
#include "net/internal.h"

struct routes_ctx {
    struct net_scan *scan;
    uint8_t family;
    size_t first, first_left_out; /* what this walk has added starts here */
};

static uint32_t family_number(uint8_t family)
{
    return family == AF_INET ? 4 : 6;
}

static bool needs_nic(uint8_t type)
{
    return type == RTN_UNICAST || type == RTN_NAT;
}

/* With an address come the local table and the route to its network. Those of IPv6 that end are of
 * a router's advertisement, which the guest hears, too. */
static bool is_kernels(const struct rtmsg *head, uint32_t table)
{
    return table == RT_TABLE_LOCAL || head->rtm_protocol == RTPROT_KERNEL ||
           head->rtm_protocol == RTPROT_RA || (head->rtm_flags & RTM_F_CLONED) ||
           head->rtm_type == RTN_LOCAL || head->rtm_type == RTN_BROADCAST ||
           head->rtm_type == RTN_ANYCAST || head->rtm_type == RTN_MULTICAST;
}

static void copy_metrics(const struct nlattr *nest, struct net_route *to)
{
    const struct nlattr *a[RTAX_MAX + 1];

    netlink_parse_nest(nest, a, ARRAY_SIZE(a));
    for (uint32_t i = 1; i <= RTAX_MAX; i++) {
        if (!a[i] || i == RTAX_CC_ALGO) /* a text */
            continue;
        to->metrics = xreallocarray(to->metrics, to->n_metrics + 2, sizeof(*to->metrics));
        to->metrics[to->n_metrics++] = i;
        to->metrics[to->n_metrics++] = netlink_u32(a[i], 0);
    }
}

static void fill_route(const struct rtmsg *head, const struct nlattr *const *a,
                       struct net_route *to)
{
    uint8_t preference = 0;

    to->family = family_number(head->rtm_family);
    to->to = text_prefix(a[RTA_DST], head->rtm_family, head->rtm_dst_len);
    to->from = text_prefix(a[RTA_SRC], head->rtm_family, head->rtm_src_len);
    to->gateway = a[RTA_VIA] ? text_via(a[RTA_VIA]) : text_ip(a[RTA_GATEWAY], head->rtm_family);
    to->source = text_ip(a[RTA_PREFSRC], head->rtm_family);
    to->table = netlink_u32(a[RTA_TABLE], head->rtm_table);
    to->metric = netlink_u32(a[RTA_PRIORITY], 0);
    to->scope = head->rtm_scope;
    to->type = head->rtm_type;
    to->protocol = head->rtm_protocol;
    to->tos = head->rtm_tos;
    to->onlink = !!(head->rtm_flags & RTNH_F_ONLINK);
    if (netlink_len(a[RTA_PREF]) == sizeof(preference))
        memcpy(&preference, netlink_data(a[RTA_PREF]), sizeof(preference));
    to->preference = preference;
    copy_metrics(a[RTA_METRICS], to);
}

static void leave_out(struct net_scan *s, const struct net_route *r, const char *why)
{
    strv_addf(&s->left_out, "route to '%s' %s", r->to ? r->to : "default", why);
}

static int on_route(void *p, const struct nlmsghdr *h)
{
    struct routes_ctx *ctx = p;
    struct net_scan *s = ctx->scan;
    const struct rtmsg *head = NLMSG_DATA(h);
    const struct nlattr *a[RTA_MAX + 1];
    const struct net_link *l;
    struct net_route r = {0};

    if (h->nlmsg_type != RTM_NEWROUTE || head->rtm_family != ctx->family)
        return 0;
    netlink_parse(h, sizeof(*head), a, ARRAY_SIZE(a));
    if (is_kernels(head, netlink_u32(a[RTA_TABLE], head->rtm_table)))
        return 0;
    fill_route(head, a, &r);
    l = scan_link(s, netlink_u32(a[RTA_OIF], 0));
    if (l && (scan_nic(s, l->index) || strcmp(l->name, "lo") == 0))
        r.nic = xstrdup(l->name);
    if (a[RTA_MULTIPATH])
        leave_out(s, &r, "has several next hops, which is not supported");
    else if (a[RTA_ENCAP])
        leave_out(s, &r, "is encapsulated, which is not supported");
    else if (needs_nic(head->rtm_type) && !r.nic)
        leave_out(s, &r, "goes through an interface that the guest does not get");
    else {
        *APPEND(s->network.routes, s->network.n_routes) = r;
        return 0;
    }
    net_route_done(&r);
    return 0;
}

static void forget_routes(void *p)
{
    struct routes_ctx *ctx = p;
    struct net_scan *s = ctx->scan;

    while (s->network.n_routes > ctx->first)
        net_route_done(&s->network.routes[--s->network.n_routes]);
    while (s->left_out.n > ctx->first_left_out)
        free(steal_ptr(&s->left_out.v[--s->left_out.n]));
}

/* A kernel without IPv6 knows nothing of that family. */
static int dump(struct net_ns *ns, struct netlink_msg *m, const struct netlink_walk *walk,
                uint8_t family, struct err *err)
{
    int r = netlink_dump(&ns->nl, m, walk, err);

    return family == AF_INET6 && (r == -EOPNOTSUPP || r == -EAFNOSUPPORT) ? 0 : r;
}

static int scan_family_routes(struct net_ns *ns, struct net_scan *s, uint8_t family,
                              struct err *err)
{
    struct routes_ctx ctx = {s, family, s->network.n_routes, s->left_out.n};
    const struct netlink_walk walk = {on_route, forget_routes, &ctx};
    struct netlink_msg m;
    struct rtmsg *head = netlink_begin(&m, RTM_GETROUTE, 0, sizeof(*head));

    head->rtm_family = family;
    return dump(ns, &m, &walk, family, err);
}

int scan_routes(struct net_ns *ns, struct net_scan *s, struct err *err)
{
    int r = scan_family_routes(ns, s, AF_INET, err);

    return r < 0 ? r : scan_family_routes(ns, s, AF_INET6, err);
}

/* Those of every new namespace: local, main, default. */
static bool is_default_rule(const struct fib_rule_hdr *head, uint32_t priority, uint32_t table)
{
    return head->src_len == 0 && head->dst_len == 0 &&
           ((priority == 0 && table == RT_TABLE_LOCAL) ||
            (priority == 32766 && table == RT_TABLE_MAIN) ||
            (priority == 32767 && table == RT_TABLE_DEFAULT));
}

static char *optional_name(const struct nlattr *a)
{
    char name[NET_NAME_MAX + 1];

    netlink_str(a, name, sizeof(name));
    return *name ? xstrdup(name) : NULL;
}

static int on_rule(void *p, const struct nlmsghdr *h)
{
    struct routes_ctx *ctx = p;
    struct msg_network *n = &ctx->scan->network;
    const struct fib_rule_hdr *head = NLMSG_DATA(h);
    const struct nlattr *a[FRA_MAX + 1];
    struct net_rule *r;
    uint32_t priority, table;

    if (h->nlmsg_type != RTM_NEWRULE || head->family != ctx->family)
        return 0;
    netlink_parse(h, sizeof(*head), a, ARRAY_SIZE(a));
    priority = netlink_u32(a[FRA_PRIORITY], 0);
    table = netlink_u32(a[FRA_TABLE], head->table);
    if (is_default_rule(head, priority, table))
        return 0;
    r = APPEND(n->rules, n->n_rules);
    *r = (struct net_rule){
        .family = family_number(head->family),
        .from = text_prefix(a[FRA_SRC], head->family, head->src_len),
        .to = text_prefix(a[FRA_DST], head->family, head->dst_len),
        .in = optional_name(a[FRA_IIFNAME]),
        .out = optional_name(a[FRA_OIFNAME]),
        .priority = priority,
        .table = table,
        .action = head->action,
        .tos = head->tos,
        .mark = netlink_u32(a[FRA_FWMARK], 0),
        .mask = netlink_u32(a[FRA_FWMASK], 0),
        .invert = !!(head->flags & FIB_RULE_INVERT),
        .suppress = netlink_u32(a[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX) + 1,
    };
    return 0;
}

static void rule_done(struct net_rule *r)
{
    free(r->from);
    free(r->to);
    free(r->in);
    free(r->out);
}

static void forget_rules(void *p)
{
    struct routes_ctx *ctx = p;
    struct msg_network *n = &ctx->scan->network;

    while (n->n_rules > ctx->first)
        rule_done(&n->rules[--n->n_rules]);
}

static int scan_family_rules(struct net_ns *ns, struct net_scan *s, uint8_t family, struct err *err)
{
    struct routes_ctx ctx = {s, family, s->network.n_rules, 0};
    const struct netlink_walk walk = {on_rule, forget_rules, &ctx};
    struct netlink_msg m;
    struct fib_rule_hdr *head = netlink_begin(&m, RTM_GETRULE, 0, sizeof(*head));

    head->family = family;
    return dump(ns, &m, &walk, family, err);
}

int scan_rules(struct net_ns *ns, struct net_scan *s, struct err *err)
{
    int r = scan_family_rules(ns, s, AF_INET, err);

    return r < 0 ? r : scan_family_rules(ns, s, AF_INET6, err);
}

static int on_neighbour(void *p, const struct nlmsghdr *h)
{
    struct net_scan *s = ((struct routes_ctx *)p)->scan;
    struct msg_network *n = &s->network;
    const struct ndmsg *head = NLMSG_DATA(h);
    const struct nlattr *a[NDA_MAX + 1];
    const struct net_nic *nic;
    cleanup_free char *ip = NULL;
    cleanup_free char *mac = NULL;

    if (h->nlmsg_type != RTM_NEWNEIGH || !(head->ndm_state & NUD_PERMANENT) ||
        (head->ndm_family != AF_INET && head->ndm_family != AF_INET6))
        return 0;
    nic = scan_nic(s, (uint32_t)head->ndm_ifindex);
    netlink_parse(h, sizeof(*head), a, ARRAY_SIZE(a));
    ip = text_ip(a[NDA_DST], head->ndm_family);
    mac = text_mac(a[NDA_LLADDR]);
    if (nic && ip && mac)
        *APPEND(n->neighbours, n->n_neighbours) = (struct net_neighbour){
            steal_ptr(&ip), steal_ptr(&mac), xstrdup(nic->name), head->ndm_flags};
    return 0;
}

static void forget_neighbours(void *p)
{
    struct msg_network *n = &((struct routes_ctx *)p)->scan->network;

    for (; n->n_neighbours > 0; n->n_neighbours--) {
        struct net_neighbour *last = &n->neighbours[n->n_neighbours - 1];

        free(last->ip);
        free(last->mac);
        free(last->nic);
    }
}

int scan_neighbours(struct net_ns *ns, struct net_scan *s, struct err *err)
{
    struct routes_ctx ctx = {.scan = s};
    const struct netlink_walk walk = {on_neighbour, forget_neighbours, &ctx};
    struct netlink_msg m;

    netlink_begin(&m, RTM_GETNEIGH, 0, sizeof(struct ndmsg));
    return netlink_dump(&ns->nl, &m, &walk, err);
}
