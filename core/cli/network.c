/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/network.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_arp.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/timing.h"
#include "cli/lifecycle.h"
#include "net/net.h"

#define SEQ_NETWORK 1
#define QUEUES_MAX 4 /* each costs the guest memory */
#define TAG "net"    /* and its number: of a NIC */
/* Of every VM, so that a template's NIC fits each clone: what it carries has the MAC that counts.
 */
#define DEVICE_MAC "\x02\x61\x76\x00\x00"

int network_check(const struct oci_spec *spec, struct err *err)
{
    const struct oci_namespace *ns = &spec->linux_.ns[OCI_NS_NETWORK];

    if (ns->listed && (!ns->path || (net_ns_same(ns->path, NULL) <= 0 &&
                                     net_ns_same(ns->path, "/proc/1/ns/net") <= 0)))
        return 0;
    return err_set_phase(err, PHASE_NETWORK, ENOTSUP,
                         "the host's network namespace cannot be shared with a VM: give the "
                         "container a network namespace of its own");
}

void network_nics_done(struct network_nics *n)
{
    for (size_t i = 0; i < n->n_fds; i++)
        close_fd(&n->fds[i]);
    for (size_t i = 0; i < n->n; i++)
        free(n->v[i].tag);
    free(n->fds);
    free(n->v);
    *n = (struct network_nics){0};
}

static unsigned queues_for(unsigned vcpus)
{
    return MIN(MAX(vcpus, 1u), (unsigned)QUEUES_MAX);
}

static struct ipc_nic *add_nic(struct network_nics *n, unsigned number, uint32_t flags)
{
    struct ipc_nic *nic;

    n->v = xreallocarray(n->v, n->n + 1, sizeof(*n->v));
    nic = &n->v[n->n++];
    *nic = (struct ipc_nic){.tag = xasprintf(TAG "%u", number), .flags = flags};
    memcpy(nic->mac, DEVICE_MAC, sizeof(nic->mac) - 1);
    nic->mac[5] = (uint8_t)number;
    return nic;
}

static int add_tap(struct net_ns *ns, unsigned number, unsigned queues, struct network_nics *n,
                   struct err *err)
{
    int fds[NET_QUEUES_MAX];
    int r = net_tap_make(ns, number, queues, fds, err);

    if (r < 0)
        return r;
    n->fds = xreallocarray(n->fds, n->n_fds + queues, sizeof(*n->fds));
    memcpy(n->fds + n->n_fds, fds, queues * sizeof(*fds));
    n->n_fds += queues;
    add_nic(n, number, IPC_NIC_NEW)->queues = queues;
    return 0;
}

static char *ns_of_process(pid_t pid)
{
    return xasprintf("/proc/%d/ns/net", (int)pid);
}

int network_prepare(pid_t pid, unsigned vcpus, unsigned max, struct network_nics *ret,
                    struct err *err)
{
    cleanup_call(net_ns_close) struct net_ns ns = NET_NS_INIT;
    cleanup_free char *path = ns_of_process(pid);
    unsigned n = (unsigned)MIN(MAX(net_count(path), (size_t)1), (size_t)max);
    int r = net_ns_open(path, &ns, err);

    for (unsigned i = 0; i < n && r == 0; i++)
        r = add_tap(&ns, i, queues_for(vcpus), ret, err);
    if (r == 0 && fault_point("cli.taps") < 0)
        r = err_set(err, EIO, "fault cli.taps");
    if (r < 0 && r != -EBUSY && r != -EIO) {
        log_debug("%s, ignoring until the network is started", err->msg);
        network_nics_done(ret);
        r = 0;
    }
    return r;
}

static int adopt(struct net_ns *ns, const struct ipc_hostifs *m, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < m->v.n && r == 0; i++) {
        uint64_t number;

        if (!str_starts_with(m->v.v[i].key, TAG) ||
            str_to_u64(m->v.v[i].key + strlen(TAG), 0, NET_NICS_MAX - 1, &number) < 0)
            return err_set(err, EPROTO, "'%s' is no NIC of ours", m->v.v[i].key);
        r = net_tap_adopt(ns, (unsigned)number, m->v.v[i].value, err);
    }
    return r;
}

static int adopt_answered(struct net_ns *ns, const struct ipc_reply *reply, struct err *err)
{
    cleanup_call(ipc_hostifs_done) struct ipc_hostifs m = {0};

    if (ipc_hostifs_get(wire_over(reply->body, reply->body_len), &m) < 0)
        return err_set(err, EPROTO, "malformed names of interfaces");
    return adopt(ns, &m, err);
}

/* Where there is none the namespace may be gone, with a container that could not be made. */
int network_adopt(pid_t pid, const struct ipc_reply *reply, struct err *err)
{
    cleanup_call(ipc_hostifs_done) struct ipc_hostifs m = {0};
    cleanup_call(net_ns_close) struct net_ns ns = NET_NS_INIT;
    cleanup_free char *path = ns_of_process(pid);
    int r;

    if (ipc_hostifs_get(wire_over(reply->body, reply->body_len), &m) == 0 && m.v.n == 0)
        return 0;
    r = net_ns_open(path, &ns, err);
    return r < 0 ? r : adopt_answered(&ns, reply, err);
}

int network_prepare_alone(unsigned vcpus, unsigned max, struct network_nics *ret, struct err *err)
{
    cleanup_fd int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int r;

    if (own < 0 || unshare(CLONE_NEWNET) < 0)
        return err_set(err, errno, "make a network namespace: %m");
    r = network_prepare(getpid(), vcpus, max, ret, err);
    if (setns(own, CLONE_NEWNET) < 0)
        return err_set(err, errno, "return to the network namespace: %m");
    return r;
}

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

static bool is_new(const struct carrying *c, const char *tag)
{
    for (size_t i = 0; i < c->nics.n; i++)
        if (strcmp(c->nics.v[i].tag, tag) == 0)
            return true;
    return false;
}

static unsigned free_number(const struct carrying *c)
{
    for (unsigned number = 0; number < NET_NICS_MAX; number++) {
        cleanup_free char *name = xasprintf(NET_TAP "%u", number);
        cleanup_free char *tag = xasprintf(TAG "%u", number);

        if (!net_scan_find(&c->scan, name) && !is_new(c, tag))
            return number;
    }
    return NET_NICS_MAX;
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

/* NICs for the new taps, or with interfaces of the VMM's own in place of these. */
static int plug(const struct cli *cli, const struct container *of, struct carrying *c,
                struct err *err)
{
    cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
    int r = ask(cli, of, c, IPC_NETWORK_PLUG, NULL, &reply, err);

    network_nics_done(&c->nics);
    if (r == 0 && fault_point("cli.nics-plugged") < 0)
        r = err_set(err, EIO, "fault cli.nics-plugged");
    if (r == 0)
        r = adopt_answered(&c->ns, &reply, err);
    if (r < 0)
        return r;
    net_scan_done(&c->scan);
    return net_scan(&c->ns, &c->scan, err);
}

/* As many as there are interfaces that no tap can take. */
static int add_missing_nics(const struct cli *cli, const struct container *of, struct carrying *c,
                            struct err *err)
{
    size_t want = 0, have = 0;
    int r = 0;

    for (size_t i = 0; i < c->scan.network.n_nics; i++)
        want += !is_loopback(c, &c->scan.network.nics[i]);
    for (size_t i = 0; i < c->scan.n_links; i++)
        have += net_tap_number(c->scan.links[i].name) >= 0;
    for (; have < want && r == 0; have++) {
        unsigned number = free_number(c);

        if (number == NET_NICS_MAX)
            return err_set_phase(err, PHASE_NETWORK, ENOSPC,
                                 "a VM has at most %d NICs, which are fewer than the interfaces",
                                 NET_NICS_MAX);
        r = add_tap(&c->ns, number, queues_for(of->state.vm_vcpus), &c->nics, err);
    }
    return r < 0 || c->nics.n == 0 ? r : plug(cli, of, c, err);
}

static int connect_nic(struct carrying *c, struct net_nic *nic, struct err *err)
{
    const struct net_link *l = net_scan_find(&c->scan, nic->name);
    struct net_link *tap = net_scan_tap(&c->scan, nic->name);
    uint8_t mac[6] = DEVICE_MAC;

    if (!tap)
        tap = net_scan_free_tap(&c->scan);
    if (!l || !tap)
        return err_set_phase(err, PHASE_NETWORK, EAGAIN,
                             "network interface '%s' came or went meanwhile: try again", nic->name);
    mac[5] = (uint8_t)net_tap_number(tap->name);
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
        int number = net_tap_number(l->name);

        if (number >= 0)
            (void)add_nic(&c->nics, (unsigned)number,
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

/* A back-end without NICs, or an agent of before there were any. */
static void warn_of_none(const struct carrying *c, const struct err *why)
{
    for (size_t i = 0; i < c->scan.network.n_nics; i++)
        if (!is_loopback(c, &c->scan.network.nics[i]))
            log_warn("network interface '%s': %s, so the guest has only lo, ignoring",
                     c->scan.network.nics[i].name, why->msg);
}

/* A tap is a NIC of the guest, which must not see even one that carries nothing. */
static bool nothing_to_do(const struct carrying *c)
{
    for (size_t i = 0; i < c->scan.n_links; i++)
        if (net_tap_number(c->scan.links[i].name) >= 0)
            return false;
    return c->scan.network.n_nics == 0;
}

int network_carry(const struct cli *cli, const struct container *of, struct err *err)
{
    cleanup_call(carrying_done) struct carrying c = {.ns = NET_NS_INIT};
    cleanup_free char *path = ns_of_process(of->state.proxy.pid);
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
    warn_of_none(&c, err);
    (void)net_disconnect(&c.ns, &c.scan, NULL);
    return 0;
}

/* One that came with the container is gone with its last process. */
void network_release(const struct container *c)
{
    cleanup_call(net_ns_close) struct net_ns ns = NET_NS_INIT;
    struct net_scan scan = {0};
    struct oci_spec *spec = NULL;
    struct err err = ERR_INIT;
    const char *path;

    if (container_spec(c, &spec, NULL) < 0)
        return;
    path = spec->linux_.ns[OCI_NS_NETWORK].path;
    if (path && net_ns_same(path, NULL) == 0 && net_ns_open(path, &ns, NULL) == 0 &&
        (net_scan(&ns, &scan, &err) < 0 || net_disconnect(&ns, &scan, &err) < 0))
        log_warn("%s, ignoring", err.msg);
    net_scan_done(&scan);
    oci_spec_free(spec);
}
