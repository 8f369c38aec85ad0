/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NICs of the VM, and the guest's network once it runs, in two steps: NICs are plugged and the
 * agent makes its interfaces; then they get their carriers. In this order the guest notices them at
 * once, in the other within a second.
 */
#include <errno.h>
#include <linux/if_tun.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include "base/cleanup.h"
#include "monitor/monitor.h"
#include "monitor/nics.h"
#include "proto/network.h"

#define PLUG_TIMEOUT_MS 20000

bool nics_on_taps(const struct hvp_caps *caps)
{
    return caps->flags & HVP_CAP_NIC_FD;
}

bool nics_have_links(const struct hvp_caps *caps)
{
    return caps->update & 1u << HVP_DEV_NIC;
}

void nic_device_init(struct hvp_nic *ret, const struct ipc_nic *n, const int *fds)
{
    *ret = (struct hvp_nic){
        .d = {.struct_size = sizeof(*ret), .kind = HVP_DEV_NIC, .tag = n->tag},
        .tap_fds = fds,
        .queues = n->queues,
    };
    memcpy(ret->mac, n->mac, sizeof(ret->mac));
}

/* One request; the container may be gone when the worker is done with it. */
struct network_job {
    struct job job; /* first: the worker's handle */
    struct monitor *m;
    struct ipc_network msg;
    struct reply_to to;
    int *fds;
    size_t n_fds;
    struct ipc_hostifs hostifs;
    struct err err;
};

static void close_taps(struct network_job *n)
{
    for (size_t i = 0; i < n->n_fds; i++)
        close_fd(&n->fds[i]);
    n->n_fds = 0;
}

static void free_job(struct network_job *n)
{
    close_taps(n);
    free(n->fds);
    ipc_hostifs_done(&n->hostifs);
    ipc_network_done(&n->msg);
    free(n);
}

static int add_name(struct plugin_vm *vm, const char *tag, struct ipc_hostifs *to, struct err *err)
{
    char name[HVP_ADDR_MAX];
    int r = plugin_nic_hostif(vm, tag, name, err);

    if (r == 0)
        kvs_add(&to->v, tag, name);
    return r;
}

int network_names(struct boot *b)
{
    const struct hvp_caps *caps = plugin_caps(b->plugin);
    int r = 0;

    for (size_t i = 0; i < b->spec->n_nics && r == 0; i++)
        if (plugin_nics_hostif(caps))
            r = add_name(b->vm, b->spec->nics[i].tag, &b->hostifs, &b->err);
    return r;
}

/* New ones come without carrier where that can be. */
static int plug(struct network_job *n, const struct ipc_nic *nic, const int *fds)
{
    const struct hvp_caps *caps = plugin_caps(n->m->boot.plugin);
    struct plugin_vm *vm = n->m->boot.vm;
    struct hvp_nic dev;
    int r;

    /* It may be of a request whose CLI was killed before it had heard of it. */
    if (!nics_on_taps(caps) && add_name(vm, nic->tag, &n->hostifs, NULL) == 0)
        return 0;
    nic_device_init(&dev, nic, nics_on_taps(caps) ? fds : NULL);
    if (nics_have_links(caps))
        dev.d.flags = HVP_F_LINK_DOWN;
    r = plugin_device_attach(vm, &dev.d, PLUG_TIMEOUT_MS, &n->err);
    return r < 0 || nics_on_taps(caps) ? r : add_name(vm, nic->tag, &n->hostifs, &n->err);
}

static int plug_all(struct network_job *n)
{
    const int *fds = n->fds;
    int r = 0;

    for (size_t i = 0; i < n->msg.n_nics && r == 0; i++) {
        const struct ipc_nic *nic = &n->msg.nics[i];

        r = plug(n, nic, fds);
        fds += nic->queues;
    }
    return r;
}

static int switch_all(struct network_job *n)
{
    int r = 0;

    if (!nics_have_links(plugin_caps(n->m->boot.plugin)))
        return 0;
    for (size_t i = 0; i < n->msg.n_nics && r == 0; i++) {
        const struct ipc_nic *nic = &n->msg.nics[i];
        struct hvp_nic dev;

        nic_device_init(&dev, nic, NULL);
        dev.d.flags = nic->flags & IPC_NIC_DOWN ? HVP_F_LINK_DOWN : 0;
        r = plugin_device_update(n->m->boot.vm, &dev.d, PLUG_TIMEOUT_MS, &n->err);
    }
    return r;
}

static void network_run(struct job *j)
{
    struct network_job *n = (struct network_job *)j;

    if (!n->m->boot.vm)
        (void)err_set_phase(&n->err, PHASE_VMM, ESHUTDOWN, "the VM is gone");
    else if (!plugin_nics(plugin_caps(n->m->boot.plugin)))
        (void)err_set_phase(&n->err, PHASE_NETWORK, ENOSYS, "back-end '%s' has no NICs",
                            n->m->spec.descriptor);
    else if (n->msg.step == IPC_NETWORK_CARRIERS)
        (void)switch_all(n);
    else if (n->msg.step == IPC_NETWORK_PLUG)
        (void)plug_all(n);
}

/* What the guest sends before it has noticed its carriers is lost. */
static void ask_for_carriers(const struct ipc_network *msg, struct wbuf *ret)
{
    struct msg_network m = {.carriers = 1};

    m.nics = xcalloc(msg->n_nics + 1, sizeof(*m.nics));
    for (size_t i = 0; i < msg->n_nics; i++) {
        char mac[NET_MAC_TEXT];

        net_mac_text(msg->nics[i].mac, mac);
        if (!(msg->nics[i].flags & IPC_NIC_DOWN))
            m.nics[m.n_nics++] =
                (struct net_nic){.device = xstrdup(mac), .name = xstrdup(msg->nics[i].tag)};
    }
    msg_network_put(ret, &m);
    msg_network_done(&m);
}

static void on_network(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    reply_agent(p->c->m, to, reply, PHASE_NETWORK);
}

void network_reply(struct monitor *m, struct reply_to *to, const struct ipc_hostifs *hostifs)
{
    struct wbuf body = {0};

    ipc_hostifs_put(&body, hostifs);
    reply_ok(m, to, body.data, body.len);
    wbuf_done(&body);
}

static int ask_agent(struct network_job *n)
{
    bool carriers = n->msg.step == IPC_NETWORK_CARRIERS;
    struct container *c = container_find(n->m, n->msg.id);
    struct wbuf links = {0}, network = {.data = n->msg.network, .len = n->msg.network_len};
    int r;

    if (!c)
        return err_set(&n->err, ENOENT, "the sandbox has no such container");
    if (carriers)
        ask_for_carriers(&n->msg, &links);
    r = agent_call(c->processes, FRAME_NETWORK, carriers ? &links : &network, on_network, n->to,
                   &n->err);
    wbuf_done(&links);
    return r;
}

static bool is_nothing(const struct ipc_network *msg)
{
    cleanup_call(wbuf_done) struct wbuf none = {0};

    if (msg->step == IPC_NETWORK_PLUG)
        return false;
    for (size_t i = 0; i < msg->n_nics; i++)
        if (!(msg->nics[i].flags & IPC_NIC_DOWN))
            return false;
    if (msg->step == IPC_NETWORK_CARRIERS)
        return true;
    msg_network_put(&none, &(struct msg_network){0});
    return msg->network_len == none.len && memcmp(msg->network, none.data, none.len) == 0;
}

/* Both steps have been done for a guest without a network, in which nobody has run since. */
static bool is_as_asked(const struct monitor *m, const struct ipc_network *msg)
{
    return m->no_network == NO_NETWORK_DONE && is_nothing(msg);
}

static void note_network(struct network_job *n)
{
    if (n->err.code || !is_nothing(&n->msg))
        n->m->no_network = NO_NETWORK_UNKNOWN;
    else if (n->msg.step == IPC_NETWORK_GUEST)
        n->m->no_network = NO_NETWORK_TOLD;
    else if (n->m->no_network == NO_NETWORK_TOLD)
        n->m->no_network = NO_NETWORK_DONE;
}

/* The names of taps that are of no use are free before the reply: interfaces may get them. */
static void network_done(struct job *j)
{
    struct network_job *n = (struct network_job *)j;

    close_taps(n);
    note_network(n);
    if (!n->err.code && n->msg.step == IPC_NETWORK_PLUG)
        network_reply(n->m, &n->to, &n->hostifs);
    else if (n->err.code || ask_agent(n) < 0)
        reply_err(n->m, &n->to, &n->err);
    free_job(n);
}

void network_change(struct conn *conn, uint32_t seq, struct ipc_network *msg)
{
    struct network_job *n;
    struct monitor *m = conn->m;

    if (is_as_asked(m, msg)) {
        reply_ok(m, &(struct reply_to){conn->number, seq}, NULL, 0);
        ipc_network_done(msg);
        return;
    }
    n = xcalloc(1, sizeof(*n));
    *n = (struct network_job){.job = {.run = network_run, .done = network_done},
                              .m = m,
                              .msg = *msg,
                              .to = {conn->number, seq},
                              .fds = xmemdup(conn->fds, conn->n_fds * sizeof(*n->fds)),
                              .n_fds = conn->n_fds,
                              .err = ERR_INIT};
    *msg = (struct ipc_network){0};
    conn->n_fds = 0;
    if (m->phase != MON_READY)
        err_set(&n->err, EAGAIN, "the sandbox is not ready");
    else if (ipc_nic_fds(n->msg.nics, n->msg.n_nics) != n->n_fds)
        err_set(&n->err, EPROTO, "%zu descriptors came for the NICs", n->n_fds);
    if (n->err.code) {
        reply_err(m, &n->to, &n->err);
        free_job(n);
        return;
    }
    worker_push(&m->worker, &n->job);
}

void network_take_taps(struct monitor *m, int *fds, size_t n)
{
    m->tap_fds = xmemdup(fds, n * sizeof(*fds));
    m->n_taps = n;
    for (size_t i = 0; i < n; i++)
        fds[i] = -1;
}

/*
 * To remove a tap is to wait for a grace period of RCU, 10 to 20 ms, and its last descriptor, which
 * a dying VMM closes, removes it. One that persists goes with its namespace, for which nobody
 * waits: so it may, where that one ends now.
 */
void network_leave_taps(const struct boot *b)
{
    for (size_t i = 0; i < b->n_taps; i++)
        (void)ioctl(b->tap_fds[i], TUNSETPERSIST, 1);
}

/* The VM has its own copies, or none. Names of taps that are of no use are free at once: interfaces
 * of the VMM may get them. */
void network_booted(struct monitor *m)
{
    bool may_leave = m->spec.own_network || m->spec.keep;

    if (m->boot.err.code || !may_leave || !nics_on_taps(plugin_caps(m->boot.plugin)))
        network_drop_taps(&m->boot);
}

void network_drop_taps(struct boot *b)
{
    for (size_t i = 0; i < b->n_taps; i++)
        close_fd(&b->tap_fds[i]);
    free(steal_ptr(&b->tap_fds));
    b->n_taps = 0;
}
