/* SPDX-License-Identifier: Apache-2.0 */
/* At a start and later: every interface of the namespace has a NIC, and the guest knows it. */
#include <errno.h>
#include <linux/if_arp.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/timing.h"
#include "cli/creation/choice.h"
#include "cli/lifecycle.h"
#include "cli/network/nics.h"

#define SEQ_NETWORK 1

/* What is carried where, and what the guest is told. */
struct carrying {
    struct net_ns ns;
    struct net_scan scan;
    struct network_nics nics;
};

static void carrying_done(struct carrying *c)
{
    net_ns_close(&c->ns);
    net_scan_done(&c->scan);
    network_nics_done(&c->nics);
}

static bool is_loopback(const struct carrying *c, const struct net_nic *nic)
{
    const struct net_link *l = net_scan_find(&c->scan, nic->name);

    return l && l->type == ARPHRD_LOOPBACK;
}

static bool is_taken(const struct carrying *c, unsigned number)
{
    for (size_t i = 0; i < c->scan.n_links; i++)
        if (c->scan.links[i].nic == (int)number)
            return true;
    return false;
}

static unsigned free_number(const struct carrying *c)
{
    unsigned number = 0;

    while (number < NET_NICS_MAX && is_taken(c, number))
        number++;
    return number;
}

/* Taps go along with the request for their NICs. */
static int ask(const struct cli *cli, const struct container *of, const struct carrying *c,
               uint32_t step, const struct wbuf *network, struct ipc_reply *ret, struct err *err)
{
    cleanup_call(wbuf_done) struct wbuf body = {0};
    cleanup_fd int sock = container_connect(cli, of, err);
    const struct ipc_network m = {
        .id = of->state.id,
        .network = network ? network->data : NULL,
        .network_len = network ? network->len : 0,
        .nics = c->nics.v,
        .n_nics = c->nics.n,
        .step = step,
    };
    int r;

    if (sock < 0)
        return sock;
    ipc_network_put(&body, &m);
    if ((network && !wbuf_ok(network)) || body.len > FRAME_BODY_MAX)
        return err_set_phase(err, PHASE_NETWORK, E2BIG,
                             "the network namespace has more routes than the %u bytes that a guest "
                             "can be told",
                             FRAME_BODY_MAX);
    r = ipc_send(sock, IPC_NETWORK, SEQ_NETWORK, &body, c->nics.fds, c->nics.n_fds, err);
    return r < 0 ? r : ipc_wait(sock, SEQ_NETWORK, deadline_in_ms(CLI_REQUEST_MS), ret, err);
}

static int take_hostifs(const struct cli *cli, const struct container *of, struct carrying *c,
                        const struct ipc_reply *reply, struct err *err)
{
    cleanup_call(choice_done) struct choice choice = {0};
    int r;

    if (reply->body_len == 0)
        return 0;
    r = choice_load(cli, &choice, err);
    return r < 0
               ? r
               : network_take_hostifs(&c->ns, &c->nics,
                                      choice_makes_hostifs(cli, &choice, of->state.descriptor_file),
                                      reply, err);
}

/* What was attached for a NIC that the VM does not have. One that is late may come yet. */
static void give_back(struct carrying *c, int number, const char *owner, int why)
{
    struct err err = ERR_INIT;

    if (why != -ETIMEDOUT && net_give_back(&c->ns, number, owner, &err) < 0)
        log_warn("%s, ignoring", err.msg);
}

/* A NIC for the new tap, or with an interface of the VMM's own in place of that. */
static int plug(const struct cli *cli, const struct container *of, const struct network_wish *wish,
                unsigned number, struct carrying *c, struct err *err)
{
    cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
    int r = fault_point("cli.nics-plug") < 0 ? err_set(err, EIO, "fault cli.nics-plug")
                                             : ask(cli, of, c, IPC_NETWORK_PLUG, NULL, &reply, err);

    network_nics_sent(&c->nics);
    if (r < 0)
        give_back(c, (int)number, wish->owner, r);
    if (r == 0 && fault_point("cli.nics-plugged") < 0)
        r = err_set(err, EIO, "fault cli.nics-plugged");
    if (r == 0)
        r = take_hostifs(cli, of, c, &reply, err);
    network_nics_done(&c->nics);
    if (r < 0)
        return r;
    net_scan_done(&c->scan);
    return net_scan(&c->ns, &c->scan, err);
}

static size_t spare_taps(const struct carrying *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->scan.n_links; i++)
        n += net_scan_is_free(&c->scan, &c->scan.links[i]);
    return n;
}

/* An interface that nothing carries and that no spare tap is left for; NULL = none. */
static int find_missing(const struct carrying *c, const struct network_wish *wish,
                        const struct net_link **ret, struct err *err)
{
    size_t spare = spare_taps(c);

    for (size_t i = 0; i < c->scan.n_links; i++) {
        const struct net_link *l = &c->scan.links[i];
        int way;

        if (!net_link_usable(l) || net_scan_tap(&c->scan, l->name))
            continue;
        if ((way = net_way_of(l, wish->attach, err)) < 0)
            return way;
        if (way != NET_REDIRECT || spare == 0)
            return *ret = l, 0;
        spare--;
    }
    return *ret = NULL, 0;
}

static int add_nic(const struct cli *cli, const struct container *of,
                   const struct network_wish *wish, const struct net_link *on, struct carrying *c,
                   struct err *err)
{
    unsigned number = free_number(c);
    int r;

    if (number == NET_NICS_MAX)
        return err_set_phase(err, PHASE_NETWORK, ENOSPC,
                             "a VM has at most %d NICs, which are fewer than the interfaces",
                             NET_NICS_MAX);
    if ((r = network_add_nic(&c->ns, wish, on, number, &c->nics, err)) < 0 ||
        (r = plug(cli, of, wish, number, c, err)) < 0)
        return r;
    return is_taken(c, number) ? 0
                               : err_set_phase(err, PHASE_NETWORK, EAGAIN,
                                               "NIC %u went meanwhile: try again", number);
}

/* For the interfaces that nothing carries yet, one by one: whichever fails is given back. */
static int add_missing_nics(const struct cli *cli, const struct container *of, struct carrying *c,
                            struct err *err)
{
    const struct net_link *on = NULL;
    struct network_wish wish;
    int r;

    network_wish_of(&of->state, &wish);
    while ((r = find_missing(c, &wish, &on, err)) == 0 && on)
        if ((r = add_nic(cli, of, &wish, on, c, err)) < 0)
            break;
    return r;
}

static int connect_nic(struct carrying *c, struct net_nic *nic, struct err *err)
{
    const struct net_link *l = net_scan_find(&c->scan, nic->name);
    struct net_link *tap = net_scan_tap(&c->scan, nic->name);
    uint8_t mac[6];

    if (!tap)
        tap = net_scan_free_tap(&c->scan);
    if (!l || !tap)
        return err_set_phase(err, PHASE_NETWORK, EAGAIN,
                             "network interface '%s' came or went meanwhile: try again", nic->name);
    network_device_mac((unsigned)tap->nic, mac);
    nic->device = xcalloc(1, NET_MAC_TEXT);
    net_mac_text(mac, nic->device);
    return net_connect(&c->ns, l, tap, err);
}

static int connect_all(struct carrying *c, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < c->scan.network.n_nics && r == 0; i++)
        if (!is_loopback(c, &c->scan.network.nics[i]))
            r = connect_nic(c, &c->scan.network.nics[i], err);
    return r;
}

static void list_nics(struct carrying *c)
{
    for (size_t i = 0; i < c->scan.n_links; i++) {
        const struct net_link *l = &c->scan.links[i];

        if (l->nic >= 0)
            (void)network_list_nic(&c->nics, (unsigned)l->nic,
                                   net_scan_carries(&c->scan, l) ? 0 : IPC_NIC_DOWN);
    }
}

static int tell_guest(const struct cli *cli, const struct container *of, struct carrying *c,
                      struct err *err)
{
    cleanup_call(wbuf_done) struct wbuf network = {0};
    int r;

    list_nics(c);
    msg_network_put(&network, &c->scan.network);
    r = ask(cli, of, c, IPC_NETWORK_GUEST, &network, NULL, err);
    return r < 0 ? r : ask(cli, of, c, IPC_NETWORK_CARRIERS, NULL, NULL, err);
}

/* A back-end without NICs, or an agent of before there were any: nobody has what create attached.
 */
static void warn_of_none(struct carrying *c, const struct state *s, const struct err *why)
{
    struct network_wish wish;

    network_wish_of(s, &wish);
    for (size_t i = 0; i < c->scan.network.n_nics; i++)
        if (!is_loopback(c, &c->scan.network.nics[i]))
            log_warn("network interface '%s': %s, so the guest has only lo, ignoring",
                     c->scan.network.nics[i].name, why->msg);
    give_back(c, NET_NIC_ANY, wish.owner, 0);
}

/* A tap is a NIC of the guest, which must not see even one that carries nothing. */
static bool nothing_to_do(const struct carrying *c)
{
    for (size_t i = 0; i < c->scan.n_links; i++)
        if (c->scan.links[i].nic >= 0)
            return false;
    return c->scan.network.n_nics == 0;
}

int network_carry(const struct cli *cli, const struct container *of, struct err *err)
{
    cleanup_call(carrying_done) struct carrying c = {.ns = NET_NS_INIT};
    cleanup_free char *path = network_ns_of(of->state.proxy.pid);
    int r;

    if ((r = net_ns_open(path, &c.ns, err)) < 0 || (r = net_scan(&c.ns, &c.scan, err)) < 0)
        return r;
    for (size_t i = 0; i < c.scan.left_out.n; i++)
        log_warn("%s, ignoring", c.scan.left_out.v[i]);
    if (nothing_to_do(&c))
        return fault_point("cli.network") < 0 ? err_set(err, EIO, "fault cli.network") : 0;
    if ((r = add_missing_nics(cli, of, &c, err)) == 0 && (r = connect_all(&c, err)) == 0)
        r = fault_point("cli.network") < 0 ? err_set(err, EIO, "fault cli.network")
                                           : tell_guest(cli, of, &c, err);
    if (r != -ENOSYS)
        return r;
    warn_of_none(&c, &of->state, err);
    return 0;
}
