/* SPDX-License-Identifier: Apache-2.0 */
/* Tasks and their processes: what is known of them, and how they end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "shim.pb-c.h"
#include "shim/message.h"
#include "shim/publish.h"
#include "shim/shim.h"
#include "shim/streams.h"

#define EARLY_MAX 1024
#define STATUS_NEVER_RAN 255

struct task *task_find(const struct shim *s, const char *id)
{
    struct task *t = s->tasks;

    while (t && (t->dead || strcmp(t->id, id) != 0))
        t = t->next;
    return t;
}

struct process *task_process(const struct task *t, const char *exec_id)
{
    struct process *p = t->processes;

    while (p && (p->dead || strcmp(p->exec_id, exec_id) != 0))
        p = p->next;
    return p;
}

struct process *process_new(struct task *t, const char *exec_id, bool terminal, const char *in,
                            const char *out, const char *err)
{
    struct process *p = xcalloc(1, sizeof(*p)), **end = &t->processes;

    *p = (struct process){.t = t,
                          .exec_id = xstrdup(exec_id),
                          .in = xstrdup(in),
                          .out = xstrdup(out),
                          .err = xstrdup(err),
                          .terminal = terminal,
                          .spec = -1,
                          .keep = {-1, -1},
                          .master = -1};
    while (*end)
        end = &(*end)->next;
    *end = p;
    return p;
}

static void answer_waits(struct process *p)
{
    Pb__WaitResponse response = PB__WAIT_RESPONSE__INIT;
    Pb__Timestamp at = TIMESTAMP_OF(p->exited_at);

    response.exit_status = (uint32_t)p->status;
    response.exited_at = &at;
    for (size_t i = 0; i < p->n_waits; i++)
        call_reply(p->t->s, &p->waits[i], &response.base);
    free(p->waits);
    p->waits = NULL;
    p->n_waits = 0;
}

static void tell_exit(struct process *p)
{
    Pb__TaskExit event = PB__TASK_EXIT__INIT;
    Pb__Timestamp at = TIMESTAMP_OF(p->exited_at);

    event.container_id = p->t->id;
    event.id = *p->exec_id ? p->exec_id : p->t->id;
    event.pid = (uint32_t)p->pid;
    event.exit_status = (uint32_t)p->status;
    event.exited_at = &at;
    publish(p->t->s->publisher, "/tasks/exit", "containerd.events.TaskExit", &event.base);
}

static void stop(struct process *p)
{
    p->state = PROCESS_STOPPED;
    streams_close_stdin(p);
    tell_exit(p);
    answer_waits(p);
}

void process_exited(struct process *p, int status, const struct timespec *at)
{
    p->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    p->exited_at = *at;
    p->ended = true;
    if (!p->starting)
        process_settled(p);
}

void process_settled(struct process *p)
{
    p->starting = false;
    if (p->ended && p->state != PROCESS_STOPPED)
        stop(p);
}

void process_failed(struct process *p)
{
    if (!p->ended) {
        p->status = STATUS_NEVER_RAN;
        clock_gettime(CLOCK_REALTIME, &p->exited_at);
    }
    p->state = PROCESS_STOPPED;
    streams_close_stdin(p);
    answer_waits(p);
}

static bool take_early(struct shim *s, pid_t pid, struct early *ret)
{
    for (size_t i = 0; i < s->n_early; i++)
        if (s->early[i].pid == pid) {
            *ret = s->early[i];
            s->early[i] = s->early[--s->n_early];
            return true;
        }
    return false;
}

/* Its exit may have come first. */
void process_started(struct process *p, pid_t pid)
{
    struct early e;

    p->pid = pid;
    if (take_early(p->t->s, pid, &e))
        process_exited(p, e.status, &e.at);
}

static struct process *by_pid(const struct shim *s, pid_t pid)
{
    for (struct task *t = s->tasks; t; t = t->next)
        for (struct process *p = t->processes; p; p = p->next)
            if (p->pid == pid && !p->ended)
                return p;
    return NULL;
}

void task_child_ended(struct shim *s, pid_t pid, int status)
{
    struct process *p = by_pid(s, pid);
    struct early e = {.pid = pid, .status = status};

    clock_gettime(CLOCK_REALTIME, &e.at);
    if (p) {
        process_exited(p, status, &e.at);
        return;
    }
    /* A monitor, or the proxy of a process that is being made. */
    if (!s->starting || s->n_early == EARLY_MAX)
        return;
    s->early = xreallocarray(s->early, s->n_early + 1, sizeof(e));
    s->early[s->n_early++] = e;
}

void process_remove(struct process *p)
{
    p->dead = true;
    streams_forget(p);
    answer_waits(p);
}

void task_remove(struct task *t)
{
    t->dead = true;
    monitor_link_close(t);
    for (struct process *p = t->processes; p; p = p->next)
        process_remove(p);
}

static void process_free(struct process *p)
{
    close_fd(&p->spec);
    free(p->exec_id);
    free(p->in);
    free(p->out);
    free(p->err);
    free(p->waits);
    free(p);
}

static void sweep_processes(struct task *t)
{
    struct process **at = &t->processes;

    while (*at) {
        struct process *p = *at;

        if (!p->dead || p->jobs > 0) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        process_free(p);
    }
}

void task_sweep(struct shim *s)
{
    struct task **at = &s->tasks;

    if (!s->starting) {
        free(s->early);
        s->early = NULL;
        s->n_early = 0;
    }
    while (*at) {
        struct task *t = *at;

        sweep_processes(t);
        if (!t->dead || t->processes) {
            at = &t->next;
            continue;
        }
        *at = t->next;
        settings_done(&t->settings);
        free(t->id);
        free(t->bundle);
        free(t);
    }
}
