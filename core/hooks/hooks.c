/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/hooks.h"
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "base/str.h"
#include "base/timing.h"
#include "hooks/output.h"

struct running {
    pid_t pid;
    int pidfd, out; /* out: stdout and stderr of the hook, non-blocking */
    struct output said;
};

static void running_done(struct running *h)
{
    close_fd(&h->pidfd);
    close_fd(&h->out);
}

/* A file with the state, at its beginning: a hook that does not read it blocks nobody. */
static int state_file(const char *json, struct err *err)
{
    cleanup_fd int fd = memfd_create("anyvisor-hook-state", MFD_CLOEXEC);

    if (fd < 0)
        return err_set(err, errno, "memfd_create: %m");
    if (fd_write_all(fd, json, strlen(json), err) < 0)
        return err_wrap(err, "state for hooks");
    if (lseek(fd, 0, SEEK_SET) < 0)
        return err_set(err, errno, "lseek: %m");
    return steal_fd(&fd);
}

static int spawn(const struct oci_hook *hook, const struct hooks_run *how, struct running *h,
                 struct err *err)
{
    static const char *const no_env[] = {NULL};
    const char *const just_path[] = {hook->path, NULL};
    cleanup_fd int state = state_file(how->state_json, err);
    cleanup_fd int out = -1;
    int ends[2];

    if (state < 0)
        return state;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, errno, "pipe: %m");
    h->out = ends[0];
    out = ends[1];
    if (fd_nonblock(h->out, 1, err) < 0)
        return -err->code;

    struct proc_spawn child = {
        .path = hook->path,
        .argv = hook->args.n ? (const char *const *)hook->args.v : just_path,
        .envp = hook->env.n ? (const char *const *)hook->env.v : no_env,
        .fds = (struct proc_fd_map[]){{state, 0}, {out, 1}, {out, 2}},
        .n_fds = 3,
        .setns_fds = how->namespaces,
        .n_setns = how->n_namespaces,
        .cwd = how->cwd,
        .death_signal = SIGKILL,
        .new_session = 1,
    };
    return proc_spawn(&child, &h->pid, &h->pidfd, err);
}

/* The pipe may outlive the hook in some grandchild: only the hook's own end counts. */
static int wait_gone(struct running *h, const struct hooks_run *how, uint64_t deadline)
{
    struct pollfd p[3] = {{h->pidfd, POLLIN, 0},
                          {h->out, POLLIN, 0},
                          {how->can_cancel ? how->cancel_fd : -1, POLLIN, 0}};

    while (!p[0].revents) {
        int n = poll(p, 3, deadline_left_ms(deadline));

        if (n == 0)
            return -ETIMEDOUT;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (p[2].revents && !p[0].revents)
            return -EINTR;
        if (p[1].revents && !output_take(&h->said, h->out))
            p[1].fd = -1;
    }
    (void)output_take(&h->said, h->out);
    return 0;
}

static int judge(const struct running *h, int status, struct err *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status))
        return err_set(err, ECANCELED, "exit status %d, output: %s", WEXITSTATUS(status),
                       h->said.tail);
    return err_set(err, ECANCELED, "signal: %s, output: %s",
                   signal_name(WTERMSIG(status)) ? signal_name(WTERMSIG(status)) : "unknown",
                   h->said.tail);
}

static int run_one(const struct oci_hook *hook, const struct hooks_run *how, struct err *err)
{
    cleanup_call(running_done) struct running h = {.pidfd = -1, .out = -1};
    uint64_t deadline =
        hook->timeout_s ? now_ns() + (uint64_t)hook->timeout_s * 1000000000u : DEADLINE_NEVER;
    int r = spawn(hook, how, &h, err);
    int status, waited;

    if (r < 0)
        return r;
    waited = wait_gone(&h, how, deadline);
    if (waited < 0) {
        (void)kill(-h.pid, SIGKILL); /* its session: setsid made it the leader */
        (void)syscall(SYS_pidfd_send_signal, h.pidfd, SIGKILL, NULL, 0);
    }
    if ((r = proc_reap(h.pidfd, &status, err)) < 0)
        return r;
    if (waited == -ETIMEDOUT)
        return err_set(err, ETIMEDOUT, "killed after its timeout of %u s, output: %s",
                       hook->timeout_s, h.said.tail);
    if (waited == -EINTR)
        return err_set(err, EINTR, "killed: the command that ran it was interrupted");
    if (waited < 0)
        return err_set(err, -waited, "wait for it: %m");
    return judge(&h, status, err);
}

static int run_numbered(const struct oci_hooks *hooks, size_t i, const struct hooks_run *how,
                        struct err *err)
{
    if (run_one(&hooks->v[i], how, err) < 0)
        return err_wrap(err, "error running %s hook #%zu ('%s')", oci_hook_name(how->kind), i,
                        hooks->v[i].path);
    return 0;
}

int hooks_run(const struct oci_hooks *hooks, const struct hooks_run *how, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < hooks->n && r == 0; i++)
        r = run_numbered(hooks, i, how, err);
    return r;
}

void hooks_run_all(const struct oci_hooks *hooks, const struct hooks_run *how,
                   void (*warn)(const char *sentence))
{
    for (size_t i = 0; i < hooks->n; i++) {
        struct err err = ERR_INIT;

        if (run_numbered(hooks, i, how, &err) < 0)
            warn(err.msg);
    }
}
