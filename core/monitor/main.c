/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anyvisor-monitor: owns one sandbox. Started by the CLI with its connection as fd 3, on which
 * IPC_SANDBOX comes first; lives until the sandbox has ended.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "monitor/monitor.h"

static void sweep(void *ctx)
{
    struct monitor *m = ctx;

    sandbox_sweep(m);
    container_sweep(m);
    conn_sweep(m);
    teardown_check(m);
}

static void on_signal(void *ctx, uint32_t events)
{
    struct monitor *m = ctx;
    struct signalfd_siginfo info;

    (void)events;
    if (read(m->signals.fd, &info, sizeof(info)) != sizeof(info))
        return;
    log_info("signal %u: ending the sandbox", info.ssi_signo);
    teardown_begin(m);
}

/* Nothing of the caller stays: its terminal, its session, its descriptors. */
static int detach(struct err *err)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        return err_set(err, errno, "open /dev/null: %m");
    for (int fd = 0; fd < 3; fd++)
        if (dup2(null, fd) < 0)
            return err_set(err, errno, "replace descriptor %d: %m", fd);
    (void)close_range(IPC_FIRST_FD + 1, ~0U, 0);
    if (fcntl(IPC_FIRST_FD, F_SETFD, FD_CLOEXEC) < 0)
        return err_set(err, errno, "this program is started by anyvisor only");
    (void)setsid(); /* fails where the CLI has already made one */
    umask(022);
    return chdir("/") < 0 ? err_set(err, errno, "chdir /: %m") : 0;
}

static int take_signals(struct monitor *m, struct err *err)
{
    sigset_t set;
    int r;

    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    m->signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (m->signals.fd < 0)
        return err_set(err, errno, "signalfd: %m");
    m->signals.fn = on_signal;
    m->signals.ctx = m;
    r = loop_watch(&m->loop, &m->signals, EPOLLIN);
    return r < 0 ? err_set(err, -r, "watch signals: %m") : 0;
}

static int run(struct monitor *m, struct err *err)
{
    int r;

    if ((r = loop_init(&m->loop, sweep, m, err)) < 0 || (r = take_signals(m, err)) < 0)
        return r;
    m->owner = conn_add(m, IPC_FIRST_FD, NULL)->number;
    r = loop_run(&m->loop, err);
    teardown_finish(m);
    return r;
}

int main(void)
{
    static struct monitor m = {.state_fd = -1,
                               .log_fd = -1,
                               .share_fd = -1,
                               .cancel_fd = -1,
                               .hold = {.fd = -1},
                               .forward = {.listener = {.fd = -1}, .link = -1},
                               .resolver = {.fd = -1},
                               .clock = {.timer = {.fd = -1}},
                               .vm_events = {.fd = -1}};
    struct err err = ERR_INIT;

    log_init(-1, LOG_TEXT, LOG_L_ERROR);
    prctl(PR_SET_NAME, "anyvisor-monitor");
    mallopt(M_ARENA_MAX, 1); /* the worker's own would cost memory and gain nothing */
    if (detach(&err) < 0 || run(&m, &err) < 0) {
        log_error("%s", err.msg);
        return 1;
    }
    return 0;
}
