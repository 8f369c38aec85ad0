/* SPDX-License-Identifier: Apache-2.0 */
/* What is behind the interfaces: routes, rules, permanent neighbours. */
#include "agent/agent.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "agent/network/links.h"

static void put_metrics(struct netlink_msg *m, const struct net_route *r)
{
    size_t nest;

    if (!r->n_metrics)
        return;
    nest = netlink_nest(m, RTA_METRICS);
    for (size_t i = 0; i + 1 < r->n_metrics; i += 2)
        netlink_put_u32(m, (uint16_t)r->metrics[i], r->metrics[i + 1]);
    netlink_nest_end(m, nest);
}

static void put_gateway(struct netlink_msg *m, const struct net_route *r)
{
    struct {
        uint16_t family;
        uint8_t bytes[16];
    } via;
    struct net_ip ip;

    if (!r->gateway || net_ip_parse(r->gateway, &ip) < 0)
        return;
    if (ip.family == r->family) {
        netlink_put(m, RTA_GATEWAY, ip.bytes, net_ip_len(&ip));
        return;
    }
    via.family = family_of(ip.family);
    memcpy(via.bytes, ip.bytes, sizeof(via.bytes));
    netlink_put(m, RTA_VIA, &via, sizeof(via.family) + net_ip_len(&ip));
}

static int add_route(struct netlink *nl, struct links *all, const struct net_route *r,
                     struct err *err)
{
    const struct link *l = r->nic ? links_find(all, r->nic) : NULL;
    struct netlink_msg m;
    struct rtmsg *head =
        netlink_begin(&m, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*head));
    uint8_t preference = (uint8_t)r->preference;

    if (r->nic && !l)
        return err_set(err, ENODEV, "there is no interface '%s'", r->nic);
    if (l && l->no_ipv6 && r->family == 6)
        return 0;
    *head = (struct rtmsg){.rtm_family = family_of(r->family),
                           .rtm_dst_len = (uint8_t)put_ip(&m, RTA_DST, r->to).prefix,
                           .rtm_src_len = (uint8_t)put_ip(&m, RTA_SRC, r->from).prefix,
                           .rtm_tos = (uint8_t)r->tos,
                           .rtm_protocol = (uint8_t)r->protocol,
                           .rtm_scope = (uint8_t)r->scope,
                           .rtm_type = (uint8_t)r->type,
                           .rtm_flags = r->onlink ? RTNH_F_ONLINK : 0};
    put_gateway(&m, r);
    put_ip(&m, RTA_PREFSRC, r->source);
    netlink_put_u32(&m, RTA_TABLE, r->table);
    if (r->metric)
        netlink_put_u32(&m, RTA_PRIORITY, r->metric);
    if (l)
        netlink_put_u32(&m, RTA_OIF, l->index);
    if (preference)
        netlink_put(&m, RTA_PREF, &preference, sizeof(preference));
    put_metrics(&m, r);
    return netlink_ask(nl, &m, err);
}

static int set_some(struct netlink *nl, struct links *all, const struct msg_network *n,
                    bool behind_gateways, struct err *err)
{
    for (size_t i = 0; i < n->n_routes; i++) {
        const struct net_route *r = &n->routes[i];

        if (!!r->gateway == behind_gateways && add_route(nl, all, r, err) < 0)
            return err_wrap(err, "route to '%s'", r->to ? r->to : "default");
    }
    return 0;
}

/* A gateway must be within reach before a route goes through it. */
int routes_set(struct netlink *nl, struct links *all, const struct msg_network *n, struct err *err)
{
    int r = set_some(nl, all, n, false, err);

    return r < 0 ? r : set_some(nl, all, n, true, err);
}

static int add_rule(struct netlink *nl, const struct net_rule *r, struct err *err)
{
    struct netlink_msg m;
    struct fib_rule_hdr *head =
        netlink_begin(&m, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, sizeof(*head));

    *head = (struct fib_rule_hdr){.family = family_of(r->family),
                                  .src_len = (uint8_t)put_ip(&m, FRA_SRC, r->from).prefix,
                                  .dst_len = (uint8_t)put_ip(&m, FRA_DST, r->to).prefix,
                                  .tos = (uint8_t)r->tos,
                                  .action = (uint8_t)r->action,
                                  .flags = r->invert ? FIB_RULE_INVERT : 0};
    netlink_put_u32(&m, FRA_PRIORITY, r->priority);
    netlink_put_u32(&m, FRA_TABLE, r->table);
    if (r->in)
        netlink_put_str(&m, FRA_IIFNAME, r->in);
    if (r->out)
        netlink_put_str(&m, FRA_OIFNAME, r->out);
    if (r->mark)
        netlink_put_u32(&m, FRA_FWMARK, r->mark);
    if (r->mask)
        netlink_put_u32(&m, FRA_FWMASK, r->mask);
    if (r->suppress)
        netlink_put_u32(&m, FRA_SUPPRESS_PREFIXLEN, r->suppress - 1);
    return netlink_ask(nl, &m, err);
}

int rules_set(struct netlink *nl, const struct msg_network *n, struct err *err)
{
    for (size_t i = 0; i < n->n_rules; i++) {
        int r = add_rule(nl, &n->rules[i], err);

        if (r < 0 && r != -EEXIST)
            return err_wrap(err, "routing rule %u", n->rules[i].priority);
    }
    return 0;
}

static int add_neighbour(struct netlink *nl, struct links *all, const struct net_neighbour *b,
                         struct err *err)
{
    const struct link *l = links_find(all, b->nic);
    struct netlink_msg m;
    struct ndmsg *head =
        netlink_begin(&m, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*head));
    uint8_t mac[6];

    if (!l || net_mac_parse(b->mac, mac) < 0)
        return err_set(err, ENODEV, "there is no interface '%s'", b->nic);
    *head = (struct ndmsg){.ndm_family = family_of(put_ip(&m, NDA_DST, b->ip).family),
                           .ndm_ifindex = (int)l->index,
                           .ndm_state = NUD_PERMANENT,
                           .ndm_flags = (uint8_t)b->flags};
    netlink_put(&m, NDA_LLADDR, mac, sizeof(mac));
    return netlink_ask(nl, &m, err);
}

int neighbours_set(struct netlink *nl, struct links *all, const struct msg_network *n,
                   struct err *err)
{
    for (size_t i = 0; i < n->n_neighbours; i++)
        if (add_neighbour(nl, all, &n->neighbours[i], err) < 0)
            return err_wrap(err, "neighbour '%s'", n->neighbours[i].ip);
    return 0;
}
