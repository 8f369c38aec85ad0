/* SPDX-License-Identifier: Apache-2.0 */
/* Links and their addresses. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <linux/if.h>
#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"
#include "net/internal.h"

const struct net_link *scan_link(const struct net_scan *s, uint32_t index)
{
    for (size_t i = 0; i < s->n_links; i++)
        if (s->links[i].index == index)
            return &s->links[i];
    return NULL;
}

const struct net_link *net_scan_find(const struct net_scan *s, const char *name)
{
    for (size_t i = 0; i < s->n_links; i++)
        if (strcmp(s->links[i].name, name) == 0)
            return &s->links[i];
    return NULL;
}

struct net_nic *scan_nic(struct net_scan *s, uint32_t link_index)
{
    const struct net_link *l = scan_link(s, link_index);

    for (size_t i = 0; l && i < s->network.n_nics; i++)
        if (strcmp(s->network.nics[i].name, l->name) == 0)
            return &s->network.nics[i];
    return NULL;
}

static int tap_number(const char *name)
{
    uint64_t n;

    if (!str_starts_with(name, NET_TAP) ||
        str_to_u64(name + strlen(NET_TAP), 0, NET_NICS_MAX - 1, &n) < 0)
        return -1;
    return (int)n;
}

static const char *carried_by(const struct net_link *tap)
{
    return tap->ours ? tap->alias : tap->name;
}

struct net_link *net_scan_tap(const struct net_scan *s, const char *carried)
{
    for (size_t i = 0; i < s->n_links; i++)
        if (s->links[i].nic >= 0 && strcmp(carried_by(&s->links[i]), carried) == 0)
            return &s->links[i];
    return NULL;
}

bool net_scan_carries(const struct net_scan *s, const struct net_link *tap)
{
    for (size_t i = 0; i < s->network.n_nics; i++)
        if (strcmp(s->network.nics[i].name, carried_by(tap)) == 0)
            return true;
    return false;
}

/* A macvtap goes with what it is on. */
bool net_scan_is_free(const struct net_scan *s, const struct net_link *tap)
{
    return tap->ours && strcmp(tap->kind, NET_KIND_MACVTAP) != 0 && !net_scan_carries(s, tap);
}

struct net_link *net_scan_free_tap(const struct net_scan *s)
{
    for (size_t i = 0; i < s->n_links; i++)
        if (net_scan_is_free(s, &s->links[i]))
            return &s->links[i];
    return NULL;
}

/* IPv6 that is switched off for an interface is told by its configuration block. */
static bool without_ipv6(const struct nlattr *af_spec)
{
    const struct nlattr *families[AF_INET6 + 1], *inet6[IFLA_INET6_CONF + 1];
    const int32_t *conf;

    netlink_parse_nest(af_spec, families, ARRAY_SIZE(families));
    if (!families[AF_INET6])
        return true;
    netlink_parse_nest(families[AF_INET6], inet6, ARRAY_SIZE(inet6));
    if (netlink_len(inet6[IFLA_INET6_CONF]) <= sizeof(*conf) * DEVCONF_DISABLE_IPV6)
        return false;
    conf = netlink_data(inet6[IFLA_INET6_CONF]);
    return conf[DEVCONF_DISABLE_IPV6] != 0;
}

/* "CARRIED" or "CARRIED OWNER"; an engine's own text may be anything. */
static void take_alias(const struct nlattr *a, struct net_link *l)
{
    char text[NET_NAME_MAX + NET_OWNER_MAX + 2], *space;

    netlink_str(a, text, sizeof(text));
    space = strchr(text, ' ');
    if (space) {
        snprintf(l->owner, sizeof(l->owner), "%.*s", NET_OWNER_MAX, space + 1);
        *space = '\0';
    }
    snprintf(l->alias, sizeof(l->alias), "%.*s", NET_NAME_MAX, text);
}

static int on_link(void *ctx, const struct nlmsghdr *h)
{
    struct net_scan *s = ctx;
    const struct ifinfomsg *head = NLMSG_DATA(h);
    const struct nlattr *a[IFLA_PERM_ADDRESS + 1], *info[IFLA_INFO_KIND + 1];
    struct net_link *l;

    if (h->nlmsg_type != RTM_NEWLINK)
        return 0;
    netlink_parse(h, sizeof(*head), a, ARRAY_SIZE(a));
    netlink_parse_nest(a[IFLA_LINKINFO], info, ARRAY_SIZE(info));
    l = APPEND(s->links, s->n_links);
    l->index = (uint32_t)head->ifi_index;
    l->flags = head->ifi_flags;
    l->type = head->ifi_type;
    l->master = netlink_u32(a[IFLA_MASTER], 0);
    l->mtu = netlink_u32(a[IFLA_MTU], 0);
    l->txqlen = netlink_u32(a[IFLA_TXQLEN], 0);
    l->no_ipv6 = without_ipv6(a[IFLA_AF_SPEC]);
    netlink_str(a[IFLA_IFNAME], l->name, sizeof(l->name));
    take_alias(a[IFLA_IFALIAS], l);
    netlink_str(info[IFLA_INFO_KIND], l->kind, sizeof(l->kind));
    if (netlink_len(a[IFLA_ADDRESS]) == sizeof(l->mac))
        memcpy(l->mac, netlink_data(a[IFLA_ADDRESS]), sizeof(l->mac));
    l->ours = tap_number(l->name) >= 0;
    l->left =
        netlink_len(a[IFLA_CARRIER]) == 1 && *(const uint8_t *)netlink_data(a[IFLA_CARRIER]) == 0;
    l->nic = tap_number(l->ours ? l->name : l->alias);
    return 0;
}

static void forget_links(void *ctx)
{
    struct net_scan *s = ctx;

    free(steal_ptr(&s->links));
    s->n_links = 0;
}

int scan_links(struct net_ns *ns, struct net_scan *s, struct err *err)
{
    const struct netlink_walk walk = {on_link, forget_links, s};
    struct netlink_msg m;

    netlink_begin(&m, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
    return netlink_dump(&ns->nl, &m, &walk, err);
}

bool net_link_usable(const struct net_link *l)
{
    return l->type == ARPHRD_ETHER && (l->flags & IFF_UP) && !l->master && !l->ours;
}

static struct net_nic *add_nic(struct net_scan *s, const struct net_link *l)
{
    struct net_nic *nic = APPEND(s->network.nics, s->network.n_nics);

    nic->name = xstrdup(l->name);
    nic->mtu = l->mtu;
    nic->txqlen = l->txqlen;
    if (l->type == ARPHRD_LOOPBACK)
        return nic;
    nic->mac = xcalloc(1, NET_MAC_TEXT);
    net_mac_text(l->mac, nic->mac);
    nic->flags = (l->flags & IFF_NOARP ? NET_NIC_NOARP : 0) | (l->no_ipv6 ? NET_NIC_NO_IPV6 : 0);
    return nic;
}

static void add_nics(struct net_scan *s)
{
    for (size_t i = 0; i < s->n_links; i++)
        if (net_link_usable(&s->links[i]))
            (void)add_nic(s, &s->links[i]);
}

/* What lo has by itself. */
static bool is_plain_loopback(const struct net_link *l, const char *ip)
{
    return l->type == ARPHRD_LOOPBACK &&
           (strcmp(ip, "127.0.0.1/8") == 0 || strcmp(ip, "::1/128") == 0);
}

static void fill_lifetime(const struct nlattr *a, struct net_address *to)
{
    struct ifa_cacheinfo info;

    to->valid = to->preferred = UINT32_MAX;
    if (netlink_len(a) < sizeof(info))
        return;
    memcpy(&info, netlink_data(a), sizeof(info));
    to->valid = info.ifa_valid;
    to->preferred = info.ifa_prefered;
}

static void fill_address(const struct ifaddrmsg *head, const struct nlattr *const *a,
                         const struct net_link *l, struct net_address *to)
{
    char label[NET_NAME_MAX + 1];

    /* Of a point-to-point address the other end is in IFA_ADDRESS. */
    if (a[IFA_LOCAL] && a[IFA_ADDRESS] &&
        (netlink_len(a[IFA_LOCAL]) != netlink_len(a[IFA_ADDRESS]) ||
         memcmp(netlink_data(a[IFA_LOCAL]), netlink_data(a[IFA_ADDRESS]),
                netlink_len(a[IFA_LOCAL])) != 0))
        to->peer = text_prefix(a[IFA_ADDRESS], head->ifa_family, head->ifa_prefixlen);
    to->broadcast = text_ip(a[IFA_BROADCAST], head->ifa_family);
    netlink_str(a[IFA_LABEL], label, sizeof(label));
    if (*label && strcmp(label, l->name) != 0)
        to->label = xstrdup(label);
    to->scope = head->ifa_scope;
    to->flags = netlink_u32(a[IFA_FLAGS], head->ifa_flags) &
                (IFA_F_NOPREFIXROUTE | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR);
    to->metric = netlink_u32(a[IFA_RT_PRIORITY], 0);
    fill_lifetime(a[IFA_CACHEINFO], to);
}

static int on_address(void *ctx, const struct nlmsghdr *h)
{
    struct net_scan *s = ctx;
    const struct ifaddrmsg *head = NLMSG_DATA(h);
    const struct nlattr *a[IFA_RT_PRIORITY + 1];
    const struct net_link *l;
    struct net_address *to;
    struct net_nic *nic;
    char *ip;

    if (h->nlmsg_type != RTM_NEWADDR || !(l = scan_link(s, head->ifa_index)))
        return 0;
    netlink_parse(h, sizeof(*head), a, ARRAY_SIZE(a));
    ip = text_prefix(a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS], head->ifa_family,
                     head->ifa_prefixlen);
    nic = scan_nic(s, head->ifa_index);
    if (ip && !nic && l->type == ARPHRD_LOOPBACK && !is_plain_loopback(l, ip))
        nic = add_nic(s, l);
    if (!ip || !nic || is_plain_loopback(l, ip)) {
        free(ip);
        return 0;
    }
    to = APPEND(nic->addresses, nic->n_addresses);
    to->ip = ip;
    fill_address(head, a, l, to);
    return 0;
}

static void forget_addresses(void *ctx)
{
    struct net_scan *s = ctx;

    while (s->network.n_nics > 0)
        net_nic_done(&s->network.nics[--s->network.n_nics]);
    add_nics(s);
}

static int scan_addresses(struct net_ns *ns, struct net_scan *s, struct err *err)
{
    const struct netlink_walk walk = {on_address, forget_addresses, s};
    struct netlink_msg m;

    netlink_begin(&m, RTM_GETADDR, 0, sizeof(struct ifaddrmsg));
    return netlink_dump(&ns->nl, &m, &walk, err);
}

static void note_left_out(struct net_scan *s)
{
    for (size_t i = 0; i < s->n_links; i++) {
        const struct net_link *l = &s->links[i];

        if (l->type != ARPHRD_LOOPBACK && l->type != ARPHRD_ETHER && (l->flags & IFF_UP))
            strv_addf(&s->left_out,
                      "network interface '%s' (%s) is not of Ethernet's kind, so that no NIC can "
                      "stand for it",
                      l->name, *l->kind ? l->kind : "unknown kind");
    }
}

int net_scan(struct net_ns *ns, struct net_scan *ret, struct err *err)
{
    struct net_scan s = {0};
    int r = scan_links(ns, &s, err);

    add_nics(&s);
    if (r == 0)
        r = scan_addresses(ns, &s, err);
    if (r == 0)
        r = scan_routes(ns, &s, err);
    if (r == 0)
        r = scan_rules(ns, &s, err);
    if (r == 0)
        r = scan_neighbours(ns, &s, err);
    if (r < 0) {
        net_scan_done(&s);
        err_in_phase(err, PHASE_NETWORK);
        return err_wrap(err, "look at the network namespace");
    }
    note_left_out(&s);
    *ret = s;
    return 0;
}

void net_scan_done(struct net_scan *s)
{
    free(s->links);
    msg_network_done(&s->network);
    strv_done(&s->left_out);
    *s = (struct net_scan){0};
}
