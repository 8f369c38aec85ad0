/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NICs of the VM, and the guest's network once it runs, in two steps: NICs are plugged and the
 * agent makes its interfaces; then they get their carriers. In this order the guest notices them at
 * once, in the other within a second.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "monitor/monitor.h"
#include "monitor/nics.h"
#include "proto/network.h"

#define PLUG_TIMEOUT_MS 20000

bool nics_possible(const struct hvp_caps *caps)
{
    return caps->coldplug & 1u << HVP_DEV_NIC && caps->flags & HVP_CAP_NIC_FD;
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
    struct err err;
};

static void free_job(struct network_job *n)
{
    for (size_t i = 0; i < n->n_fds; i++)
        close_fd(&n->fds[i]);
    free(n->fds);
    ipc_network_done(&n->msg);
    free(n);
}

/* New ones come without carrier where that can be. */
static int plug(struct network_job *n, const struct ipc_nic *nic, const int *fds)
{
    struct hvp_nic dev;

    nic_device_init(&dev, nic, fds);
    if (nics_have_links(plugin_caps(n->m->boot.plugin)))
        dev.d.flags = HVP_F_LINK_DOWN;
    return plugin_device_attach(n->m->boot.vm, &dev.d, PLUG_TIMEOUT_MS, &n->err);
}

static int plug_all(struct network_job *n)
{
    const int *fds = n->fds;
    int r = 0;

    for (size_t i = 0; i < n->msg.n_nics && r == 0; i++) {
        const struct ipc_nic *nic = &n->msg.nics[i];

        if (!(nic->flags & IPC_NIC_NEW))
            continue;
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
    else if (!nics_possible(plugin_caps(n->m->boot.plugin)))
        (void)err_set_phase(&n->err, PHASE_NETWORK, ENOSYS, "back-end '%s' has no NICs",
                            n->m->spec.descriptor);
    else if (n->msg.carriers)
        (void)switch_all(n);
    else
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

static void network_done(struct job *j)
{
    struct network_job *n = (struct network_job *)j;
    struct container *c = container_find(n->m, n->msg.id);
    struct wbuf carriers = {0}, network = {.data = n->msg.network, .len = n->msg.network_len};

    if (n->msg.carriers)
        ask_for_carriers(&n->msg, &carriers);
    if (!n->err.code && !c)
        err_set(&n->err, ENOENT, "the sandbox has no such container");
    if (n->err.code ||
        agent_call(c->processes, FRAME_NETWORK, n->msg.carriers ? &carriers : &network, on_network,
                   n->to, &n->err) < 0)
        reply_err(n->m, &n->to, &n->err);
    wbuf_done(&carriers);
    free_job(n);
}

void network_change(struct conn *conn, uint32_t seq, struct ipc_network *msg)
{
    struct network_job *n = xcalloc(1, sizeof(*n));
    struct monitor *m = conn->m;

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

void network_drop_taps(struct boot *b)
{
    for (size_t i = 0; i < b->n_taps; i++)
        close_fd(&b->tap_fds[i]);
    free(steal_ptr(&b->tap_fds));
    b->n_taps = 0;
}
