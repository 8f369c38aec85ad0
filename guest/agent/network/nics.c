/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces: found by the MAC that their NIC was made with, then named, set and given addresses.
 */
#include "agent/container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "agent/network/links.h"
#include "base/macros.h"

uint8_t family_of(uint32_t number)
{
    return number == 4 ? AF_INET : AF_INET6;
}

/* The texts were checked when the message was decoded. */
struct net_ip put_ip(struct netlink_msg *m, uint16_t type, const char *text)
{
    struct net_ip ip = {0};

    if (text && net_ip_parse(text, &ip) == 0)
        netlink_put(m, type, ip.bytes, net_ip_len(&ip));
    return ip;
}

static int on_link(void *ctx, const struct nlmsghdr *h)
{
    const struct ifinfomsg *head = NLMSG_DATA(h);
    const struct nlattr *a[IFLA_PERM_ADDRESS + 1], *mac;
    struct links *l = ctx;
    struct link *to;
    char qdisc[16];

    if (h->nlmsg_type != RTM_NEWLINK || l->n == LINKS_MAX)
        return 0;
    netlink_parse(h, sizeof(*head), a, ARRAY_SIZE(a));
    mac = a[IFLA_PERM_ADDRESS] ? a[IFLA_PERM_ADDRESS] : a[IFLA_ADDRESS];
    to = &l->v[l->n++];
    *to = (struct link){.index = (uint32_t)head->ifi_index, .flags = head->ifi_flags};
    netlink_str(a[IFLA_IFNAME], to->name, sizeof(to->name));
    netlink_str(a[IFLA_QDISC], qdisc, sizeof(qdisc));
    to->sends = (head->ifi_flags & IFF_LOWER_UP) && strcmp(qdisc, "noop") != 0;
    if (netlink_len(a[IFLA_ADDRESS]) == sizeof(to->mac))
        memcpy(to->mac, netlink_data(a[IFLA_ADDRESS]), sizeof(to->mac));
    if (netlink_len(mac) == sizeof(to->device))
        memcpy(to->device, netlink_data(mac), sizeof(to->device));
    return 0;
}

static void forget_links(void *ctx)
{
    ((struct links *)ctx)->n = 0;
}

int links_list(struct netlink *nl, struct links *ret, struct err *err)
{
    const struct netlink_walk walk = {on_link, forget_links, ret};
    struct netlink_msg m;

    ret->n = 0;
    netlink_begin(&m, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
    return netlink_dump(nl, &m, &walk, err);
}

struct link *links_find(struct links *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->v[i].name, name) == 0)
            return &l->v[i];
    return NULL;
}

struct link *links_find_nic(struct links *l, const struct net_nic *nic)
{
    uint8_t mac[6];

    if (!nic->device)
        return links_find(l, nic->name);
    if (net_mac_parse(nic->device, mac) < 0)
        return NULL;
    for (size_t i = 0; i < l->n; i++)
        if (memcmp(l->v[i].device, mac, sizeof(mac)) == 0)
            return &l->v[i];
    return NULL;
}

static struct ifinfomsg *begin_link(struct netlink_msg *m, const struct link *l)
{
    struct ifinfomsg *head = netlink_begin(m, RTM_NEWLINK, 0, sizeof(*head));

    head->ifi_index = (int)l->index;
    return head;
}

static int set_name(struct netlink *nl, struct link *l, const char *name, struct err *err)
{
    struct netlink_msg m;
    int r;

    begin_link(&m, l);
    netlink_put_str(&m, IFLA_IFNAME, name);
    if ((r = netlink_ask(nl, &m, err)) == 0)
        snprintf(l->name, sizeof(l->name), "%s", name);
    return r;
}

static int set_flags(struct netlink *nl, struct link *l, uint32_t flags, uint32_t change,
                     struct err *err)
{
    struct netlink_msg m;
    struct ifinfomsg *head = begin_link(&m, l);
    int r;

    head->ifi_flags = flags;
    head->ifi_change = change;
    if ((r = netlink_ask(nl, &m, err)) == 0)
        l->flags = (l->flags & ~change) | flags;
    return r;
}

/* Two NICs may have each other's names: whoever is in the way steps aside first. */
static int free_name(struct netlink *nl, struct links *all, const struct link *l, const char *name,
                     struct err *err)
{
    struct link *other = links_find(all, name);
    char aside[NET_NAME_MAX + 1];
    int r;

    if (!other || other == l)
        return 0;
    snprintf(aside, sizeof(aside), "aside%u", other->index);
    if ((other->flags & IFF_UP) && (r = set_flags(nl, other, 0, IFF_UP, err)) < 0)
        return r;
    return set_name(nl, other, aside, err);
}

/* Only what the message asks for: no address of the kernel's own making. */
static int no_generated_address(struct netlink *nl, const struct link *l, struct err *err)
{
    const uint8_t none = IN6_ADDR_GEN_MODE_NONE;
    struct netlink_msg m;
    size_t spec, inet6;

    begin_link(&m, l);
    spec = netlink_nest(&m, IFLA_AF_SPEC);
    inet6 = netlink_nest(&m, AF_INET6);
    netlink_put(&m, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
    netlink_nest_end(&m, inet6);
    netlink_nest_end(&m, spec);
    return netlink_ask(nl, &m, err);
}

/* A sysctl of the container may have switched it off for all that is to come. */
static bool switch_ipv6(const char *name, bool off)
{
    char path[64], text[4] = "1";

    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    if (!off)
        (void)cgroup_read(AT_FDCWD, "/proc/sys/net/ipv6/conf/default/disable_ipv6", text,
                          sizeof(text));
    (void)cgroup_write(AT_FDCWD, path, text);
    return text[0] == '0';
}

/* Neither a name nor a MAC can change while the interface is up. */
static int set_link(struct netlink *nl, struct links *all, struct link *l,
                    const struct net_nic *nic, struct err *err)
{
    bool rename = strcmp(l->name, nic->name) != 0;
    struct netlink_msg m;
    uint8_t mac[6];
    int r;

    if (!nic->mac || net_mac_parse(nic->mac, mac) < 0)
        memcpy(mac, l->mac, sizeof(mac));
    if ((l->flags & IFF_UP) && (rename || memcmp(l->mac, mac, sizeof(mac)) != 0) &&
        (r = set_flags(nl, l, 0, IFF_UP, err)) < 0)
        return r;
    if (rename && ((r = free_name(nl, all, l, nic->name, err)) < 0 ||
                   (r = set_name(nl, l, nic->name, err)) < 0))
        return r;
    (void)no_generated_address(nl, l, NULL); /* a kernel may have no IPv6 */
    l->no_ipv6 = !switch_ipv6(l->name, nic->flags & NET_NIC_NO_IPV6);
    begin_link(&m, l);
    if (!(l->flags & IFF_UP))
        netlink_put(&m, IFLA_ADDRESS, mac, sizeof(mac));
    if (nic->mtu)
        netlink_put_u32(&m, IFLA_MTU, nic->mtu);
    if (nic->txqlen)
        netlink_put_u32(&m, IFLA_TXQLEN, nic->txqlen);
    if ((r = netlink_ask(nl, &m, err)) < 0)
        return r;
    return set_flags(nl, l, IFF_UP | (nic->flags & NET_NIC_NOARP ? IFF_NOARP : 0),
                     IFF_UP | IFF_NOARP, err);
}

/* Nobody else has the address: it comes from the host, whose stack has looked for others. */
static int add_address(struct netlink *nl, const struct link *l, const struct net_address *a,
                       struct err *err)
{
    const struct ifa_cacheinfo life = {.ifa_valid = a->valid, .ifa_prefered = a->preferred};
    struct netlink_msg m;
    struct ifaddrmsg *head =
        netlink_begin(&m, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*head));
    struct net_ip ip = put_ip(&m, IFA_LOCAL, a->ip);
    uint32_t flags = a->flags | (ip.family == 6 ? IFA_F_NODAD : 0);

    *head = (struct ifaddrmsg){.ifa_family = family_of(ip.family),
                               .ifa_prefixlen = (uint8_t)ip.prefix,
                               .ifa_scope = (uint8_t)a->scope,
                               .ifa_index = l->index};
    put_ip(&m, IFA_ADDRESS, a->peer ? a->peer : a->ip);
    put_ip(&m, IFA_BROADCAST, a->broadcast);
    if (a->label)
        netlink_put_str(&m, IFA_LABEL, a->label);
    if (a->metric)
        netlink_put_u32(&m, IFA_RT_PRIORITY, a->metric);
    netlink_put_u32(&m, IFA_FLAGS, flags);
    netlink_put(&m, IFA_CACHEINFO, &life, sizeof(life));
    return netlink_ask(nl, &m, err);
}

/* Addresses of an interface that it shall not have. */
struct surplus {
    const struct net_nic *nic;
    uint32_t index;
    struct net_ip v[32]; /* more wait for the next time */
    size_t n;
};

static bool is_listed(const struct net_nic *nic, const struct net_ip *ip)
{
    struct net_ip have;

    for (size_t i = 0; i < nic->n_addresses; i++)
        if (net_ip_parse(nic->addresses[i].ip, &have) == 0 && have.family == ip->family &&
            have.prefix == ip->prefix && memcmp(have.bytes, ip->bytes, net_ip_len(ip)) == 0)
            return true;
    return false;
}

static int on_address(void *ctx, const struct nlmsghdr *h)
{
    struct surplus *s = ctx;
    const struct ifaddrmsg *head = NLMSG_DATA(h);
    const struct nlattr *a[IFA_FLAGS + 1], *local;
    struct net_ip ip = {.family = head->ifa_family == AF_INET ? 4 : 6,
                        .prefix = head->ifa_prefixlen};

    if (h->nlmsg_type != RTM_NEWADDR || head->ifa_index != s->index || s->n == ARRAY_SIZE(s->v) ||
        (head->ifa_family != AF_INET && head->ifa_family != AF_INET6))
        return 0;
    netlink_parse(h, sizeof(*head), a, ARRAY_SIZE(a));
    local = a[IFA_LOCAL] ? a[IFA_LOCAL] : a[IFA_ADDRESS];
    /* Those with an end come from a router's word or from a container. */
    if (netlink_len(local) != net_ip_len(&ip) || !(head->ifa_flags & IFA_F_PERMANENT))
        return 0;
    memcpy(ip.bytes, netlink_data(local), net_ip_len(&ip));
    if (!is_listed(s->nic, &ip))
        s->v[s->n++] = ip;
    return 0;
}

static void forget_surplus(void *ctx)
{
    ((struct surplus *)ctx)->n = 0;
}

static int remove_surplus(struct netlink *nl, const struct link *l, const struct net_nic *nic,
                          struct err *err)
{
    struct surplus s = {.nic = nic, .index = l->index};
    const struct netlink_walk walk = {on_address, forget_surplus, &s};
    struct netlink_msg m;
    int r;

    netlink_begin(&m, RTM_GETADDR, 0, sizeof(struct ifaddrmsg));
    r = netlink_dump(nl, &m, &walk, err);
    for (size_t i = 0; i < s.n && r == 0; i++) {
        struct ifaddrmsg *head = netlink_begin(&m, RTM_DELADDR, 0, sizeof(*head));

        *head = (struct ifaddrmsg){.ifa_family = family_of(s.v[i].family),
                                   .ifa_prefixlen = (uint8_t)s.v[i].prefix,
                                   .ifa_index = l->index};
        netlink_put(&m, IFA_LOCAL, s.v[i].bytes, net_ip_len(&s.v[i]));
        r = netlink_ask(nl, &m, err);
    }
    return r;
}

static int set_nic(struct netlink *nl, struct links *all, const struct net_nic *nic,
                   struct err *err)
{
    struct link *l = links_find_nic(all, nic);
    int r;

    if (!l)
        return err_set(err, ENODEV, "the VM has no NIC for it (%s)",
                       nic->device ? nic->device : "by name");
    l->wanted = true;
    if (nic->device &&
        ((r = set_link(nl, all, l, nic, err)) < 0 || (r = remove_surplus(nl, l, nic, err)) < 0))
        return r;
    for (size_t i = 0; i < nic->n_addresses; i++) {
        if (l->no_ipv6 && strchr(nic->addresses[i].ip, ':'))
            continue;
        if ((r = add_address(nl, l, &nic->addresses[i], err)) < 0)
            return err_wrap(err, "address '%s'", nic->addresses[i].ip);
    }
    return 0;
}

int nics_set(struct netlink *nl, struct links *all, const struct msg_network *n, struct err *err)
{
    for (size_t i = 0; i < n->n_nics; i++)
        if (set_nic(nl, all, &n->nics[i], err) < 0)
            return err_wrap(err, "network interface '%s'", n->nics[i].name);
    return 0;
}
