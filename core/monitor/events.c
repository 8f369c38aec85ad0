/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
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

/* Which of the two has to be made larger. */
static char *out_of_memory(const struct container *c, const struct msg_oom *m)
{
    if (m->where == MSG_OOM_MACHINE)
        return xasprintf("the whole VM (%llu MiB) is out of memory",
                         (unsigned long long)(c->m->spec.memory >> 20));
    if (m->where != MSG_OOM_CGROUP)
        return xstrdup("its cgroup or the whole guest is out of memory");
    if (!m->limit)
        return xstrdup("a cgroup that the container has made is out of memory");
    return xasprintf("the memory limit of the container (%llu MiB) is reached",
                     (unsigned long long)(m->limit >> 20));
}

void events_oom(struct container *c, const struct msg_oom *m)
{
    cleanup_free char *why = out_of_memory(c, m);

    log_warn("container '%s': the guest's kernel killed a process: %s", c->id, why);
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
