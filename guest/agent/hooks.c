/* SPDX-License-Identifier: Apache-2.0 */
/* startContainer hooks: in the container, right before its program, with the state on stdin. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
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

static void exec_hook(const struct plan_hook *h, int state)
{
    char *self[] = {h->path, NULL}, *none[] = {NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)dup2(state, 0);
    if (null >= 0) {
        (void)dup2(null, 1);
        (void)dup2(null, 2);
    }
    (void)execve(h->path, h->args.n ? h->args.v : self, h->env.n ? h->env.v : none);
    _exit(errno == ENOENT ? 127 : 126);
}

static int wait_hook(const struct plan_hook *h, pid_t pid, struct err *err)
{
    cleanup_fd int pidfd = sys_pidfd_open(pid);
    struct pollfd p = {.fd = pidfd, .events = POLLIN};
    int timeout = h->timeout_s && h->timeout_s < 1000000 ? (int)h->timeout_s * 1000 : -1,
        status = 0;
    bool late = pidfd >= 0 && poll(&p, 1, timeout) == 0;

    if (late)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (late)
        return err_set(err, ETIMEDOUT, "'%s' took more than %u s", h->path, h->timeout_s);
    if (WIFSIGNALED(status))
        return err_set(err, EIO, "'%s': signal %d", h->path, WTERMSIG(status));
    if (WEXITSTATUS(status))
        return err_set(err, EIO, "'%s': exit status %d", h->path, WEXITSTATUS(status));
    return 0;
}

int hooks_run(const struct plan_container *c, struct err *err)
{
    for (size_t i = 0; i < c->n_hooks; i++) {
        cleanup_fd int state = state_file(c->state, err);
        pid_t pid = state < 0 ? -1 : fork();
        int r;

        if (state < 0)
            return state;
        if (pid == 0)
            exec_hook(&c->hooks[i], state);
        r = pid < 0 ? err_set(err, errno, "fork: %m") : wait_hook(&c->hooks[i], pid, err);
        if (r < 0)
            return err_wrap(err, "error running startContainer hook #%zu", i);
    }
    return 0;
}
