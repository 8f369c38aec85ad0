/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies come when the guest pleases, also after the process or its container is forgotten: so
 * what waits for one knows the process by its number only.
 */
#include <errno.h>
#include <stdlib.h>
#include "monitor/monitor.h"

struct call {
    struct monitor *m;
    uint32_t id;
    struct reply_to to;
    agent_done_fn *fn;
};

static void on_reply(void *ctx, const struct msg_reply *reply)
{
    struct call *call = ctx;
    struct process *p = process_find(call->m, call->id);
    struct err gone = {ESRCH, PHASE_PROCESS, "the process has ended meanwhile"};

    if (p && !p->c->dead)
        call->fn(p, reply, &call->to);
    else
        reply_err(call->m, &call->to, &gone);
    free(call);
}

int agent_call(struct process *p, uint16_t type, const struct wbuf *body, agent_done_fn *fn,
               struct reply_to to, struct err *err)
{
    struct monitor *m = p->c->m;
    struct call *call;
    int r;

    if (!m->channel || m->channel_lost)
        return err_set_phase(err, PHASE_AGENT, EPIPE, "the agent is gone");
    call = xcalloc(1, sizeof(*call));
    *call = (struct call){m, p->id, to, fn};
    r = channel_request(m->channel, type, p->id, body, on_reply, call, err);
    if (r < 0)
        free(call);
    sandbox_channel_update(m);
    return r;
}
