/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"
#include "base/timing.h"
#include "monitor/monitor.h"

#define CONSOLE_MAX (4 << 20) /* bytes of console.log: state lives in the host's memory */
#define CONSOLE_PAUSE_MS 1000 /* between two looks at it */
#define OPEN_TIMEOUT_MS 10000

struct console_job {
    struct job job; /* first: the worker's handle */
    struct monitor *m;
    struct reply_to to;
    int sock;
    struct err err;
};

static void pass_run(struct job *j)
{
    struct console_job *c = (struct console_job *)j;
    cleanup_fd int fd = -1;

    if (!c->m->boot.vm)
        err_set_phase(&c->err, PHASE_VMM, ESHUTDOWN, "the VM is gone");
    else if (plugin_vm_console_open(c->m->boot.vm, OPEN_TIMEOUT_MS, &fd, &c->err) == 0)
        (void)fd_send(c->sock, "", 1, &fd, 1, &c->err);
}

static void pass_done(struct job *j)
{
    struct console_job *c = (struct console_job *)j;

    if (c->err.code)
        reply_err(c->m, &c->to, &c->err);
    else
        reply_ok(c->m, &c->to, NULL, 0);
    close_fd(&c->sock);
    free(c);
}

void console_pass(struct monitor *m, struct reply_to to, int *sock)
{
    struct console_job *c = xcalloc(1, sizeof(*c));

    *c = (struct console_job){.job = {.run = pass_run, .done = pass_done},
                              .m = m,
                              .to = to,
                              .sock = steal_fd(sock),
                              .err = ERR_INIT};
    worker_push(&m->worker, &c->job);
}

/* The VMM appends, so that it goes on at the new end. */
static void on_console(void *ctx, uint32_t events)
{
    struct monitor *m = ctx;
    cleanup_fd int fd = openat(m->state_fd, CONSOLE_NAME, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    char buf[4096];
    struct stat st;

    (void)events;
    while (read(m->console.fd, buf, sizeof(buf)) > 0)
        ;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size > CONSOLE_MAX && ftruncate(fd, 0) == 0)
        log_warn("the guest has filled its console's log of %d MiB, emptied", CONSOLE_MAX >> 20);
    (void)loop_watch(&m->loop, &m->console, 0);
    loop_arm(&m->loop, &m->console_pause, deadline_in_ms(CONSOLE_PAUSE_MS));
}

static void on_pause_end(void *ctx)
{
    struct monitor *m = ctx;

    (void)loop_watch(&m->loop, &m->console, EPOLLIN);
}

void console_guard(struct monitor *m)
{
    cleanup_free char *path = path_join(m->spec.state_dir, CONSOLE_NAME);
    cleanup_fd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    if (fd < 0 || (m->console_watch = inotify_add_watch(fd, path, IN_MODIFY)) < 0)
        return;
    m->console = (struct loop_source){.fd = steal_fd(&fd), .fn = on_console, .ctx = m};
    m->console_pause = (struct loop_timer){.fn = on_pause_end, .ctx = m};
    (void)loop_watch(&m->loop, &m->console, EPOLLIN);
}

/*
 * The kernel frees a watch after a grace period, for which the end of this process would wait, and
 * who deletes the container for that: so it begins early.
 */
void console_leave(struct monitor *m)
{
    if (m->console_watch <= 0)
        return;
    (void)loop_watch(&m->loop, &m->console, 0);
    (void)inotify_rm_watch(m->console.fd, m->console_watch);
    m->console_watch = 0;
}
