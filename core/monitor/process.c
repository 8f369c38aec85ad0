/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/timing.h"
#include "monitor/monitor.h"

/* How long a reader may take nothing while an exit waits for it. */
#define GRACE_MS 1000
/* How long the guest may keep to itself what it says that a dead process has written. */
#define OWED_MS 10000

static void on_grace(void *ctx);

static struct process **end_of(struct process **list)
{
    while (*list)
        list = &(*list)->next;
    return list;
}

struct process *process_add(struct container *c, int fds[3], bool terminal, bool want_stdin)
{
    struct process *p = xcalloc(1, sizeof(*p));

    p->c = c;
    p->id = ++c->m->next_id;
    p->grace = (struct loop_timer){.fn = on_grace, .ctx = p};
    *end_of(&c->processes) = p;
    stdio_init(p, fds, terminal, want_stdin);
    return p;
}

/* Takes over fds: the proxy's connection, then stdin, stdout, stderr. */
struct process *process_new(struct container *c, bool init, int fds[4], bool terminal,
                            bool want_stdin, const struct proc_id *proxy)
{
    struct process *p = process_add(c, fds + 1, terminal, want_stdin);
    struct conn *conn;

    p->init = init;
    p->proxy = *proxy;
    conn = conn_add(c->m, steal_fd(&fds[0]), p);
    p->proxy_conn = conn->number;
    sandbox_send_vmm(c->m, conn);
    return p;
}

struct process *process_find(struct monitor *m, uint32_t id)
{
    for (struct container *c = m->containers; c; c = c->next)
        for (struct process *p = c->processes; p; p = p->next)
            if (p->id == id && !p->dead)
                return p;
    return NULL;
}

int process_open(struct process *p, struct err *err)
{
    int r = channel_process_open(p->c->m->channel, p->id);

    if (r < 0)
        return err_set(err, -r, "process %u: %m", p->id);
    p->open = true;
    return 0;
}

static void tell_proxy(struct process *p)
{
    struct msg_exited exited = {.status = p->status};
    struct conn *proxy = conn_find(p->c->m, p->proxy_conn);
    struct wbuf w = {0};

    p->finished = true;
    if (!proxy)
        return;
    msg_exited_put(&w, &exited);
    conn_send(proxy, IPC_PROXY_EXIT, 0, &w);
    wbuf_done(&w);
}

/* Also one that was gone when the signal came to the guest, or that ended by itself because of it.
 */
static bool was_killed(const struct process *p)
{
    return p->status < 0 || p->told_to_end;
}

/*
 * The proxy exits when what the process wrote has reached the engine. A reader that has stopped
 * reading holds up a process that ended by itself, as a full pipe does without a VM, but not one
 * that was killed: what is left of that is relayed all the same.
 */
void process_try_finish(struct process *p)
{
    if (!p->exited || p->finished || (!p->no_wait && !stdio_drained(p)))
        return;
    loop_disarm(&p->c->m->loop, &p->grace);
    tell_proxy(p);
    container_check(p->c);
}

static void on_grace(void *ctx)
{
    struct process *p = ctx;

    if (stdio_owed(p)) {
        log_warn("container '%s': the guest announced output of process %u that never came",
                 p->c->id, p->id);
        stdio_forgive(p);
    }
    if (was_killed(p)) {
        log_info("container '%s': nobody reads what process %u wrote, not waiting", p->c->id,
                 p->id);
        p->no_wait = true;
    }
    process_try_finish(p);
}

/* Whoever has killed a process expects its end soon. */
static void arm_grace(struct process *p)
{
    if (was_killed(p))
        loop_arm(&p->c->m->loop, &p->grace, deadline_in_ms(GRACE_MS));
    else if (stdio_owed(p))
        loop_arm(&p->c->m->loop, &p->grace, deadline_in_ms(OWED_MS));
    else
        loop_disarm(&p->c->m->loop, &p->grace);
}

static bool is_meant_to_end(uint32_t signo)
{
    return signo == SIGTERM || signo == SIGKILL || signo == SIGINT || signo == SIGHUP ||
           signo == SIGQUIT;
}

/* A slow reader is no stalled one. */
void process_progress(struct process *p)
{
    if (p->exited && !p->finished)
        arm_grace(p);
    teardown_progress(p->c->m);
}

void process_exited(struct process *p, int32_t status)
{
    if (p->exited)
        return;
    p->exited = true;
    p->status = status;
    stdio_stdin_gone(p);
    if (!p->no_wait && !stdio_drained(p))
        arm_grace(p);
    if (p->init)
        container_init_exited(p->c);
    process_try_finish(p);
}

void process_signal(struct process *p, uint32_t signo, bool all)
{
    struct msg_signal msg = {.signo = signo, .all = all};
    struct wbuf w = {0};

    if (p->exited && !p->finished && is_meant_to_end(signo)) {
        p->no_wait = true;
        process_try_finish(p);
        return;
    }
    p->told_to_end = p->told_to_end || is_meant_to_end(signo);
    if (p->open && p->c->m->channel) {
        msg_signal_put(&w, &msg);
        (void)channel_request(p->c->m->channel, FRAME_SIGNAL, p->id, &w, NULL, NULL, NULL);
        wbuf_done(&w);
        agent_link_update(p->c->m);
    }
}

void process_resize(struct process *p)
{
    struct wbuf w = {0};

    if (!p->open || p->exited || !p->size.rows || !p->c->m->channel)
        return;
    msg_resize_put(&w, &p->size);
    (void)channel_request(p->c->m->channel, FRAME_RESIZE, p->id, &w, NULL, NULL, NULL);
    wbuf_done(&w);
    agent_link_update(p->c->m);
}

/* Whoever killed the proxy meant the process. */
void process_proxy_lost(struct process *p)
{
    p->proxy_conn = 0;
    if (p->finished || p->dead)
        return;
    log_info("container '%s': the proxy of process %u has died, killing the process", p->c->id,
             p->id);
    if (p->init)
        container_kill(p->c);
    else
        process_signal(p, SIGKILL, false);
}

void process_free(struct process *p)
{
    struct conn *proxy = conn_find(p->c->m, p->proxy_conn);

    if (!p->finished) {
        p->status = p->exited ? p->status : -SIGKILL;
        tell_proxy(p);
    }
    if (proxy)
        proxy->proxy_of = NULL;
    loop_disarm(&p->c->m->loop, &p->grace);
    stdio_close(p);
    if (p->open && p->c->m->channel)
        channel_process_close(p->c->m->channel, p->id);
    if (p->forwarded)
        forward_ended(p->c->m);
    free(p);
}
