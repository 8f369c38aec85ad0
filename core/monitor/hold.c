/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM that waits for a container. It has run some of the CLI's, which are gone. One more SETUP has
 * the agent prepare for another as it did when it booted; then its virtual CPUs stand still, and
 * nothing here has a timer: until somebody connects nobody is woken.
 */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/timing.h"
#include "monitor/monitor.h"

#define PAUSE_TIMEOUT_MS 10000

static struct monitor *monitor_of(struct job *j)
{
    return (struct monitor *)((char *)j - offsetof(struct monitor, hold) -
                              offsetof(struct hold, job));
}

static void pause_run(struct job *j)
{
    struct monitor *m = monitor_of(j);

    (void)plugin_vm_pause(m->boot.vm, PAUSE_TIMEOUT_MS, &m->hold.err);
}

static void pause_done(struct job *j)
{
    struct monitor *m = monitor_of(j);

    if (m->phase == MON_ENDING)
        return;
    if (m->hold.err.code) {
        reply_err(m, &m->hold.to, &m->hold.err);
        sandbox_fail(m, &m->hold.err);
        return;
    }
    m->phase = MON_HELD;
    m->owner = 0;
    (void)malloc_trim(0);
    log_info("the VM is paused until a container needs it");
    reply_ok(m, &m->hold.to, NULL, 0);
}

void hold_begin(struct monitor *m, struct reply_to to, int *fd)
{
    struct err err = ERR_INIT;

    if (m->phase != MON_READY || !m->spec.keep || m->containers || m->hold.job.run) {
        err_set(&err, EINVAL, "only a VM that was made to be held can be, once it is empty");
        reply_err(m, &to, &err);
        return;
    }
    m->hold =
        (struct hold){.to = to, .fd = steal_fd(fd), .job = {.run = pause_run, .done = pause_done}};
    m->phase = MON_SETUP;
    sandbox_await(m, m->spec.boot_timeout_ms);
    sandbox_set_up(m);
}

bool hold_set_up(struct monitor *m)
{
    if (m->hold.job.run != pause_run)
        return false;
    worker_push(&m->worker, &m->hold.job);
    return true;
}

/* One that its hypervisor lists is listed as the container's before it does anything as that. */
static int rename_vm(struct monitor *m)
{
    cleanup_free struct hvp_kv *metadata = boot_pairs(&m->spec.metadata);

    if (!(plugin_caps(m->boot.plugin)->flags & HVP_CAP_RENAME))
        return 0;
    return plugin_vm_rename(m->boot.vm, m->spec.id, metadata, m->spec.metadata.n, PAUSE_TIMEOUT_MS,
                            &m->hold.err);
}

static void resume_run(struct job *j)
{
    struct monitor *m = monitor_of(j);

    if (rename_vm(m) == 0)
        (void)plugin_vm_resume(m->boot.vm, PAUSE_TIMEOUT_MS, &m->hold.err);
}

static void resume_done(struct job *j)
{
    struct monitor *m = monitor_of(j);

    if (m->phase == MON_ENDING)
        return;
    if (!m->hold.err.code && fault_point("monitor.pool-resumed") < 0)
        err_set(&m->hold.err, EIO, "fault point 'monitor.pool-resumed'");
    if (m->hold.err.code) {
        sandbox_fail(m, &m->hold.err);
        return;
    }
    m->timings.vm_started = now_ns();
    sandbox_await(m, m->spec.boot_timeout_ms);
    sandbox_set_up(m);
}

static void become(struct monitor *m, struct ipc_take *msg)
{
    free(m->spec.id);
    m->spec.id = xstrdup(msg->id);
    kvs_done(&m->spec.metadata);
    m->spec.metadata = msg->metadata;
    msg->metadata = (struct kvs){0};
    m->spec.pod = msg->pod;
    m->spec.keep = 0;
    m->spec.own_network = msg->own_network;
    if (!m->spec.own_network)
        network_drop_taps(&m->boot);
    m->spec.boot_timeout_ms = msg->boot_timeout_ms;
    m->timings = (struct ipc_timings){.begin = now_ns()};
    log_init(m->log_fd, LOG_TEXT, MIN((enum log_level)msg->log_level, LOG_L_DEBUG));
    log_info("the VM is that of container '%s' from now on", msg->id);
}

void hold_take(struct monitor *m, struct reply_to to, struct ipc_take *msg, int sock)
{
    struct err err = ERR_INIT;

    if (m->phase != MON_HELD)
        err_set(&err, EINVAL, "this VM does not wait for a container");
    else if (fd_send(sock, "", 1, &m->hold.fd, 1, &err) == 0 &&
             fault_point("monitor.pool-taken") < 0)
        err_set(&err, EIO, "fault point 'monitor.pool-taken'");
    if (err.code) {
        reply_err(m, &to, &err);
        return;
    }
    close_fd(&m->hold.fd);
    become(m, msg);
    m->owner = to.conn;
    m->reply_sandbox = to;
    m->phase = MON_SETUP;
    m->hold.err = (struct err)ERR_INIT;
    m->hold.job = (struct job){.run = resume_run, .done = resume_done};
    worker_push(&m->worker, &m->hold.job);
}
