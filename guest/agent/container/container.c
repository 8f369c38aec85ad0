/* SPDX-License-Identifier: Apache-2.0 */
/* Containers as the loop sees them: their cgroup, their init process, pause and delete. */
#include "agent/container/container.h"
#include "agent/files/files.h"
#include "agent/storage/storage.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"

struct container *container_find(struct agent *a, const char *id)
{
    struct container *c = a->containers;

    while (c && strcmp(c->plan.id, id) != 0)
        c = c->next;
    return c;
}

struct container *container_of_init(struct agent *a, uint32_t id)
{
    struct container *c = a->containers;

    while (c && c->id != id)
        c = c->next;
    return c;
}

void container_discard(struct agent *a, struct container *c)
{
    struct container **at = &a->containers;
    int r;

    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    if (c->owes_freeze)
        channel_reply(a, c->id, c->freeze_seq, -ESRCH, NULL);
    nfs_cancel(a, c);
    cgroup_kill(c, SIGKILL);
    r = cgroup_remove(a, c);
    if (r < 0)
        agent_log(a, "remove cgroup of '%s': %s, ignoring", c->plan.id, strerror(-r));
    disks_release(a, c); /* the host unplugs them as soon as it hears of it */
    if (c->deleting)
        channel_reply(a, c->id, c->delete_seq, 0, NULL);
    if (c->wait_seq)
        channel_reply(a, c->id, c->wait_seq, -ECANCELED, NULL);
    shm_release(a, &c->plan);
    close_fd(&c->devfilter_fd);
    if (c->usual)
        usual_drop(a);
    close_fd(&c->ipc_fd);
    plan_container_done(&c->plan);
    free(c);
}

static int check_plan(struct agent *a, uint32_t id, const struct plan_container *plan,
                      struct err *err)
{
    if (!plan->id || (!plan->rootfs && !plan->root.disk) || id == 0)
        return err_set(err, EPROTO, "plan without id or root file system");
    if (plan->process.args.n == 0)
        return err_set(err, EINVAL, "process has no arguments");
    if (container_find(a, plan->id) || process_find(a, id) || container_of_init(a, id))
        return err_set(err, EEXIST, "container with id '%s' exists", plan->id);
    if (a->share_fd < 0 && plan->rootfs)
        return err_set(err, ENOTCONN, "the sandbox has no share yet");
    return 0;
}

static int make(struct agent *a, struct container *c, uint32_t seq, struct err *err)
{
    int r = shm_prepare(a, &c->plan, err);

    if (r == 0)
        r = disks_prepare(a, c, err);
    if (r == 0)
        r = cgroup_create(a, c, err);
    if (r == 0)
        r = process_spawn(a, c, c->id, seq, true, &c->plan.process, err);
    if (r < 0)
        sparechild_drop(a); /* it is in the cgroup, which goes now */
    return r;
}

void container_disks_there(struct agent *a, struct container *c)
{
    const char *missing = disks_missing(a, &c->plan);
    uint32_t seq = c->wait_seq, id = c->id;
    struct err err = ERR_INIT;
    int r;

    c->wait_seq = 0;
    if (missing)
        r = err_set(&err, ENODEV, "disk '%s' has not appeared in the VM", missing);
    else
        r = make(a, c, seq, &err);
    if (r == 0)
        return;
    container_discard(a, c);
    channel_reply(a, id, seq, r, &err);
}

/* Takes what is in *plan. */
int container_create(struct agent *a, uint32_t id, uint32_t seq, struct plan_container *plan,
                     struct wire body, struct err *err)
{
    struct container *c;
    int r = check_plan(a, id, plan, err);

    if (r < 0)
        return r;
    c = calloc(1, sizeof(*c));
    if (!c)
        return err_set(err, ENOMEM, "container: %m");
    *c = (struct container){.id = id,
                            .cgroup_fd = -1,
                            .devfilter_fd = -1,
                            .watch_memory = -1,
                            .watch_events = -1,
                            .ipc_fd = -1,
                            .plan = *plan,
                            .request = body,
                            .next = a->containers};
    memset(plan, 0, sizeof(*plan));
    a->containers = c;
    r = disks_await(a, c, err);
    if (r == 0)
        c->wait_seq = seq;
    else if (r > 0)
        r = make(a, c, seq, err);
    c->request = (struct wire){0};
    if (r < 0)
        container_discard(a, c);
    return r;
}

int container_exec(struct agent *a, uint32_t id, uint32_t seq, struct msg_exec *m, struct err *err)
{
    struct container *c = m->container ? container_find(a, m->container) : NULL;

    if (!c)
        return err_set(err, ENOENT, "container does not exist");
    /* Also before START, as in runc; in P_SETUP there is no container yet, and it may come to none.
     */
    if (!c->init || c->init->state == P_SETUP || c->init->state == P_DEAD || c->deleting)
        return err_set(err, ESRCH, "container not running");
    if (c->frozen || c->owes_freeze)
        return err_set(err, EBUSY, "cannot exec in a paused container");
    if (m->process.args.n == 0)
        return err_set(err, EINVAL, "process has no arguments");
    if (id == 0 || process_find(a, id))
        return err_set(err, EEXIST, "process %u exists", id);
    return process_spawn(a, c, id, seq, false, &m->process, err);
}

/* "oom_kill" counts whoever kills, "oom" only the cgroup's own limit. */
static void tell_oom(struct agent *a, struct container *c)
{
    uint64_t ooms = cgroup_key(c->cgroup_fd, "memory.events", "oom");
    struct msg_oom m = {.where = MSG_OOM_MACHINE};
    struct wbuf w = {0};

    if (ooms == PLAN_UNSET)
        m.where = MSG_OOM_UNKNOWN;
    else if (ooms > c->ooms)
        m = (struct msg_oom){MSG_OOM_CGROUP, cgroup_number(c->cgroup_fd, "memory.max")};
    if (m.limit == PLAN_UNSET)
        m.limit = 0;
    c->ooms = ooms;
    msg_oom_put(&w, &m);
    channel_send(a, FRAME_OOM, c->id, 0, w.data, w.len);
    wbuf_done(&w);
}

/* OOM kills since the last look, for the OOM event and the init's EXITED. */
static void look_for_oom(struct agent *a, struct container *c)
{
    uint64_t n = c->cgroup_fd < 0 ? 0 : cgroup_key(c->cgroup_fd, "memory.events", "oom_kill");

    if (n == PLAN_UNSET || n <= c->oom_kills)
        return;
    c->oom_kills = n;
    if (c->init)
        c->init->oom = 1;
    tell_oom(a, c);
}

/* With a pid namespace of its own the kernel has killed the rest already. */
void container_init_gone(struct agent *a, struct container *c)
{
    look_for_oom(a, c);
    if (c->plan.ns[PLAN_NS_PID] != PLAN_NS_NEW)
        cgroup_kill(c, SIGKILL);
    if (c->frozen && c->cgroup_fd >= 0) {
        (void)cgroup_write(c->cgroup_fd, "cgroup.freeze", "0");
        c->frozen = false;
    }
}

int container_freeze(struct agent *a, struct container *c, uint32_t seq, bool freeze,
                     struct err *err)
{
    int r;

    if (!c->init || c->init->state == P_DEAD)
        return err_set(err, ESRCH, "container not running");
    if (c->cgroup_fd < 0)
        return err_set(err, ENOTSUP, "no cgroup v2, cannot pause");
    if (c->owes_freeze)
        return err_set(err, EBUSY, "another pause or resume is under way");
    r = cgroup_write(c->cgroup_fd, "cgroup.freeze", freeze ? "1" : "0");
    if (r < 0)
        return err_set(err, -r, "cgroup.freeze: %m");
    c->freeze_seq = seq;
    c->freeze_wanted = freeze;
    c->owes_freeze = true;
    container_changed(a, c);
    return 0;
}

static void freeze_progress(struct agent *a, struct container *c)
{
    struct err err = ERR_INIT;
    int r = 0;

    if (!c->owes_freeze)
        return;
    if (!c->init || c->init->state == P_DEAD)
        r = err_set(&err, ESRCH, "container not running");
    else if (cgroup_is_frozen(c) != c->freeze_wanted)
        return;
    else
        c->frozen = c->freeze_wanted;
    c->owes_freeze = false;
    channel_reply(a, c->id, c->freeze_seq, r, &err);
}

static void delete_progress(struct agent *a, struct container *c)
{
    if (!c->deleting || processes_alive(a, c) || cgroup_populated(c))
        return;
    processes_forget(a, c);
    container_discard(a, c);
}

int container_delete(struct agent *a, struct container *c, uint32_t seq, struct err *err)
{
    if (c->deleting)
        return err_set(err, EALREADY, "container is being deleted");
    c->deleting = true;
    c->delete_seq = seq;
    cgroup_kill(c, SIGKILL);
    for (struct process *p = a->processes; p; p = p->next)
        if (p->container == c && p->pidfd.fd >= 0)
            (void)sys_pidfd_send_signal(p->pidfd.fd, SIGKILL);
    delete_progress(a, c);
    return 0;
}

/* The last writes must be in the share before the machine goes: first all die, then sync. */
static void power_off_progress(struct agent *a)
{
    if (!a->powering_off || a->stop)
        return;
    for (struct process *p = a->processes; p; p = p->next)
        if (p->pidfd.fd >= 0)
            return;
    for (struct container *c = a->containers; c; c = c->next)
        if (cgroup_populated(c))
            return;
    for (struct container *c = a->containers; c; c = c->next)
        disks_power_off(a, c); /* the host finds its images clean */
    machine_sync_share(a);     /* not all: servers of volumes may be gone */
    channel_reply(a, 0, a->poweroff_seq, 0, NULL);
    a->stop = true;
}

/* May free c; c may be NULL. */
void container_changed(struct agent *a, struct container *c)
{
    if (c) {
        look_for_oom(a, c);
        freeze_progress(a, c);
        delete_progress(a, c);
    }
    power_off_progress(a);
}

void containers_kill_all(struct agent *a)
{
    for (struct container *c = a->containers; c; c = c->next)
        cgroup_kill(c, SIGKILL);
    for (struct process *p = a->processes; p; p = p->next)
        if (p->pidfd.fd >= 0)
            (void)sys_pidfd_send_signal(p->pidfd.fd, SIGKILL);
}

/* A host keeps running when its guest ends, and so do sanitizers, which want to see all freed. */
void containers_done(struct agent *a)
{
    while (a->containers) {
        struct container *c = a->containers;

        processes_forget(a, c);
        container_discard(a, c);
    }
}

void containers_power_off(struct agent *a, uint32_t seq)
{
    a->powering_off = true;
    a->poweroff_seq = seq;
    containers_kill_all(a);
    power_off_progress(a);
}
