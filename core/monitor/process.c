/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/timing.h"
#include "monitor/monitor.h"

#define GRACE_MS 1000
#define RELIEF_MS 500
#define RELIEF_BYTES (64u << 10) /* a full pipe in the guest */
#define RELIEF_MAX 4

static struct process **end_of(struct process **list)
{
    while (*list)
        list = &(*list)->next;
    return list;
}

/* Takes over fds: the proxy's connection, then stdin, stdout, stderr. */
struct process *process_new(struct container *c, bool init, int fds[4], bool terminal,
                            bool want_stdin, const struct proc_id *proxy)
{
    struct process *p = xcalloc(1, sizeof(*p));
    struct conn *conn;

    p->c = c;
    p->id = ++c->m->next_id;
    p->init = init;
    p->proxy = *proxy;
    *end_of(&c->processes) = p;
    stdio_init(p, fds + 1, terminal, want_stdin);
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

/*
 * The proxy exits when what the guest wrote has reached the engine. A process that the host
 * itself has killed is not held back by a reader that has stopped reading.
 */
void process_try_finish(struct process *p)
{
    if (!p->exited || p->finished || (!p->killed && !stdio_drained(p)))
        return;
    tell_proxy(p);
    container_check(p->c);
}

/* What is left is relayed as long as the monitor lives. */
static void on_grace(void *ctx)
{
    struct process *p = ctx;

    p->killed = true;
    process_try_finish(p);
}

/*
 * A writer that has filled its pipe and exits by itself waits for the reader anywhere; one that a
 * signal has killed does not. Our buffers make the two look alike: hence a short grace for the
 * latter.
 */
void process_exited(struct process *p, int32_t status)
{
    if (p->exited)
        return;
    p->exited = true;
    p->status = status;
    stdio_stdin_gone(p);
    if (status < 0 && !p->killed && !stdio_drained(p)) {
        p->grace = (struct loop_timer){.fn = on_grace, .ctx = p};
        loop_arm(&p->c->m->loop, &p->grace, deadline_in_ms(GRACE_MS));
    }
    if (p->init)
        container_init_exited(p->c);
    process_try_finish(p);
}

static void on_relief(void *ctx)
{
    struct process *p = ctx;

    for (unsigned i = STREAM_STDOUT; i <= STREAM_STDERR && p->open && !p->exited; i++)
        if (p->c->m->channel && queue_bytes(&p->io[i].queue))
            (void)channel_send_credit(p->c->m->channel, p->id, i, RELIEF_BYTES);
    sandbox_channel_update(p->c->m);
}

/*
 * A signal has most likely killed p, but the agent reports that only after p's last bytes, which
 * wait for credit that a stalled reader does not give. Room for one more pipe lets them out; a
 * process that lives on has gained a little buffer, a few times at most.
 */
void process_relieve(struct process *p)
{
    if (p->exited || stdio_drained(p) || p->relief.deadline || p->n_relief >= RELIEF_MAX)
        return;
    p->n_relief++;
    p->relief = (struct loop_timer){.fn = on_relief, .ctx = p};
    loop_arm(&p->c->m->loop, &p->relief, deadline_in_ms(RELIEF_MS));
}

void process_signal(struct process *p, uint32_t signo, bool all)
{
    struct msg_signal msg = {.signo = signo, .all = all};
    struct wbuf w = {0};

    if (signo == SIGKILL)
        p->killed = true;
    if (p->open && p->c->m->channel) {
        msg_signal_put(&w, &msg);
        (void)channel_request(p->c->m->channel, FRAME_SIGNAL, p->id, &w, NULL, NULL, NULL);
        wbuf_done(&w);
        process_relieve(p);
        sandbox_channel_update(p->c->m);
    }
    process_try_finish(p);
}

void process_resize(struct process *p)
{
    struct wbuf w = {0};

    if (!p->open || p->exited || !p->size.rows || !p->c->m->channel)
        return;
    msg_resize_put(&w, &p->size);
    (void)channel_request(p->c->m->channel, FRAME_RESIZE, p->id, &w, NULL, NULL, NULL);
    wbuf_done(&w);
    sandbox_channel_update(p->c->m);
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
    loop_disarm(&p->c->m->loop, &p->relief);
    stdio_close(p);
    if (p->open && p->c->m->channel)
        channel_process_close(p->c->m->channel, p->id);
    free(p);
}
