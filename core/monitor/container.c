/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/timing.h"
#include "monitor/disks.h"
#include "monitor/monitor.h"
#include "proto/plan.h"

#define KILL_TIMEOUT_MS 10000   /* from SIGKILL to the guest's word that init is gone */
#define HEAR_TIMEOUT_MS 3000    /* from SIGKILL to the agent's word that it has sent it */
#define LINGER_TIMEOUT_MS 2000  /* from init's exit to those of its execs */
#define DELETE_TIMEOUT_MS 10000 /* for the guest to let go of a container of several */
#define SILENT_DELETE_MS 1000   /* the same, of an agent that did not hear of the SIGKILL */

static void on_timer(void *ctx);

struct container *container_find(struct monitor *m, const char *id)
{
    struct container *c = m->containers;

    while (c && (c->dead || strcmp(c->id, id) != 0))
        c = c->next;
    return c;
}

static struct process *init_of(const struct container *c)
{
    return c->processes;
}

void container_set_status(struct container *c, enum state_status status)
{
    struct err err = ERR_INIT;
    int code = 0;

    if (status == STATE_STOPPED)
        code = init_of(c)->status < 0 ? 128 - init_of(c)->status : init_of(c)->status;
    c->status = status;
    if (state_status_write(c->state_fd, status, code, &err) < 0 && err.code != ENOENT)
        log_error("container '%s': write status: %s", c->id, err.msg);
}

static void container_free(struct container *c)
{
    struct err err = {ECANCELED, PHASE_NONE, "the container has been removed"};

    reply_err(c->m, &c->reply_create, &err);
    loop_disarm(&c->m->loop, &c->timer);
    while (c->processes) {
        struct process *p = c->processes;

        c->processes = p->next;
        process_free(p);
    }
    share_detach(c->m, c);
    disks_hide(c->m->spec.host_mounts, c->disks, c->n_disks);
    ipc_create_done(&(struct ipc_create){.disks = c->disks, .n_disks = c->n_disks});
    reply_ok(c->m, &c->reply_delete, NULL, 0);
    close_fd(&c->state_fd);
    strv_done(&c->mounts);
    free(c->plan);
    free(c->id);
    free(c);
}

static void sweep_processes(struct container *c)
{
    struct process **p = &c->processes;

    while (*p) {
        struct process *gone = *p;

        /* An exec that nobody waits for any more, and whose streams have ended. */
        if (!gone->init && gone->finished && gone->io[1].mode == STDIO_CLOSED &&
            gone->io[2].mode == STDIO_CLOSED)
            gone->dead = true;
        if (!gone->dead) {
            p = &gone->next;
            continue;
        }
        *p = gone->next;
        process_free(gone);
    }
}

void container_sweep(struct monitor *m)
{
    struct container **p = &m->containers;

    while (*p) {
        struct container *c = *p;

        if (!c->dead) {
            sweep_processes(c);
            p = &c->next;
            continue;
        }
        *p = c->next;
        container_free(c);
    }
}

/* How the program wants its streams is in the plan, which else is the agent's business. */
static int look_into_plan(const struct ipc_create *msg, bool *ret_stdin, struct err *err)
{
    struct plan_container plan;

    if (plan_container_get(wire_over(msg->plan, msg->plan_len), &plan) < 0)
        return err_set(err, EPROTO, "the plan of container '%s' is malformed", msg->id);
    *ret_stdin = plan.process.flags & PLAN_P_STDIN;
    plan_container_done(&plan);
    return 0;
}

/* Takes over state_fd. */
static struct container *container_new(struct monitor *m, const struct ipc_create *msg,
                                       int state_fd)
{
    struct container *c = xcalloc(1, sizeof(*c)), **end = &m->containers;

    c->m = m;
    c->id = xstrdup(msg->id);
    c->status = STATE_CREATING;
    c->state_fd = state_fd;
    c->plan = xmemdup(msg->plan, msg->plan_len);
    c->plan_len = msg->plan_len;
    c->timer = (struct loop_timer){.fn = on_timer, .ctx = c};
    while (*end)
        end = &(*end)->next;
    *end = c;
    return c;
}

static int attach_mounts(struct container *c, const struct ipc_create *msg, const int *fds,
                         size_t n_fds, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < msg->n_mounts && r == 0; i++)
        r = share_attach(c->m, c, &msg->mounts[i], fds[i], err);
    if (r == 0)
        r = disks_show(c->m->spec.host_mounts, c->disks, c->n_disks, fds + msg->n_mounts,
                       n_fds - msg->n_mounts, err);
    if (r == 0 && (r = fault_point("monitor.container-mounted")) < 0)
        r = err_set(err, -r, "fault point 'monitor.container-mounted'");
    return r < 0 ? err_in_phase(err, PHASE_STORAGE) : 0;
}

static int check_create(struct monitor *m, const struct ipc_create *msg, size_t n_fds,
                        struct err *err)
{
    if (n_fds < IPC_CREATE_FDS + msg->n_mounts)
        return err_set(err, EPROTO, "%zu descriptors came with %zu mounts", n_fds, msg->n_mounts);
    if (m->phase == MON_NEW || m->phase == MON_ENDING)
        return err_set(err, ESHUTDOWN, "the sandbox '%s' is ending", m->spec.id ? m->spec.id : "");
    if (str_check_id(msg->id, err) < 0)
        return -err->code;
    if (container_find(m, msg->id))
        return err_set(err, EEXIST, "container with id '%s' already exists", msg->id);
    return 0;
}

/* On failure the container, if it was made, is dead. fds are taken or left to the caller. */
int container_create(struct monitor *m, struct conn *creator, uint32_t seq, struct ipc_create *msg,
                     int *fds, size_t n_fds, struct err *err)
{
    struct container *c;
    bool want_stdin = false;
    int r;

    if (m->phase == MON_READY)
        m->timings.create_asked = now_ns();
    if ((r = check_create(m, msg, n_fds, err)) < 0 ||
        (r = look_into_plan(msg, &want_stdin, err)) < 0)
        return r;
    c = container_new(m, msg, steal_fd(&fds[4]));
    c->creator = creator->number;
    c->n_disks = msg->n_disks;
    c->disks = steal_ptr(&msg->disks);
    msg->n_disks = 0;
    (void)process_new(c, true, fds, msg->terminal, want_stdin, &msg->proxy);
    r = attach_mounts(c, msg, fds + IPC_CREATE_FDS, n_fds - IPC_CREATE_FDS, err);
    if (r < 0) {
        container_undo(c);
        return r;
    }
    c->reply_create = (struct reply_to){creator->number, seq};
    if (m->phase == MON_READY)
        container_send_create(c);
    return 0;
}

static void on_created(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    struct container *c = p->c;
    struct err err = {EIO, PHASE_NONE, "fault point 'monitor.container-created'"};

    (void)to; /* it is kept with the container, for it may be undone before */
    if (c->m->phase == MON_ENDING || (reply->code == EPIPE && !reply->text))
        return; /* the channel is lost: whoever noticed gives the reason */
    if (reply->code == 0 && fault_point("monitor.container-created") == 0) {
        c->m->timings.created = now_ns();
        if (c->status == STATE_CREATING)
            container_set_status(c, STATE_CREATED);
        process_resize(p);
        reply_ok(c->m, &c->reply_create, NULL, 0);
        return;
    }
    if (reply->code) {
        reply_agent(c->m, &c->reply_create, reply, PHASE_PROCESS);
        c->sent = false; /* the guest has nothing of it */
    } else {
        reply_err(c->m, &c->reply_create, &err);
    }
    container_undo(c);
}

/* Its disks first: the agent waits for them, but not for ever. */
void container_send_create(struct container *c)
{
    struct wbuf plan = {.data = c->plan, .len = c->plan_len};
    struct reply_to nobody = {0};
    struct err err = ERR_INIT;

    if (c->n_plugged < c->n_disks) {
        disks_plug(c);
        return;
    }

    if (process_open(init_of(c), &err) < 0 ||
        agent_call(init_of(c), FRAME_CREATE, &plan, on_created, nobody, &err) < 0) {
        reply_err(c->m, &c->reply_create, &err);
        container_undo(c);
        return;
    }
    c->sent = true;
    free(steal_ptr(&c->plan));
}

void container_commit(struct container *c)
{
    c->creator = 0;
    container_check(c); /* it may have ended meanwhile */
}

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
    if (!others_left(c) || owns_sandbox(c)) {
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
static void on_timer(void *ctx)
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
