/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NICs of the VM, and the guest's network once it runs: the worker plugs and switches, then the
 * agent is told what the namespace looks like.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "monitor/monitor.h"
#include "monitor/nics.h"

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

static int settle(struct network_job *n, const struct ipc_nic *nic, const int *fds)
{
    struct hvp_nic dev;

    nic_device_init(&dev, nic, nic->flags & IPC_NIC_NEW ? fds : NULL);
    if (nic->flags & IPC_NIC_NEW)
        return plugin_device_attach(n->m->boot.vm, &dev.d, PLUG_TIMEOUT_MS, &n->err);
    if (!nics_have_links(plugin_caps(n->m->boot.plugin)))
        return 0;
    dev.d.flags = nic->flags & IPC_NIC_DOWN ? HVP_F_LINK_DOWN : 0;
    return plugin_device_update(n->m->boot.vm, &dev.d, PLUG_TIMEOUT_MS, &n->err);
}

static void network_run(struct job *j)
{
    struct network_job *n = (struct network_job *)j;
    const int *fds = n->fds;
    int r = 0;

    if (!n->m->boot.vm)
        r = err_set_phase(&n->err, PHASE_VMM, ESHUTDOWN, "the VM is gone");
    else if (!nics_possible(plugin_caps(n->m->boot.plugin)))
        r = err_set_phase(&n->err, PHASE_NETWORK, ENOSYS, "back-end '%s' has no NICs",
                          n->m->spec.descriptor);
    for (size_t i = 0; i < n->msg.n_nics && r == 0; i++) {
        const struct ipc_nic *nic = &n->msg.nics[i];

        r = settle(n, nic, fds);
        fds += nic->flags & IPC_NIC_NEW ? nic->queues : 0;
    }
}

static void on_network(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    reply_agent(p->c->m, to, reply, PHASE_NETWORK);
}

static void network_done(struct job *j)
{
    struct network_job *n = (struct network_job *)j;
    struct container *c = container_find(n->m, n->msg.id);
    struct wbuf body = {.data = n->msg.network, .len = n->msg.network_len};

    if (!n->err.code && !c)
        err_set(&n->err, ENOENT, "the sandbox has no such container");
    if (n->err.code ||
        agent_call(c->processes, FRAME_NETWORK, &body, on_network, n->to, &n->err) < 0)
        reply_err(n->m, &n->to, &n->err);
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
