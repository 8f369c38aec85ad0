/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replies come when the guest pleases, also after the process or its container is forgotten: so
 * what waits for one knows the process by its number only.
 */
#include <errno.h>
#include <stdlib.h>
#include "base/timing.h"
#include "monitor/monitor.h"

/* A guest gets as long for an answer as for its boot, but the CLI, which waits a minute, shall hear
 * from us that there is none. */
#define ANSWER_MAX_MS 55000

struct call {
    struct monitor *m;
    uint32_t id;
    uint16_t type;
    struct reply_to to;
    agent_done_fn *fn;
    struct loop_timer late;
};

static uint32_t answer_ms(const struct monitor *m)
{
    uint32_t ms = m->spec.boot_timeout_ms;

    return ms ? MIN(ms, ANSWER_MAX_MS) : ANSWER_MAX_MS;
}

static const char *request_name(uint16_t type)
{
    static const char *const names[] = {
        [FRAME_CREATE - FRAME_SETUP] = "create",   [FRAME_START - FRAME_SETUP] = "start",
        [FRAME_EXEC - FRAME_SETUP] = "exec",       [FRAME_SIGNAL - FRAME_SETUP] = "kill",
        [FRAME_PAUSE - FRAME_SETUP] = "pause",     [FRAME_RESUME - FRAME_SETUP] = "resume",
        [FRAME_UPDATE - FRAME_SETUP] = "update",   [FRAME_STATS - FRAME_SETUP] = "statistics",
        [FRAME_PS - FRAME_SETUP] = "ps",           [FRAME_DELETE - FRAME_SETUP] = "delete",
        [FRAME_NETWORK - FRAME_SETUP] = "network", [FRAME_MOUNT - FRAME_SETUP] = "mount",
        [FRAME_CONNECT - FRAME_SETUP] = "connect", [FRAME_RESOLVER - FRAME_SETUP] = "resolver",
    };
    size_t i = (size_t)type - FRAME_SETUP;

    return i < ARRAY_SIZE(names) && names[i] ? names[i] : "a request";
}

/* The reply may still come; until then the request counts as refused, and nobody waits for it. */
static void on_late(void *ctx)
{
    struct call *call = ctx;
    struct process *p = process_find(call->m, call->id);
    char text[] = "no answer";
    struct msg_reply late = {.code = ETIMEDOUT, .text = text};
    struct err err;

    err_set_phase(&err, PHASE_AGENT, ETIMEDOUT, "the agent has not answered '%s' in %u s",
                  request_name(call->type), answer_ms(call->m) / 1000);
    reply_err(call->m, &call->to, &err);
    if (!p || p->c->dead)
        return;
    if (call->type == FRAME_CREATE)
        reply_err(call->m, &p->c->reply_create, &err);
    call->fn(p, &late, &call->to);
}

static void on_reply(void *ctx, const struct msg_reply *reply)
{
    struct call *call = ctx;
    struct process *p = process_find(call->m, call->id);
    struct err gone = {ESRCH, PHASE_PROCESS, "the process has ended meanwhile"};

    loop_disarm(&call->m->loop, &call->late);
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
    *call = (struct call){m, p->id, type, to, fn, {.fn = on_late, .ctx = call}};
    r = channel_request(m->channel, type, p->id, body, on_reply, call, err);
    if (r < 0)
        free(call);
    else
        loop_arm(&m->loop, &call->late, deadline_in_ms(answer_ms(m)));
    agent_link_update(m);
    return r;
}
