/* SPDX-License-Identifier: Apache-2.0 */
/* startContainer hooks: in the container, right before its program, with the state on stdin. */
#include "agent/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"

static int state_file(const char *state, struct err *err)
{
    cleanup_fd int fd = memfd_create("state", MFD_CLOEXEC);
    size_t len = state ? strlen(state) : 0;

    if (fd < 0 || write(fd, state ? state : "", len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)
        return err_set(err, errno, "state for hooks: %m");
    return steal_fd(&fd);
}

#define OUTPUT_MAX 512 /* of a hook that fails, for the sentence; the rest is read and dropped */

struct output {
    char text[OUTPUT_MAX + 1];
    size_t len;
};

/* False when there is nothing more for now, or for ever. */
static bool take_output(int fd, struct output *o)
{
    char buf[OUTPUT_MAX];
    ssize_t n = read(fd, buf, sizeof(buf));
    size_t keep = n > 0 ? MIN((size_t)n, OUTPUT_MAX - o->len) : 0;

    memcpy(o->text + o->len, buf, keep);
    o->len += keep;
    return n > 0;
}

static const char *said(struct output *o)
{
    while (o->len > 0 && (o->text[o->len - 1] == '\n' || o->text[o->len - 1] == ' '))
        o->len--;
    o->text[o->len] = '\0';
    return o->text;
}

static void exec_hook(const struct plan_hook *h, int state, int out)
{
    char *self[] = {h->path, NULL}, *none[] = {NULL};

    (void)dup2(state, 0);
    (void)dup2(out, 1);
    (void)dup2(out, 2);
    (void)execve(h->path, h->args.n ? h->args.v : self, h->env.n ? h->env.v : none);
    _exit(errno == ENOENT ? 127 : 126);
}

/* -1 = it never comes. */
static int alarm_in(uint32_t seconds)
{
    const struct itimerspec when = {.it_value.tv_sec = (time_t)seconds};
    int fd = seconds ? timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC) : -1;

    if (fd >= 0)
        (void)timerfd_settime(fd, 0, &when, NULL);
    return fd;
}

/* Some grandchild may keep the pipe: only the hook's own end counts. True: it is late. */
static bool await_end(int pidfd, int out, uint32_t timeout_s, struct output *o)
{
    cleanup_fd int late = alarm_in(timeout_s);
    struct pollfd p[3] = {{pidfd, POLLIN, 0}, {out, POLLIN, 0}, {late, POLLIN, 0}};

    while (pidfd >= 0 && !p[0].revents && !p[2].revents) {
        if (poll(p, 3, -1) < 0) {
            if (errno != EINTR)
                break;
            continue;
        }
        if (p[1].revents && !take_output(out, o))
            p[1].fd = -1;
    }
    return p[2].revents && !p[0].revents;
}

static int wait_hook(const struct plan_hook *h, pid_t pid, int out, struct err *err)
{
    cleanup_fd int pidfd = sys_pidfd_open(pid);
    int status = 0;
    struct output o = {.len = 0};
    bool late = await_end(pidfd, out, h->timeout_s, &o);

    if (late)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    while (o.len < OUTPUT_MAX && take_output(out, &o))
        ;
    (void)said(&o);
    if (late)
        return err_set(err, ETIMEDOUT, "'%s' took more than %u s", h->path, h->timeout_s);
    if (WIFSIGNALED(status))
        return err_set(err, EIO, "'%s': signal %d%s%s", h->path, WTERMSIG(status),
                       o.len ? ", output: " : "", o.text);
    if (WEXITSTATUS(status))
        return err_set(err, EIO, "'%s': exit status %d%s%s", h->path, WEXITSTATUS(status),
                       o.len ? ", output: " : "", o.text);
    return 0;
}

static int run_one(const struct plan_hook *h, const char *state_text, struct err *err)
{
    cleanup_fd int state = state_file(state_text, err);
    cleanup_fd int ours = -1, theirs = -1;
    int ends[2];
    pid_t pid;

    if (state < 0)
        return state;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, errno, "pipe: %m");
    ours = ends[0];
    theirs = ends[1];
    (void)fcntl(ours, F_SETFL, O_NONBLOCK);
    pid = fork();
    if (pid == 0)
        exec_hook(h, state, theirs);
    close_fd(&theirs);
    return pid < 0 ? err_set(err, errno, "fork: %m") : wait_hook(h, pid, ours, err);
}

int hooks_run(const struct plan_container *c, struct err *err)
{
    for (size_t i = 0; i < c->n_hooks; i++) {
        int r = run_one(&c->hooks[i], c->state, err);

        if (r < 0)
            return err_wrap(err, "error running startContainer hook #%zu", i);
    }
    return 0;
}
