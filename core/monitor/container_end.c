/* SPDX-License-Identifier: Apache-2.0 */
/* How a container ends: by itself, killed, deleted, undone, or with its VM. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "base/fault.h"
#include "base/log.h"
#include "base/timing.h"
#include "monitor/disks.h"
#include "monitor/monitor.h"

#define KILL_TIMEOUT_MS 10000   /* from SIGKILL to the guest's word that init is gone */
#define HEAR_TIMEOUT_MS 3000    /* from SIGKILL to the agent's word that it has sent it */
#define LINGER_TIMEOUT_MS 2000  /* from init's exit to those of its execs */
#define DELETE_TIMEOUT_MS 10000 /* for the guest to let go of a container of several */
#define SILENT_DELETE_MS 1000   /* the same, of an agent that did not hear of the SIGKILL */

/* The container that the VM was started for; its state directory is the sandbox's. */
static bool owns_sandbox(const struct container *c)
{
    return strcmp(c->id, c->m->spec.id) == 0;
}

static bool others_left(const struct container *c)
{
    for (const struct container *o = c->m->containers; o; o = o->next)
        if (o != c && !o->dead && !o->deleting)
            return true;
    return false;
}

/* Nothing in the guest uses it any more. */
static void let_go(struct container *c)
{
    if (c->plugging)
        return; /* the guest's late word, or none: it is being done */
    if (c->n_plugged)
        disks_unplug(c);
    else
        c->dead = true;
}

void container_plugged(struct container *c, const struct err *failure)
{
    if (c->m->phase == MON_ENDING)
        return;
    if (c->deleting) {
        let_go(c);
    } else if (failure) {
        reply_err(c->m, &c->reply_create, failure);
        container_undo(c);
    } else {
        container_send_create(c);
    }
}

/* The agent has unmounted everything of it, or will never answer. */
static void on_forgotten(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    struct container *c = p->c;

    (void)to;
    if (reply->code && c->m->phase == MON_READY)
        log_warn("container '%s': the guest could not remove it: %s", c->id,
                 reply->text ? reply->text : strerror(reply->code));
    let_go(c);
}

static uint32_t delete_ms(const struct container *c)
{
    return c->agent_silent ? SILENT_DELETE_MS : DELETE_TIMEOUT_MS;
}

static void forget(struct container *c)
{
    struct monitor *m = c->m;
    struct reply_to nobody = {0};

    if (c->dead || c->deleting)
        return;
    c->deleting = true;
    if (!m->spec.keep && (!others_left(c) || owns_sandbox(c))) {
        teardown_wait(m, c->reply_delete);
        c->reply_delete = (struct reply_to){0};
        teardown_begin(m);
        return;
    }
    if (c->plugging)
        return; /* container_plugged goes on */
    if (!c->sent || agent_call(init_of(c), FRAME_DELETE, NULL, on_forgotten, nobody, NULL) < 0)
        let_go(c);
    else
        loop_arm(&m->loop, &c->timer, deadline_in_ms(delete_ms(c)));
}

void container_undo(struct container *c)
{
    if (c->dead || c->deleting)
        return;
    c->creator = 0;
    if (!init_of(c)->exited) {
        init_of(c)->no_wait = true;
        init_of(c)->exited = true;
        init_of(c)->status = -SIGKILL;
        container_set_status(c, STATE_STOPPED);
    }
    forget(c);
    for (struct process *p = c->processes; p; p = p->next)
        process_try_finish(p);
}

static void on_killed(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    (void)to;
    container_kill_heard(p->c, reply);
}

void container_kill(struct container *c)
{
    const struct msg_signal kill_all = {.signo = SIGKILL, .all = 1};
    const struct reply_to nobody = {0};
    struct process *init = init_of(c);
    struct wbuf w = {0};

    if (c->status == STATE_STOPPED || c->dead)
        return;
    if (!c->sent) {
        struct err err = {ECANCELED, PHASE_PROCESS, "the container was killed while it was made"};

        reply_err(c->m, &c->reply_create, &err);
        container_undo(c);
        return;
    }
    msg_signal_put(&w, &kill_all);
    (void)agent_call(init, FRAME_SIGNAL, &w, on_killed, nobody, NULL);
    wbuf_done(&w);
    container_expect_end(c);
}

/*
 * Nobody survives a SIGKILL, whatever the guest says or does not say. An agent that answers gets
 * the time that the end of a busy process may take; one that is silent would take none of it.
 */
void container_expect_end(struct container *c)
{
    if (c->timer.deadline || c->status == STATE_STOPPED)
        return;
    c->kill_deadline = deadline_in_ms(KILL_TIMEOUT_MS);
    c->agent_silent = true;
    loop_arm(&c->m->loop, &c->timer, deadline_in_ms(HEAR_TIMEOUT_MS));
}

void container_kill_heard(struct container *c, const struct msg_reply *reply)
{
    if (!c->agent_silent || reply->code == ETIMEDOUT || reply->code == EPIPE)
        return; /* no word of the guest's */
    c->agent_silent = false;
    if (c->timer.deadline && c->status != STATE_STOPPED)
        loop_arm(&c->m->loop, &c->timer, c->kill_deadline);
}

void container_delete(struct container *c, struct reply_to to)
{
    struct err err = {EBUSY, PHASE_NONE, "the container is already being deleted"};

    if (c->m->phase == MON_ENDING) {
        teardown_wait(c->m, to);
        return;
    }
    if (c->reply_delete.conn) {
        reply_err(c->m, &to, &err);
        return;
    }
    c->reply_delete = to;
    c->creator = 0;
    if (c->deleting) /* undone after its creator's death, and nearly gone */
        return;
    if (fault_point("monitor.delete") < 0)
        log_warn("fault point 'monitor.delete'");
    if (c->status == STATE_STOPPED)
        forget(c);
    else
        container_kill(c);
}

/* Before the proxy is told: whoever sees it exit shall find the status. */
void container_init_exited(struct container *c)
{
    c->m->timings.exited = now_ns();
    container_set_status(c, STATE_STOPPED);
    if (fault_point("monitor.exited") < 0)
        seal_break();
    events_exit(c, init_of(c)->status);
    loop_arm(&c->m->loop, &c->timer, deadline_in_ms(LINGER_TIMEOUT_MS));
}

static bool all_finished(const struct container *c)
{
    for (const struct process *p = c->processes; p; p = p->next)
        if (!p->finished)
            return false;
    return true;
}

/*
 * The last one that stops takes the VM with it: nobody could start anything in it any more. So does
 * a pod's sandbox container: its engine takes the pod for lost and makes a new one. Others of a VM
 * (podman's --network container:X) outlive X, as they do without one.
 */
static void end_if_last(const struct container *stopped)
{
    struct monitor *m = stopped->m;

    if (m->spec.keep)
        return;
    for (struct container *c = m->containers; c; c = c->next)
        if (!c->dead && (c->status != STATE_STOPPED || !all_finished(c)) &&
            !(m->spec.pod && owns_sandbox(stopped)))
            return;
    teardown_begin(m);
}

void container_check(struct container *c)
{
    if (c->deleting || c->status != STATE_STOPPED || !all_finished(c))
        return;
    loop_disarm(&c->m->loop, &c->timer);
    if (c->reply_delete.conn)
        forget(c);
    else if (!c->creator)
        end_if_last(c);
}

void container_vm_lost(struct container *c)
{
    for (struct process *p = c->processes; p; p = p->next) {
        stdio_guest_gone(p);
        process_exited(p, -SIGKILL);
    }
}

/* The guest has not said in time what must have happened. */
void container_late(void *ctx)
{
    struct container *c = ctx;
    bool killing = c->status != STATE_STOPPED;

    if (c->deleting) {
        log_warn("container '%s': the guest has not removed it in %u ms", c->id, delete_ms(c));
        let_go(c);
        return;
    }
    if (killing)
        log_warn("container '%s': the guest has not killed it in %d ms", c->id,
                 c->agent_silent ? HEAR_TIMEOUT_MS : KILL_TIMEOUT_MS);
    for (struct process *p = c->processes; p; p = p->next) {
        p->no_wait = p->no_wait || killing;
        process_exited(p, -SIGKILL);
        process_try_finish(p);
    }
}
