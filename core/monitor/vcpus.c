/* SPDX-License-Identifier: Apache-2.0 */
/* More processors for the VM, when a container asks for them. They are there when the guest uses
 * them, which takes its agent; none is ever taken away. */
#include <errno.h>
#include <stdlib.h>
#include "monitor/monitor.h"

#define PLUG_TIMEOUT_MS 30000

struct vcpus_job {
    struct job job; /* first: the worker's handle */
    struct monitor *m;
    struct reply_to to;
    uint32_t wanted;
    struct err err;
};

static void vcpus_run(struct job *j)
{
    struct vcpus_job *g = (struct vcpus_job *)j;
    struct monitor *m = g->m;

    if (!m->boot.vm)
        err_set_phase(&g->err, PHASE_VMM, ESHUTDOWN, "the VM is gone");
    else if (!(plugin_caps(m->boot.plugin)->flags & HVP_CAP_SET_VCPUS))
        err_set_phase(&g->err, PHASE_VMM, ENOTSUP,
                      "back-end '%s' cannot give a running VM more processors", m->spec.descriptor);
    else if (g->wanted > m->boot.vcpus)
        (void)plugin_vm_set_vcpus(m->boot.vm, g->wanted, PLUG_TIMEOUT_MS, &m->boot.vcpus, &g->err);
}

static void finish(struct vcpus_job *g)
{
    if (g->err.code)
        reply_err(g->m, &g->to, &g->err);
    free(g);
}

/* At least what is wanted. Where it is for the guest to take them, the back-end may know of fewer
 * than there will be. */
static uint32_t most(const struct vcpus_job *g)
{
    return MAX(g->wanted, g->m->boot.vcpus);
}

/* What the guest says it uses is believed as far as it can have so many. */
static void on_used(void *ctx, const struct msg_reply *reply)
{
    struct vcpus_job *g = ctx;
    struct ipc_vcpus now;
    struct msg_cpus used;
    struct wbuf body = {0};

    if (reply->code) {
        reply_agent(g->m, &g->to, reply, PHASE_AGENT);
    } else if (msg_cpus_get(wire_over(reply->body, reply->body_len), &used) < 0) {
        err_set_phase(&g->err, PHASE_AGENT, EPROTO, "the agent's answer is malformed");
    } else {
        now.vcpus = MIN(used.count, most(g));
        ipc_vcpus_put(&body, &now);
        reply_ok(g->m, &g->to, body.data, body.len);
        wbuf_done(&body);
    }
    finish(g);
}

static void vcpus_done(struct job *j)
{
    struct vcpus_job *g = (struct vcpus_job *)j;
    struct monitor *m = g->m;
    struct wbuf w = {0};

    if (!g->err.code && (!m->channel || m->channel_lost))
        err_set_phase(&g->err, PHASE_AGENT, EPIPE, "the agent is gone");
    if (g->err.code) {
        finish(g);
        return;
    }
    msg_cpus_put(&w, &(struct msg_cpus){most(g)});
    if (channel_request(m->channel, FRAME_CPUS, 0, &w, on_used, g, &g->err) < 0)
        finish(g);
    agent_link_update(m);
    wbuf_done(&w);
}

void vcpus_grow(struct monitor *m, struct reply_to to, const struct ipc_vcpus *msg)
{
    struct vcpus_job *g = xcalloc(1, sizeof(*g));

    *g = (struct vcpus_job){.job = {.run = vcpus_run, .done = vcpus_done},
                            .m = m,
                            .to = to,
                            .wanted = msg->vcpus,
                            .err = ERR_INIT};
    worker_push(&m->worker, &g->job);
}
