/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "monitor/monitor.h"

void events_subscribe(struct conn *c, struct container *of, uint32_t seq)
{
    struct reply_to to = {c->number, seq};

    c->events_of = of->processes->id;
    c->events_seq = seq;
    reply_ok(c->m, &to, NULL, 0);
}

static void publish(struct container *of, uint32_t kind, int32_t status)
{
    struct ipc_event event = {.kind = kind, .status = status};
    struct wbuf w = {0};

    ipc_event_put(&w, &event);
    for (struct conn *c = of->m->conns; c; c = c->next)
        if (!c->dead && c->events_of == of->processes->id)
            conn_send(c, IPC_EVENT, c->events_seq, &w);
    wbuf_done(&w);
}

void events_oom(struct container *c)
{
    log_warn("container '%s': the guest's kernel killed a process: its cgroup or the whole "
             "guest is out of memory",
             c->id);
    publish(c, IPC_EV_OOM, 0);
}

void events_exit(struct container *c, int32_t status)
{
    if (status < 0)
        log_info("container '%s' was killed by signal %d", c->id, -status);
    else
        log_info("container '%s' has exited with status %d", c->id, status);
    publish(c, IPC_EV_EXIT, status);
}
