/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interface and tap, cross-connected by traffic control: what one gets the other sends. Offloads
 * stay as they are, for the frames are never looked into; the interface keeps its own queueing
 * discipline, so that limits of the engine hold for the guest.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/if.h>
#include <string.h>
#include "base/cleanup.h"
#include "net/internal.h"

/* Of our filters: after those of others, and how they are found again. */
#define OUR_PRIORITY 0xa7u
#define BEFORE_OURS (OUR_PRIORITY - 1)
#define INGRESS TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) /* of both kinds of qdisc there are */

static struct tcmsg *begin(struct netlink_msg *m, uint16_t type, uint16_t flags, uint32_t index)
{
    struct tcmsg *t = netlink_begin(m, type, flags, sizeof(*t));

    t->tcm_ifindex = (int)index;
    return t;
}

/* Somebody else's is fine, too. */
static int add_qdisc(struct net_ns *ns, uint32_t index, struct err *err)
{
    struct netlink_msg m;
    struct tcmsg *t = begin(&m, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index);
    int r;

    t->tcm_parent = TC_H_INGRESS;
    t->tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0);
    netlink_put_str(&m, TCA_KIND, "ingress");
    r = netlink_ask(&ns->nl, &m, err);
    return r == -EEXIST ? 0 : r;
}

static void begin_filter(struct netlink_msg *m, uint16_t type, uint16_t flags, uint32_t index,
                         uint32_t priority)
{
    struct tcmsg *t = begin(m, type, flags, index);

    t->tcm_parent = INGRESS;
    t->tcm_info = TC_H_MAKE(priority << 16, htons(ETH_P_ALL));
}

static void put_redirect(struct netlink_msg *m, uint16_t actions, uint32_t to)
{
    const struct tc_mirred mirred = {
        .action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = to};
    size_t list = netlink_nest(m, actions), first = netlink_nest(m, 1), options;

    netlink_put_str(m, TCA_ACT_KIND, "mirred");
    options = netlink_nest(m, TCA_ACT_OPTIONS);
    netlink_put(m, TCA_MIRRED_PARMS, &mirred, sizeof(mirred));
    netlink_nest_end(m, options);
    netlink_nest_end(m, first);
    netlink_nest_end(m, list);
}

static int add_matchall(struct net_ns *ns, uint32_t from, uint32_t to, struct err *err)
{
    struct netlink_msg m;
    size_t options;

    begin_filter(&m, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, from, OUR_PRIORITY);
    netlink_put_str(&m, TCA_KIND, "matchall");
    options = netlink_nest(&m, TCA_OPTIONS);
    put_redirect(&m, TCA_MATCHALL_ACT, to);
    netlink_nest_end(&m, options);
    return netlink_ask(&ns->nl, &m, err);
}

/* The older way to say "all": a key that compares nothing. */
static int add_u32(struct net_ns *ns, uint32_t from, uint32_t to, struct err *err)
{
    struct {
        struct tc_u32_sel sel;
        struct tc_u32_key key;
    } all = {.sel = {.flags = TC_U32_TERMINAL, .nkeys = 1}};
    struct netlink_msg m;
    size_t options;

    begin_filter(&m, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, from, OUR_PRIORITY);
    netlink_put_str(&m, TCA_KIND, "u32");
    options = netlink_nest(&m, TCA_OPTIONS);
    netlink_put(&m, TCA_U32_SEL, &all, sizeof(all));
    put_redirect(&m, TCA_U32_ACT, to);
    netlink_nest_end(&m, options);
    return netlink_ask(&ns->nl, &m, err);
}

static int remove_filter(struct net_ns *ns, uint32_t index, uint32_t priority)
{
    struct netlink_msg m;

    begin_filter(&m, RTM_DELTFILTER, 0, index, priority);
    return netlink_ask(&ns->nl, &m, NULL);
}

/* < 0: it was not redirected. */
static int remove_filters(struct net_ns *ns, uint32_t index)
{
    (void)remove_filter(ns, index, BEFORE_OURS);
    return remove_filter(ns, index, OUR_PRIORITY);
}

int redirect_add_before(struct net_ns *ns, uint32_t index, int program, struct err *err)
{
    struct netlink_msg m;
    size_t options;

    (void)remove_filter(ns, index, BEFORE_OURS);
    begin_filter(&m, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, index, BEFORE_OURS);
    netlink_put_str(&m, TCA_KIND, "bpf");
    options = netlink_nest(&m, TCA_OPTIONS);
    netlink_put_u32(&m, TCA_BPF_FD, (uint32_t)program);
    netlink_put_str(&m, TCA_BPF_NAME, "anyvisor");
    netlink_put_u32(&m, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
    netlink_nest_end(&m, options);
    return netlink_ask(&ns->nl, &m, err);
}

static int redirect(struct net_ns *ns, uint32_t from, uint32_t to, struct err *err)
{
    int r = add_qdisc(ns, from, err);

    if (r < 0)
        return err_wrap(err, "ingress qdisc");
    (void)remove_filters(ns, from); /* of an earlier VM */
    r = add_matchall(ns, from, to, err);
    if (r == -ENOENT || r == -EOPNOTSUPP) /* a kernel without it */
        r = add_u32(ns, from, to, err);
    return r < 0 ? err_wrap(err, "redirecting filter") : 0;
}

static int prepare_tap(struct net_ns *ns, const struct net_link *link, const struct net_link *tap,
                       struct err *err)
{
    struct netlink_msg m;
    struct ifinfomsg *head = netlink_begin(&m, RTM_NEWLINK, 0, sizeof(*head));

    head->ifi_index = (int)tap->index;
    head->ifi_flags = head->ifi_change = IFF_UP;
    netlink_put_u32(&m, IFLA_MTU, link->mtu);
    if (!*tap->owner)
        netlink_put_str(&m, IFLA_IFALIAS, link->name);
    return netlink_ask(&ns->nl, &m, err);
}

bool redirect_is_between(const struct net_link *tap)
{
    return tap->ours && strcmp(tap->kind, NET_KIND_MACVTAP) != 0;
}

int net_connect(struct net_ns *ns, const struct net_link *link, struct net_link *tap,
                struct err *err)
{
    bool two = redirect_is_between(tap);
    int r = tap->ours ? prepare_tap(ns, link, tap, err) : 0;

    if (r == 0 && two)
        r = redirect(ns, tap->index, link->index, err);
    if (r == 0 && two)
        r = redirect(ns, link->index, tap->index, err);
    if (r == 0) {
        if (tap->ours)
            memcpy(tap->alias, link->name, sizeof(tap->alias));
        return 0;
    }
    err_in_phase(err, PHASE_NETWORK);
    return err_wrap(err, "connect interface '%s' with '%s'", link->name, tap->name);
}

static int count_filter(void *ctx, const struct nlmsghdr *h)
{
    *(size_t *)ctx += h->nlmsg_type == RTM_NEWTFILTER;
    return 0;
}

static void start_over(void *ctx)
{
    *(size_t *)ctx = 0;
}

/* Only what we made can be in our way: another kind, or one with others' filters, stays. */
static int remove_qdisc(struct net_ns *ns, uint32_t index, struct err *err)
{
    size_t n = 0;
    const struct netlink_walk walk = {count_filter, start_over, &n};
    struct netlink_msg m;
    struct tcmsg *t = begin(&m, RTM_GETTFILTER, 0, index);
    int r;

    t->tcm_parent = INGRESS;
    if ((r = netlink_dump(&ns->nl, &m, &walk, err)) < 0 || n > 0)
        return r;
    t = begin(&m, RTM_DELQDISC, 0, index);
    t->tcm_parent = TC_H_INGRESS;
    t->tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0);
    netlink_put_str(&m, TCA_KIND, "ingress");
    r = netlink_ask(&ns->nl, &m, err);
    return r == -EINVAL || r == -ENOENT ? 0 : r;
}

/* Taps are gone with their VM: one that is there is another's. */
static int give_back(struct net_ns *ns, const struct net_scan *scan, const struct net_link *l,
                     const char *owner, struct err *err)
{
    if (l->nic >= 0 && strcmp(l->owner, owner) != 0)
        return 0;
    if (l->ours)
        return strcmp(l->kind, NET_KIND_MACVTAP) == 0 ? link_delete(ns, l->index, err) : 0;
    if (l->nic >= 0)
        return link_set_alias(ns, l->index, "", err);
    if (net_scan_tap(scan, l->name) || remove_filters(ns, l->index) < 0)
        return 0;
    return remove_qdisc(ns, l->index, err);
}

int net_disconnect(struct net_ns *ns, const struct net_scan *scan, const char *owner,
                   struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < scan->n_links && r == 0; i++) {
        const struct net_link *l = &scan->links[i];

        r = give_back(ns, scan, l, owner, err);
        if (r < 0) {
            err_in_phase(err, PHASE_NETWORK);
            return err_wrap(err, "give interface '%s' back", l->name);
        }
    }
    return r;
}

int net_give_back(struct net_ns *ns, int number, const char *owner, struct err *err)
{
    cleanup_call(net_scan_done) struct net_scan scan = {0};
    int r = scan_links(ns, &scan, err);

    for (size_t i = 0; i < scan.n_links && r == 0; i++) {
        const struct net_link *l = &scan.links[i];

        if (l->nic >= 0 && (number == NET_NIC_ANY || l->nic == number))
            r = give_back(ns, &scan, l, owner, err);
    }
    if (r == 0)
        return 0;
    err_in_phase(err, PHASE_NETWORK);
    return err_wrap(err, "give interfaces back");
}
