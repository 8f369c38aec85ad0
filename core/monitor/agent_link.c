/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's channel in the monitor's loop: what the agent says goes to whom it concerns. */
#include <errno.h>
#include <poll.h>
#include "base/log.h"
#include "monitor/monitor.h"

void agent_link_update(struct monitor *m)
{
    uint32_t events = EPOLLIN;

    if (!m->channel || m->channel_lost)
        return;
    if (channel_events(m->channel) & POLLOUT)
        events |= EPOLLOUT;
    (void)loop_watch(&m->loop, &m->channel_source, events);
}

/* Freed in the sweep: the channel is in the middle of a call. */
void agent_link_lose(struct monitor *m, const struct err *err)
{
    if (m->channel_lost)
        return;
    m->channel_lost = true;
    m->channel_err = *err;
    if (m->phase == MON_HELLO && err->code != EPROTO) /* who breaks a protocol, has booted */
        m->channel_err.phase = PHASE_KERNEL;
    else if (!err->phase)
        m->channel_err.phase = PHASE_AGENT;
    (void)loop_watch(&m->loop, &m->channel_source, 0);
}

static void pump_stalled(struct monitor *m)
{
    if (!m->stdin_stalled || channel_congested(m->channel))
        return;
    m->stdin_stalled = false;
    for (struct container *c = m->containers; c; c = c->next)
        for (struct process *p = c->processes; p; p = p->next)
            stdio_pump(p);
}

static void on_channel(void *ctx, uint32_t events)
{
    struct monitor *m = ctx;
    struct err err = ERR_INIT;
    int r = 0;

    if (events & EPOLLOUT)
        r = channel_on_writable(m->channel, &err);
    if (r == 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        r = channel_on_readable(m->channel, &err);
    if (r < 0) {
        agent_link_lose(m, &err);
        return;
    }
    pump_stalled(m);
    agent_link_update(m);
}

static void on_hello(void *ctx, const struct msg_hello *hello)
{
    sandbox_hello(ctx, hello);
}

static void on_exited(void *ctx, uint32_t id, const struct msg_exited *exited)
{
    const struct msg_oom unknown = {.where = MSG_OOM_UNKNOWN};
    struct process *p = process_find(ctx, id);

    if (!p || p->exited)
        return;
    stdio_expect(p, STREAM_STDOUT, exited->left_stdout);
    stdio_expect(p, STREAM_STDERR, exited->left_stderr);
    if (exited->oom && p->init && !p->c->oom) {
        p->c->oom = true;
        events_oom(p->c, &unknown);
    }
    p->c->told = p->c->told || p->init;
    process_exited(p, exited->status);
}

static void on_oom(void *ctx, uint32_t id, const struct msg_oom *m)
{
    struct process *p = process_find(ctx, id);

    if (!p || !p->init)
        return;
    p->c->oom = true;
    events_oom(p->c, m);
}

static void on_log(void *ctx, const char *text)
{
    (void)ctx;
    log_info("agent: %s", text);
}

static void on_data(void *ctx, uint32_t id, unsigned stream, const uint8_t *data, size_t n)
{
    struct process *p = process_find(ctx, id);

    if (p)
        stdio_data(p, stream, data, n);
}

static void on_eof(void *ctx, uint32_t id, unsigned stream)
{
    struct process *p = process_find(ctx, id);

    if (p)
        stdio_eof(p, stream);
}

static void on_credit(void *ctx, uint32_t id, unsigned stream)
{
    struct process *p = process_find(ctx, id);

    if (p && stream == STREAM_STDIN)
        stdio_pump(p);
}

static void on_gone(void *ctx, uint32_t id, unsigned stream)
{
    struct process *p = process_find(ctx, id);

    if (p && stream == STREAM_STDIN)
        stdio_stdin_gone(p);
}

static void on_names(void *ctx, const uint8_t *question, size_t n)
{
    resolver_ask(ctx, question, n);
}

static const struct channel_ops channel_ops = {
    .hello = on_hello,
    .exited = on_exited,
    .oom = on_oom,
    .log = on_log,
    .data = on_data,
    .eof = on_eof,
    .credit = on_credit,
    .gone = on_gone,
    .names = on_names,
};

int agent_link_open(struct monitor *m, struct err *err)
{
    int r = channel_new(m->boot.channel_fd, &channel_ops, m, &m->channel, err);

    if (r < 0)
        return r;
    m->boot.channel_fd = -1;
    m->channel_source =
        (struct loop_source){.fd = channel_fd(m->channel), .fn = on_channel, .ctx = m};
    if ((r = loop_watch(&m->loop, &m->channel_source, EPOLLIN)) < 0)
        return err_set(err, -r, "watch the agent's channel: %m");
    return 0;
}
