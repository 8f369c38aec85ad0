/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a sandbox: the agent powers off, where its disks or files are written then, the VM is
 * destroyed, the share unmounted; then who waited for it is told and the monitor exits.
 */
#include <errno.h>
#include <signal.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/timing.h"
#include "monitor/monitor.h"

#define POWEROFF_TIMEOUT_MS 2000
#define POWEROFF_DISKS_MS                                                                          \
    25000 /* what is not yet on the disks has to get there; delete waits 30 s */
#define DESTROY_TIMEOUT_MS 10000
#define DRAIN_TIMEOUT_MS 3000 /* a reader may take nothing for so long */
#define FLUSH_TIMEOUT_MS 1000

/* By the guest: what their inits wrote to the share is there. */
static bool all_told(const struct monitor *m)
{
    for (const struct container *c = m->containers; c; c = c->next)
        if (!c->told)
            return false;
    return m->containers;
}

static bool all_stopped(const struct monitor *m)
{
    for (const struct container *c = m->containers; c; c = c->next)
        if (c->status != STATE_STOPPED)
            return false;
    return m->containers;
}

static struct monitor *monitor_of(struct job *j)
{
    return (struct monitor *)((char *)j - offsetof(struct monitor, end_job));
}

static void end_run(struct job *j)
{
    struct monitor *m = monitor_of(j);

    if (m->boot.vm) {
        m->vm_destroyed = plugin_vm_destroy(m->boot.vm, DESTROY_TIMEOUT_MS, &m->end_err) == 0;
        plugin_vm_close(m->boot.vm);
        m->boot.vm = NULL;
    }
    plugin_close(m->boot.plugin);
    m->boot.plugin = NULL;
}

static bool all_read(const struct monitor *m)
{
    for (const struct container *c = m->containers; c; c = c->next)
        for (const struct process *p = c->processes; p; p = p->next)
            if (p->exited && (!p->finished || !stdio_drained(p)))
                return false;
    return true;
}

/* With the VM gone nothing more is written; what is buffered gets a bounded time to be read. */
static void leave(struct monitor *m)
{
    m->loop.stop = true;
}

static void on_drained(void *ctx)
{
    leave(ctx);
}

static void end_done(struct job *j)
{
    struct monitor *m = monitor_of(j);

    m->vm_gone = true;
    if (m->end_err.code)
        log_error("destroy the VM: %s", m->end_err.msg);
    for (struct container *c = m->containers; c; c = c->next)
        for (struct process *p = c->processes; p; p = p->next)
            stdio_guest_gone(p);
    if (all_read(m)) {
        leave(m);
        return;
    }
    m->drain = (struct loop_timer){.fn = on_drained, .ctx = m};
    loop_arm(&m->loop, &m->drain, deadline_in_ms(DRAIN_TIMEOUT_MS));
}

void teardown_check(struct monitor *m)
{
    if (m->vm_gone && all_read(m))
        leave(m);
}

void teardown_progress(struct monitor *m)
{
    if (m->drain.deadline)
        loop_arm(&m->loop, &m->drain, deadline_in_ms(DRAIN_TIMEOUT_MS));
}

void teardown_destroy(struct monitor *m)
{
    loop_disarm(&m->loop, &m->deadline);
    if (m->end_job.run)
        return;
    if (m->spec.own_network && all_stopped(m))
        network_leave_taps(&m->boot);
    network_drop_taps(&m->boot);
    m->end_job = (struct job){.run = end_run, .done = end_done};
    if (m->worker.started)
        worker_push(&m->worker, &m->end_job);
    else
        end_done(&m->end_job);
}

static void on_poweroff(void *ctx, const struct msg_reply *reply)
{
    struct monitor *m = ctx;

    if (reply->code)
        log_warn("the agent could not power off: %s", reply->text ? reply->text : "no answer");
    teardown_destroy(m);
}

void teardown_wait(struct monitor *m, struct reply_to to)
{
    if (to.conn && m->n_end_waiters < END_WAITERS_MAX)
        m->end_waiters[m->n_end_waiters++] = to;
}

static uint32_t poweroff_ms(const struct monitor *m)
{
    bool volumes = m->spec.n_disks > 0;

    for (const struct container *c = m->containers; c; c = c->next)
        volumes = volumes || c->n_disks > 0 || c->nfs;
    return volumes ? POWEROFF_DISKS_MS : POWEROFF_TIMEOUT_MS;
}

/* A guest that is no machine, whose share is a directory, has to clear its cgroup away. */
static bool needs_poweroff(const struct monitor *m)
{
    return !all_told(m) || m->spec.n_disks > 0 || m->late_writes || m->boot.share_dir;
}

void teardown_begin(struct monitor *m)
{
    enum monitor_phase was = m->phase;
    uint64_t one = 1;

    if (was == MON_ENDING)
        return;
    m->phase = MON_ENDING;
    conn_tell_end(m);
    console_leave(m);
    (void)loop_watch(&m->loop, &m->vm_events, 0);
    if (was == MON_BOOT) {
        (void)!write(m->cancel_fd, &one, sizeof(one));
        return; /* boot_done goes on */
    }
    if (was != MON_READY || m->failed || !m->channel || m->channel_lost || !needs_poweroff(m) ||
        channel_request(m->channel, FRAME_POWEROFF, 0, NULL, on_poweroff, m, NULL) < 0) {
        teardown_destroy(m);
        return;
    }
    agent_link_update(m);
    loop_arm(&m->loop, &m->deadline, deadline_in_ms(poweroff_ms(m)));
}

/* After the loop: containers first, so that their proxies and waiters hear the last word. */
void teardown_finish(struct monitor *m)
{
    for (struct container *c = m->containers; c; c = c->next) {
        if (c->status != STATE_STOPPED && !c->processes->exited) {
            c->processes->exited = true;
            c->processes->status = -SIGKILL;
            container_set_status(c, STATE_STOPPED);
        }
        c->dead = true;
    }
    container_sweep(m);
    channel_free(steal_ptr(&m->channel));
    if (m->state_fd >= 0)
        (void)unlinkat(m->state_fd, IPC_SOCKET, 0);
    if (m->state_fd >= 0 && m->vm_destroyed)
        state_vm_forget(m->state_fd);
    for (size_t i = 0; i < m->n_end_waiters; i++) {
        if (m->end_err.code)
            reply_err(m, &m->end_waiters[i], &m->end_err);
        else
            reply_ok(m, &m->end_waiters[i], NULL, 0);
    }
    conn_flush_all(m, deadline_in_ms(FLUSH_TIMEOUT_MS));
    worker_stop(&m->worker);
}
