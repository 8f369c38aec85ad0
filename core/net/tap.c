/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include "base/cleanup.h"
#include "net/internal.h"

#define TUN "/dev/net/tun"

struct tap_queues {
    unsigned n;
    int *fds;
};

/* A tap is of the namespace in which its descriptor was opened. */
static int open_queues(void *arg, struct err *err)
{
    const struct tap_queues *q = arg;

    for (unsigned i = 0; i < q->n; i++) {
        q->fds[i] = open(TUN, O_RDWR | O_CLOEXEC);
        if (q->fds[i] < 0)
            return err_set(err, errno, "open '" TUN "': %m");
    }
    return 0;
}

/* The first one makes it and fails where it is there already: without IFF_TUN_EXCL the kernel would
 * give another VM a queue of this one's. */
static int attach_queues(const struct tap_queues *q, const char *name, struct err *err)
{
    const unsigned flags =
        IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (q->n > 1 ? (unsigned)IFF_MULTI_QUEUE : 0);
    struct ifreq ifr;

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    for (unsigned i = 0; i < q->n; i++) {
        ifr.ifr_flags = (short)(i == 0 ? flags | IFF_TUN_EXCL : flags);
        if (ioctl(q->fds[i], TUNSETIFF, &ifr) < 0)
            return errno == EBUSY || errno == EINVAL || errno == E2BIG
                       ? err_set(err, EBUSY, NET_OCCUPIED, name)
                       : err_set(err, errno, "make it: %m");
    }
    return 0;
}

int tap_make(struct net_ns *ns, const char *name, unsigned queues, int *ret_fds, struct err *err)
{
    int fds[NET_QUEUES_MAX] = {-1, -1, -1, -1, -1, -1, -1, -1};
    struct tap_queues q = {MIN(MAX(queues, 1u), (unsigned)NET_QUEUES_MAX), fds};
    int r = ns_run(ns->fd, open_queues, &q, err);

    if (r == 0)
        r = attach_queues(&q, name, err);
    if (r < 0) {
        for (unsigned i = 0; i < q.n; i++)
            close_fd(&fds[i]);
        err_in_phase(err, PHASE_NETWORK);
        return err_wrap(err, "tap '%s'", name);
    }
    (void)link_silence_ipv6(ns, name, NULL); /* a kernel may have no IPv6 */
    memcpy(ret_fds, fds, q.n * sizeof(*fds));
    return 0;
}

int net_tap_make(struct net_ns *ns, unsigned number, unsigned queues, int *ret_fds, struct err *err)
{
    cleanup_free char *name = xasprintf(NET_TAP "%u", number);

    return tap_make(ns, name, queues, ret_fds, err);
}

/* Of the namespace that nl speaks to. It goes down on its way, and comes up when it is connected.
 */
static int move(struct netlink *nl, uint32_t index, const char *as, struct net_ns *to,
                struct err *err)
{
    struct netlink_msg m;
    struct ifinfomsg *head = netlink_begin(&m, RTM_NEWLINK, 0, sizeof(*head));
    int r;

    head->ifi_index = (int)index;
    netlink_put_str(&m, IFLA_IFNAME, as);
    netlink_put_u32(&m, IFLA_NET_NS_FD, (uint32_t)to->fd);
    r = netlink_ask(nl, &m, err);
    if (r < 0)
        return r == -EEXIST ? err_set(err, EBUSY, NET_OCCUPIED, as) : r;
    (void)link_silence_ipv6(to, as, NULL); /* a kernel may have no IPv6 */
    return 0;
}

/* Xen's driver says nothing of its kind. */
static bool is_vif(const struct net_link *l)
{
    unsigned domain, number;
    int end = 0;

    return !*l->kind && sscanf(l->name, "vif%u.%u%n", &domain, &number, &end) == 2 && end > 0 &&
           l->name[end] == '\0';
}

/* The name is a monitor's word, and a hostile one would like to take the host's interfaces away. */
static int check_vmms(const struct net_link *l, struct err *err)
{
    if (!l)
        return err_set(err, ENODEV, "there is none");
    if (l->type != ARPHRD_ETHER || (strcmp(l->kind, NET_KIND_TUN) != 0 && !is_vif(l)))
        return err_set(err, EPERM, "it is not one that a VMM makes, but '%s'",
                       *l->kind ? l->kind : "a device");
    if (l->master || *l->alias)
        return err_set(err, EPERM, "it is in use on the host");
    return 0;
}

int net_tap_adopt(struct net_ns *ns, unsigned number, const char *name, struct err *err)
{
    cleanup_free char *as = xasprintf(NET_TAP "%u", number);
    cleanup_call(net_scan_done) struct net_scan scan = {0};
    cleanup_call(net_ns_close) struct net_ns own = NET_NS_INIT;
    int r = netlink_open(&own.nl, err);

    if (r == 0)
        r = scan_links(&own, &scan, err);
    if (r == 0)
        r = check_vmms(net_scan_find(&scan, name), err);
    if (r == 0)
        r = move(&own.nl, net_scan_find(&scan, name)->index, as, ns, err);
    if (r < 0) {
        err_in_phase(err, PHASE_NETWORK);
        return err_wrap(err, "interface '%s' of the VMM", name);
    }
    return 0;
}

int net_taps_left(struct net_ns *ns, struct err *err)
{
    cleanup_call(net_scan_done) struct net_scan scan = {0};
    int r = scan_links(ns, &scan, err);

    for (size_t i = 0; i < scan.n_links && r == 0; i++) {
        const struct net_link *l = &scan.links[i];

        if (!l->ours || !l->left || strcmp(l->kind, NET_KIND_TUN) != 0)
            continue;
        r = link_delete(ns, l->index, err);
        if (r == -ENODEV) /* somebody else has done it */
            r = 0;
        else if (r < 0)
            (void)err_wrap(err, "remove tap '%s'", l->name);
    }
    return r < 0 ? err_in_phase(err, PHASE_NETWORK) : 0;
}

int net_taps_move(struct net_ns *from, const char *to, struct err *err)
{
    cleanup_call(net_ns_close) struct net_ns target = NET_NS_INIT;
    cleanup_call(net_scan_done) struct net_scan scan = {0};
    int r = net_ns_open(to, &target, err);

    if (r == 0)
        r = net_taps_left(&target, err);
    if (r == 0)
        r = net_scan(from, &scan, err);
    for (size_t i = 0; i < scan.n_links && r == 0; i++) {
        const struct net_link *l = &scan.links[i];

        if (l->ours && (r = move(&from->nl, l->index, l->name, &target, err)) < 0)
            (void)err_wrap(err, "move tap '%s'", l->name);
    }
    return r < 0 ? err_in_phase(err, PHASE_NETWORK) : 0;
}
