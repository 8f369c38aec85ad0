/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taps that are ports of a bridge of the host's. The interface of the container's namespace says
 * MAC, MTU and addresses, by its alias which NIC it is, and gets no frame.
 */
#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"
#include "net/internal.h"

#define WORD "bridge:"
#define OWN_NS "/proc/self/ns/net"

bool net_bridge_of(const struct strv *words, char ret_name[NET_NAME_MAX + 1],
                   char ret_port[NET_PORT_MAX + 1])
{
    for (size_t i = 0; i < words->n; i++) {
        const char *name = words->v[i] + strlen(WORD), *port;

        if (!str_starts_with(words->v[i], WORD))
            continue;
        port = name + strcspn(name, " ");
        snprintf(ret_name, NET_NAME_MAX + 1, "%.*s", (int)(port - name), name);
        snprintf(ret_port, NET_PORT_MAX + 1, "%s", *port ? port + 1 : "");
        return true;
    }
    return false;
}

void net_bridge_tap(const char *owner, unsigned number, char ret_name[NET_NAME_MAX + 1])
{
    snprintf(ret_name, NET_NAME_MAX + 1, "av%.8s-%u", owner, number % NET_NICS_MAX);
}

/* Its MAC is none that the bridge would take for its own: that is the lowest one of its ports. */
static int make_port(struct net_ns *host, const char *tap, const struct net_link *link,
                     uint32_t master, struct err *err)
{
    uint8_t mac[6];
    struct netlink_msg m;
    struct ifinfomsg *head = netlink_begin(&m, RTM_NEWLINK, 0, sizeof(*head));

    memcpy(mac, link->mac, sizeof(mac));
    mac[0] = 0xfe;
    head->ifi_flags = head->ifi_change = IFF_UP;
    netlink_put_str(&m, IFLA_IFNAME, tap);
    netlink_put_u32(&m, IFLA_MTU, link->mtu);
    netlink_put(&m, IFLA_ADDRESS, mac, sizeof(mac));
    if (master)
        netlink_put_u32(&m, IFLA_MASTER, master);
    return netlink_ask(&host->nl, &m, err);
}

static int attach(struct net_ns *ns, struct net_ns *host, const struct net_link *link,
                  const struct net_link *bridge, const char *tap, const char *alias,
                  struct err *err)
{
    bool kernels = strcmp(bridge->kind, "bridge") == 0;
    int r = make_port(host, tap, link, kernels ? bridge->index : 0, err);

    if (r < 0)
        return err_wrap(err, "make '%s' a port of bridge '%s'", tap, bridge->name);
    return link_set_alias(ns, link->index, alias, err);
}

static int find_bridge(struct net_ns *host, const char *name, struct net_scan *scan,
                       const struct net_link **ret, struct err *err)
{
    int r = net_ns_open(OWN_NS, host, err);

    if (r < 0 || (r = scan_links(host, scan, err)) < 0)
        return r;
    *ret = net_scan_find(scan, name);
    return *ret ? 0 : err_set(err, ENODEV, "the host has no bridge '%s'", name);
}

bool net_is_foreign_bridge(const char *name)
{
    cleanup_call(net_ns_close) struct net_ns host = NET_NS_INIT;
    cleanup_call(net_scan_done) struct net_scan scan = {0};
    const struct net_link *l = NULL;

    return find_bridge(&host, name, &scan, &l, NULL) < 0 || strcmp(l->kind, "bridge") != 0;
}

int net_bridge_attach(struct net_ns *ns, const struct net_link *link, const char *bridge,
                      unsigned number, const char *owner, unsigned queues, int *ret_fds,
                      bool *ret_foreign, struct err *err)
{
    cleanup_call(net_ns_close) struct net_ns host = NET_NS_INIT;
    cleanup_call(net_scan_done) struct net_scan scan = {0};
    cleanup_free char *alias = xasprintf(NET_TAP "%u %s", number, owner);
    unsigned n = MIN(MAX(queues, 1u), (unsigned)NET_QUEUES_MAX);
    const struct net_link *at = NULL;
    char tap[NET_NAME_MAX + 1];
    int r = link->nic >= 0 ? err_set(err, EBUSY, NET_OCCUPIED, link->alias)
                           : find_bridge(&host, bridge, &scan, &at, err);

    net_bridge_tap(owner, number, tap);
    if (r == 0 && (r = tap_make(&host, tap, n, ret_fds, err)) == 0 &&
        (r = attach(ns, &host, link, at, tap, alias, err)) < 0)
        for (unsigned i = 0; i < n; i++)
            close_fd(&ret_fds[i]);
    if (r == 0) {
        *ret_foreign = strcmp(at->kind, "bridge") != 0;
        return 0;
    }
    err_in_phase(err, PHASE_NETWORK);
    return err_wrap(err, "attach to network interface '%s'", link->name);
}
