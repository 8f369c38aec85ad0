/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/timing.h"
#include "monitor/disks.h"
#include "monitor/monitor.h"
#include "proto/plan.h"

struct container *container_find(struct monitor *m, const char *id)
{
    struct container *c = m->containers;

    while (c && (c->dead || strcmp(c->id, id) != 0))
        c = c->next;
    return c;
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
        if (!gone->init && gone->finished && stdio_ended(gone))
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

/* What of the plan is not the agent's business alone. */
struct glance {
    bool wants_stdin;
    bool nfs;         /* START has a prelude */
    bool late_writes; /* others of it may write after its init has ended: see monitor.h */
};

static int look_into_plan(const struct ipc_create *msg, struct glance *ret, struct err *err)
{
    struct plan_container plan;

    if (plan_container_get(wire_over(msg->plan, msg->plan_len), &plan) < 0)
        return err_set(err, EPROTO, "the plan of container '%s' is malformed", msg->id);
    ret->wants_stdin = plan.process.flags & PLAN_P_STDIN;
    for (size_t i = 0; i < plan.n_mounts; i++)
        ret->nfs = ret->nfs || plan.mounts[i].kind == PLAN_M_NFS;
    ret->late_writes = ret->nfs || msg->n_disks > 0 || plan.ns[PLAN_NS_PID] != PLAN_NS_NEW;
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
    c->timer = (struct loop_timer){.fn = container_late, .ctx = c};
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
    if (m->phase == MON_NEW || m->phase == MON_HELD || m->phase == MON_ENDING)
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
    struct glance plan = {0};
    int r;

    if (m->phase == MON_READY)
        m->timings.create_asked = now_ns();
    if ((r = check_create(m, msg, n_fds, err)) < 0 || (r = look_into_plan(msg, &plan, err)) < 0)
        return r;
    c = container_new(m, msg, steal_fd(&fds[4]));
    c->creator = creator->number;
    c->nfs = plan.nfs;
    m->late_writes = m->late_writes || plan.late_writes;
    c->n_disks = msg->n_disks;
    c->disks = steal_ptr(&msg->disks);
    msg->n_disks = 0;
    (void)process_new(c, true, fds, msg->terminal, plan.wants_stdin, &msg->proxy);
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
