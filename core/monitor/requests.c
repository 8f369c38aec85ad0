/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/fault.h"
#include "base/log.h"
#include "base/timing.h"
#include "monitor/monitor.h"
#include "proto/plan.h"

/* One request on its way to whoever handles it. */
struct request {
    struct conn *conn;
    struct monitor *m;
    struct reply_to to;
    const struct frame_head *h;
    const uint8_t *body;
};

static void refuse(struct request *q, int code, const char *text)
{
    struct err err;

    err_set(&err, code, "%s", text);
    err.phase = PHASE_NONE;
    reply_err(q->m, &q->to, &err);
}

static void take_sandbox(struct request *q)
{
    if (q->m->phase != MON_NEW)
        refuse(q, EALREADY, "this monitor has its sandbox");
    else
        sandbox_begin(q->m, q->to, q->h, q->body, q->conn->fds, q->conn->n_fds);
}

static void take_create(struct request *q)
{
    struct ipc_create msg;
    struct err err = ERR_INIT;

    if (ipc_create_get(wire_over(q->body, q->h->len), &msg) < 0) {
        refuse(q, EPROTO, "malformed IPC_CREATE");
        return;
    }
    if (container_create(q->m, q->conn, q->to.seq, &msg, q->conn->fds, q->conn->n_fds, &err) < 0)
        reply_err(q->m, &q->to, &err);
    ipc_create_done(&msg);
}

static int encode_exec(const struct ipc_exec *msg, struct wbuf *w, bool *ret_stdin)
{
    struct msg_exec exec = {.container = msg->id};

    if (plan_process_get(wire_over(msg->process, msg->process_len), &exec.process) < 0)
        return -EPROTO;
    msg_exec_put(w, &exec);
    *ret_stdin = exec.process.flags & PLAN_P_STDIN;
    plan_process_done(&exec.process);
    return 0;
}

static void on_exec(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    reply_agent(p->c->m, to, reply, PHASE_PROCESS);
    if (reply->code) {
        p->no_wait = true; /* it never ran */
        process_exited(p, -SIGKILL);
        p->dead = true;
        return;
    }
    process_resize(p);
    stdio_start(p);
}

static void exec_in(struct request *q, struct container *c, const struct ipc_exec *msg)
{
    struct wbuf w = {0};
    struct process *p;
    struct err err = ERR_INIT;
    bool want_stdin = false;

    if (q->conn->n_fds != 4) {
        refuse(q, EPROTO, "IPC_EXEC without its descriptors");
    } else if (encode_exec(msg, &w, &want_stdin) < 0) {
        refuse(q, EPROTO, "malformed IPC_EXEC");
    } else {
        p = process_new(c, false, q->conn->fds, msg->terminal, want_stdin, &msg->proxy);
        if (process_open(p, &err) < 0 || agent_call(p, FRAME_EXEC, &w, on_exec, q->to, &err) < 0) {
            reply_err(q->m, &q->to, &err);
            p->dead = true;
        }
    }
    wbuf_done(&w);
}

static void take_exec(struct request *q)
{
    struct ipc_exec msg;
    struct container *c;

    if (ipc_exec_get(wire_over(q->body, q->h->len), &msg) < 0) {
        refuse(q, EPROTO, "malformed IPC_EXEC");
        return;
    }
    c = container_find(q->m, msg.id);
    if (!c)
        refuse(q, ENOENT, "the sandbox has no such container");
    else if (c->status == STATE_STOPPED)
        refuse(q, ESRCH, "cannot exec in a stopped container");
    else if (c->status == STATE_PAUSED)
        refuse(q, EBUSY, "cannot exec in a paused container");
    else if (!c->sent || q->m->phase != MON_READY)
        refuse(q, EAGAIN, "the container is not created yet");
    else
        exec_in(q, c, &msg);
    ipc_exec_done(&msg);
}

static void take_network(struct request *q)
{
    struct ipc_network msg;

    if (ipc_network_get(wire_over(q->body, q->h->len), &msg) < 0)
        refuse(q, EPROTO, "malformed IPC_NETWORK");
    else
        network_change(q->conn, q->to.seq, &msg);
}

/* Requests about one container. */

static void take_commit(struct request *q, struct container *c, const struct ipc_target *t)
{
    if (t->proxy.pid)
        init_of(c)->proxy = t->proxy;
    container_commit(c);
    reply_ok(q->m, &q->to, NULL, 0);
}

static void on_started(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    struct monitor *m = p->c->m;

    if (reply->code == 0) {
        m->timings.started = now_ns();
        if (p->c->status == STATE_CREATED)
            container_set_status(p->c, STATE_RUNNING);
        if (fault_point("monitor.started") < 0)
            log_warn("fault point 'monitor.started'");
        stdio_start(p);
    }
    reply_agent(m, to, reply, PHASE_PROCESS);
}

/* Its volumes on servers first. Without them the container stays as it was made. */
static void on_mounted(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    struct err err = ERR_INIT;

    if (reply->code)
        reply_agent(p->c->m, to, reply, PHASE_STORAGE);
    else if (agent_call(p, FRAME_START, NULL, on_started, *to, &err) < 0)
        reply_err(p->c->m, to, &err);
}

static void on_paused(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    if (reply->code == 0 && p->c->status == STATE_RUNNING)
        container_set_status(p->c, STATE_PAUSED);
    reply_agent(p->c->m, to, reply, PHASE_NONE);
}

static void on_resumed(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    if (reply->code == 0 && p->c->status == STATE_PAUSED)
        container_set_status(p->c, STATE_RUNNING);
    reply_agent(p->c->m, to, reply, PHASE_NONE);
}

static void on_plain(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    reply_agent(p->c->m, to, reply, PHASE_NONE);
}

static void on_signal(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    container_kill_heard(p->c, reply);
    on_plain(p, reply, to);
}

/* The host's pids stand in for the protocol's numbers: docker matches them with the host's ps. */
static void on_ps(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    struct msg_reply with_pids = *reply;
    struct msg_ps ps = {0};
    struct wbuf w = {0};

    if (reply->code == 0 && msg_ps_get(wire_over(reply->body, reply->body_len), &ps) == 0) {
        for (size_t i = 0; i < ps.n; i++) {
            struct process *row = process_find(p->c->m, ps.rows[i].proc_id);

            ps.rows[i].proc_id = row && row->c == p->c ? (uint32_t)row->proxy.pid : 0;
        }
        msg_ps_put(&w, &ps);
        with_pids.body = w.data;
        with_pids.body_len = w.len;
    }
    reply_agent(p->c->m, to, &with_pids, PHASE_NONE);
    msg_ps_done(&ps);
    wbuf_done(&w);
}

static void call_init(struct request *q, struct container *c, uint16_t type,
                      const struct wbuf *body, agent_done_fn *fn)
{
    struct err err = ERR_INIT;

    if (agent_call(c->processes, type, body, fn, q->to, &err) < 0)
        reply_err(q->m, &q->to, &err);
}

static void take_start(struct request *q, struct container *c, const struct ipc_target *t)
{
    (void)t;
    if (c->status == STATE_STOPPED)
        refuse(q, EINVAL, "cannot start a container that has stopped");
    else if (c->status != STATE_CREATED)
        refuse(q, EINVAL, "cannot start an already running container");
    else {
        q->m->timings.start_asked = now_ns();
        if (!q->m->spec.keep) /* else it is ours, and leaves the network alone */
            q->m->no_network = NO_NETWORK_UNKNOWN;
        if (c->nfs)
            call_init(q, c, FRAME_MOUNT, NULL, on_mounted);
        else
            call_init(q, c, FRAME_START, NULL, on_started);
    }
}

static void take_kill(struct request *q, struct container *c, const struct ipc_target *t)
{
    struct msg_signal msg = {.signo = t->signo, .all = t->all};
    struct wbuf w = {0};

    if (c->status == STATE_STOPPED || !c->sent) {
        refuse(q, ESRCH, "container not running");
        return;
    }
    msg_signal_put(&w, &msg);
    call_init(q, c, FRAME_SIGNAL, &w, on_signal);
    wbuf_done(&w);
    if (t->signo == SIGKILL)
        container_expect_end(c);
}

static bool must_run(struct request *q, const struct container *c)
{
    if (c->status != STATE_STOPPED && c->status != STATE_CREATING)
        return true;
    refuse(q, ESRCH, "container not running");
    return false;
}

static void take_pause(struct request *q, struct container *c, const struct ipc_target *t)
{
    (void)t;
    if (c->status == STATE_CREATED)
        refuse(q, EINVAL, "cannot pause a container that has not been started");
    else if (must_run(q, c))
        call_init(q, c, FRAME_PAUSE, NULL, on_paused);
}

static void take_resume(struct request *q, struct container *c, const struct ipc_target *t)
{
    (void)t;
    if (c->status != STATE_PAUSED)
        refuse(q, EINVAL, "container not paused");
    else
        call_init(q, c, FRAME_RESUME, NULL, on_resumed);
}

static void take_update(struct request *q, struct container *c, const struct ipc_target *t)
{
    struct wbuf w = {.data = t->cgroup, .len = t->cgroup_len};

    if (must_run(q, c))
        call_init(q, c, FRAME_UPDATE, &w, on_plain);
}

static void take_stats(struct request *q, struct container *c, const struct ipc_target *t)
{
    (void)t;
    if (must_run(q, c))
        call_init(q, c, FRAME_STATS, NULL, on_plain);
}

static void take_ps(struct request *q, struct container *c, const struct ipc_target *t)
{
    (void)t;
    if (must_run(q, c))
        call_init(q, c, FRAME_PS, NULL, on_ps);
}

static void take_delete(struct request *q, struct container *c, const struct ipc_target *t)
{
    if (c->status != STATE_STOPPED && !t->all)
        refuse(q, EBUSY, "the container has not stopped");
    else
        container_delete(c, q->to);
}

static void take_events(struct request *q, struct container *c, const struct ipc_target *t)
{
    (void)t;
    events_subscribe(q->conn, c, q->to.seq);
}

static void take_timings(struct request *q)
{
    struct wbuf w = {0};

    ipc_timings_put(&w, &q->m->timings);
    reply_ok(q->m, &q->to, w.data, w.len);
    wbuf_done(&w);
}

static const struct {
    uint16_t type;
    void (*fn)(struct request *q, struct container *c, const struct ipc_target *t);
} targeted[] = {
    {IPC_COMMIT, take_commit}, {IPC_START, take_start},   {IPC_KILL, take_kill},
    {IPC_PAUSE, take_pause},   {IPC_RESUME, take_resume}, {IPC_UPDATE, take_update},
    {IPC_STATS, take_stats},   {IPC_PS, take_ps},         {IPC_DELETE, take_delete},
    {IPC_EVENTS, take_events},
};

static void take_targeted(struct request *q)
{
    struct ipc_target t;
    struct container *c;
    size_t i = 0;

    while (i < ARRAY_SIZE(targeted) && targeted[i].type != q->h->type)
        i++;
    if (i == ARRAY_SIZE(targeted)) {
        refuse(q, ENOSYS, "the monitor does not know this request");
        return;
    }
    if (ipc_target_get(wire_over(q->body, q->h->len), &t) < 0) {
        refuse(q, EPROTO, "malformed request");
        return;
    }
    c = container_find(q->m, t.id);
    if (c)
        targeted[i].fn(q, c, &t);
    else if (q->h->type == IPC_DELETE && q->m->phase == MON_ENDING)
        teardown_wait(q->m, q->to);
    else
        refuse(q, ENOENT, "the sandbox has no such container");
    ipc_target_done(&t);
}

static void take_memory(struct request *q)
{
    struct ipc_memory msg;

    if (ipc_memory_get(wire_over(q->body, q->h->len), &msg) < 0)
        refuse(q, EPROTO, "malformed IPC_MEMORY");
    else if (q->m->phase != MON_READY)
        refuse(q, EAGAIN, "the sandbox is not ready");
    else
        memory_grow(q->m, q->to, &msg);
}

static void take_vcpus(struct request *q)
{
    struct ipc_vcpus msg;

    if (ipc_vcpus_get(wire_over(q->body, q->h->len), &msg) < 0)
        refuse(q, EPROTO, "malformed IPC_VCPUS");
    else if (q->m->phase != MON_READY)
        refuse(q, EAGAIN, "the sandbox is not ready");
    else
        vcpus_grow(q->m, q->to, &msg);
}

static void take_held(struct request *q)
{
    struct ipc_take msg;

    if (q->conn->n_fds != 1) {
        refuse(q, EPROTO, "IPC_TAKE without its descriptor");
    } else if (ipc_take_get(wire_over(q->body, q->h->len), &msg) < 0) {
        refuse(q, EPROTO, "malformed IPC_TAKE");
    } else {
        hold_take(q->m, q->to, &msg, q->conn->fds[0]);
        ipc_take_done(&msg);
    }
}

/* Requests that are nothing but their descriptors; false: it is none of them. */
static bool take_descriptors(struct request *q)
{
    static const struct {
        uint16_t type;
        size_t n;
        void (*take)(struct monitor *m, struct reply_to to, int *fds);
    } t[] = {
        {IPC_HOLD, 1, hold_begin},
        {IPC_FORWARD, 2, forward_take},
        {IPC_RESOLVER, 1, resolver_take},
        {IPC_CONSOLE, 1, console_pass},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        if (t[i].type != q->h->type)
            continue;
        if (q->conn->n_fds == t[i].n)
            t[i].take(q->m, q->to, q->conn->fds);
        else
            refuse(q, EPROTO, "a request with a wrong number of descriptors");
        return true;
    }
    return false;
}

/* What proxies say about their process. */
static void take_proxy(struct conn *c, const struct frame_head *h, const uint8_t *body)
{
    struct process *p = c->proxy_of;
    struct msg_signal signal;

    if (!p)
        return;
    if (h->type == IPC_PROXY_SIGNAL && msg_signal_get(wire_over(body, h->len), &signal) == 0)
        process_signal(p, signal.signo, false);
    else if (h->type == IPC_PROXY_RESIZE && msg_resize_get(wire_over(body, h->len), &p->size) == 0)
        process_resize(p);
}

void requests_take(struct conn *c, const struct frame_head *h, const uint8_t *body)
{
    struct request q = {c, c->m, {c->number, h->seq}, h, body};

    if (c->is_proxy) {
        take_proxy(c, h, body);
        return;
    }
    switch (h->type) {
    case IPC_SANDBOX:
        take_sandbox(&q);
        break;
    case IPC_CREATE:
        take_create(&q);
        break;
    case IPC_EXEC:
        take_exec(&q);
        break;
    case IPC_NETWORK:
        take_network(&q);
        break;
    case IPC_TIMINGS:
        take_timings(&q);
        break;
    case IPC_TAKE:
        take_held(&q);
        break;
    case IPC_MEMORY:
        take_memory(&q);
        break;
    case IPC_VCPUS:
        take_vcpus(&q);
        break;
    default:
        if (!take_descriptors(&q))
            take_targeted(&q);
    }
}

void requests_conn_closed(struct conn *c)
{
    struct monitor *m = c->m;

    if (c->is_proxy) {
        if (c->proxy_of)
            process_proxy_lost(c->proxy_of);
        return;
    }
    for (struct container *k = m->containers; k; k = k->next)
        if (k->creator == c->number) {
            log_info("container '%s': its creator has gone before the end, undoing", k->id);
            container_undo(k);
        }
    /* Nobody is left who could use a sandbox without containers. */
    if (c->number == m->owner && (m->spec.keep || !m->containers))
        teardown_begin(m);
}
