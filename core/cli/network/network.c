/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/network/network.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "cli/lifecycle.h"
#include "cli/network/nics.h"
#include "cli/network/ovs.h"

#define QUEUES_MAX 4 /* each costs the guest memory */

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

bool network_is_own(const struct oci_spec *spec)
{
    const struct oci_namespace *ns = &spec->linux_.ns[OCI_NS_NETWORK];

    return ns->listed && !ns->path;
}

bool network_taps_end(const struct oci_spec *spec, const struct strv *attach)
{
    char bridge[NET_NAME_MAX + 1], port[NET_PORT_MAX + 1];

    return network_is_own(spec) && !net_bridge_of(attach, bridge, port);
}

static const char *owner_of(const struct state *s)
{
    const char *name = s->run_dir ? strrchr(s->run_dir, '/') : NULL;

    return name ? name + 1 : "";
}

void network_wish_of(const struct state *s, struct network_wish *ret)
{
    *ret = (struct network_wish){&s->attach, s->vm_vcpus, NET_NICS_MAX, owner_of(s)};
}

void network_nics_sent(struct network_nics *n)
{
    for (size_t i = 0; i < n->n_fds; i++)
        close_fd(&n->fds[i]);
    n->n_fds = 0;
}

void network_nics_done(struct network_nics *n)
{
    network_nics_sent(n);
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

void network_device_mac(unsigned number, uint8_t ret[6])
{
    memcpy(ret, "\x02\x61\x76\x00\x00", 5);
    ret[5] = (uint8_t)number;
}

struct ipc_nic *network_list_nic(struct network_nics *n, unsigned number, uint32_t flags)
{
    struct ipc_nic *nic;

    n->v = xreallocarray(n->v, n->n + 1, sizeof(*n->v));
    nic = &n->v[n->n++];
    *nic = (struct ipc_nic){.tag = xasprintf(NETWORK_TAG "%u", number), .flags = flags};
    network_device_mac(number, nic->mac);
    return nic;
}

/* What the kernel does not know of is a bridge of Open vSwitch. */
static int add_bridged(struct net_ns *ns, const struct network_wish *wish,
                       const struct net_link *on, unsigned number, unsigned queues, int *fds,
                       struct err *err)
{
    char bridge[NET_NAME_MAX + 1], port[NET_PORT_MAX + 1], tap[NET_NAME_MAX + 1];
    bool foreign = false;
    int r;

    (void)net_bridge_of(wish->attach, bridge, port);
    r = net_bridge_attach(ns, on, bridge, number, wish->owner, queues, fds, &foreign, err);
    if (r < 0 || !foreign)
        return r;
    net_bridge_tap(wish->owner, number, tap);
    if ((r = ovs_add_port(bridge, tap, on->mac, number == 0 ? port : "", err)) < 0) {
        for (unsigned i = 0; i < queues; i++)
            close_fd(&fds[i]);
        (void)net_give_back(ns, (int)number, wish->owner, NULL);
    }
    return r;
}

int network_add_nic(struct net_ns *ns, const struct network_wish *wish, const struct net_link *on,
                    unsigned number, struct network_nics *n, struct err *err)
{
    unsigned queues = queues_for(wish->vcpus);
    int fds[NET_QUEUES_MAX], r = on ? net_way_of(on, wish->attach, err) : NET_REDIRECT;

    if (r == NET_BRIDGE)
        r = add_bridged(ns, wish, on, number, queues, fds, err);
    else if (r >= 0)
        r = r == NET_REDIRECT
                ? net_tap_make(ns, number, queues, fds, err)
                : net_tap_attach(ns, on, (enum net_way)r, number, wish->owner, queues, fds, err);
    if (r < 0)
        return r;
    n->fds = xreallocarray(n->fds, n->n_fds + queues, sizeof(*n->fds));
    memcpy(n->fds + n->n_fds, fds, queues * sizeof(*fds));
    n->n_fds += queues;
    network_list_nic(n, number, IPC_NIC_NEW)->queues = queues;
    return 0;
}

char *network_ns_of(pid_t pid)
{
    return xasprintf("/proc/%d/ns/net", (int)pid);
}

/* A spare one is for whatever comes, which only a redirect can do. */
static int add_cold_nics(struct net_ns *ns, const struct network_wish *wish,
                         struct network_nics *ret, struct err *err)
{
    bool spare = strcmp(wish->attach->v[0], net_way_names[NET_REDIRECT]) == 0;
    struct net_scan scan = {0};
    int r = net_scan(ns, &scan, err);

    for (size_t i = 0; i < scan.n_links && ret->n < wish->max && r == 0; i++)
        if (net_link_usable(&scan.links[i]))
            r = network_add_nic(ns, wish, &scan.links[i], (unsigned)ret->n, ret, err);
    if (r == 0 && ret->n == 0 && spare)
        r = network_add_nic(ns, wish, NULL, 0, ret, err);
    net_scan_done(&scan);
    return r;
}

/* What an earlier try has made for the same VM, which has not come up with it. */
static int start_over(struct net_ns *ns, const struct network_wish *wish, struct network_nics *n,
                      struct err *err)
{
    bool tried = n->n > 0;

    network_nics_done(n);
    return tried ? net_give_back(ns, NET_NIC_ANY, wish->owner, err) : 0;
}

int network_prepare(pid_t pid, const struct network_wish *wish, struct network_nics *ret,
                    struct err *err)
{
    cleanup_call(net_ns_close) struct net_ns ns = NET_NS_INIT;
    cleanup_free char *path = network_ns_of(pid);
    int r = net_ns_open(path, &ns, err);

    if (r == 0)
        r = start_over(&ns, wish, ret, err);
    if (r == 0)
        r = net_taps_left(&ns, err);
    if (r == 0)
        r = add_cold_nics(&ns, wish, ret, err);
    if (r == 0 && fault_point("cli.taps") < 0)
        r = err_set(err, EIO, "fault cli.taps");
    if (r < 0 && r != -EBUSY && r != -EIO && r != -ENOTSUP) {
        log_debug("%s, ignoring until the network is started", err->msg);
        r = start_over(&ns, wish, ret, err);
    }
    return r;
}

/* Number of a NIC that was asked for; -1: of none. */
static int asked_number(const struct network_nics *asked, const char *tag)
{
    uint64_t number;

    for (size_t i = 0; i < asked->n; i++)
        if (strcmp(asked->v[i].tag, tag) == 0 &&
            str_to_u64(tag + strlen(NETWORK_TAG), 0, NET_NICS_MAX - 1, &number) == 0)
            return (int)number;
    return -1;
}

/* It is the monitor's word, which has no say on other interfaces than those of its VM. */
int network_take_hostifs(struct net_ns *ns, const struct network_nics *asked, bool hostifs,
                         const struct ipc_reply *reply, struct err *err)
{
    cleanup_call(ipc_hostifs_done) struct ipc_hostifs m = {0};
    int r = 0;

    if (ipc_hostifs_get(wire_over(reply->body, reply->body_len), &m) < 0)
        return err_set_phase(err, PHASE_NETWORK, EPROTO, "malformed names of interfaces");
    if (m.v.n && !hostifs)
        return err_set_phase(err, PHASE_NETWORK, EPROTO,
                             "the monitor names interfaces of the host, which its back-end does "
                             "not make");
    for (size_t i = 0; i < m.v.n && r == 0; i++) {
        int number = asked_number(asked, m.v.v[i].key);

        if (number < 0)
            return err_set_phase(err, PHASE_NETWORK, EPROTO,
                                 "the monitor names an interface of NIC '%s', which it was not "
                                 "asked for",
                                 m.v.v[i].key);
        r = net_tap_adopt(ns, (unsigned)number, m.v.v[i].value, err);
    }
    return r;
}

int network_adopt(pid_t pid, const struct network_nics *asked, bool hostifs,
                  const struct ipc_reply *reply, struct err *err)
{
    cleanup_call(net_ns_close) struct net_ns ns = NET_NS_INIT;
    cleanup_free char *path = network_ns_of(pid);
    int r = net_ns_open(path, &ns, err);

    return r < 0 ? r : network_take_hostifs(&ns, asked, hostifs, reply, err);
}

int network_prepare_alone(unsigned vcpus, struct network_nics *ret, struct err *err)
{
    char *const redirect = (char *)net_way_names[NET_REDIRECT];
    const struct strv ways = {(char **)&redirect, 1};
    const struct network_wish wish = {&ways, vcpus, 1, ""};
    cleanup_fd int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int r;

    if (own < 0 || unshare(CLONE_NEWNET) < 0)
        return err_set(err, errno, "make a network namespace: %m");
    r = network_prepare(getpid(), &wish, ret, err);
    if (setns(own, CLONE_NEWNET) < 0)
        return err_set(err, errno, "return to the network namespace: %m");
    return r;
}

/* A bridge of the kernel's forgets a tap with the tap. */
static void release_ports(const struct state *s)
{
    char bridge[NET_NAME_MAX + 1], port[NET_PORT_MAX + 1];
    struct err err = ERR_INIT;

    if (net_bridge_of(&s->attach, bridge, port) && net_is_foreign_bridge(bridge) &&
        ovs_remove_ports(owner_of(s), &err) < 0)
        log_warn("%s, ignoring", err.msg);
}

/* One that came with the container is gone with its last process. */
void network_release(const struct container *c)
{
    cleanup_call(net_ns_close) struct net_ns ns = NET_NS_INIT;
    struct net_scan scan = {0};
    struct oci_spec *spec = NULL;
    struct err err = ERR_INIT;
    const char *path;

    release_ports(&c->state);
    if (container_spec(c, &spec, NULL) < 0)
        return;
    path = spec->linux_.ns[OCI_NS_NETWORK].path;
    if (path && net_ns_same(path, NULL) == 0 && net_ns_open(path, &ns, NULL) == 0 &&
        (net_scan(&ns, &scan, &err) < 0 ||
         net_disconnect(&ns, &scan, owner_of(&c->state), &err) < 0))
        log_warn("%s, ignoring", err.msg);
    net_scan_done(&scan);
    oci_spec_free(spec);
}
