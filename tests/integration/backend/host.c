/* SPDX-License-Identifier: Apache-2.0 */
#include "host.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FD_ABOVE 200 /* numbers that no map of a plug-in asks for */

static void host_log(void *cookie, int level, const char *msg)
{
    (void)cookie;
    fprintf(stderr, "# plug-in log %d: %s\n", level, msg);
}

static int host_cancelled(void *cookie)
{
    (void)cookie;
    return 0;
}

/* Put the mapped descriptors where they belong: first out of the way, then into place. */
static int place_fds(const struct hvp_spawn *w, int report)
{
    int moved[64], null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (w->n_fds > 64 || null < 0)
        return -1;
    for (size_t i = 0; i < w->n_fds; i++)
        moved[i] = fcntl(w->fds[i].parent_fd, F_DUPFD_CLOEXEC, FD_ABOVE);
    for (int fd = 0; fd < 3; fd++)
        dup2(null, fd);
    for (size_t i = 0; i < w->n_fds; i++)
        if (dup2(moved[i], w->fds[i].child_fd) < 0)
            return -1;
    (void)report;
    return 0;
}

static void child(const struct hvp_spawn *w, int report)
{
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    sigset_t none;
    int e;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    report = fcntl(report, F_DUPFD_CLOEXEC, FD_ABOVE);
    prctl(PR_SET_PDEATHSIG, w->death_signal);
    for (size_t i = 0; i < w->n_rlimits; i++) {
        const struct rlimit r = {.rlim_cur = w->rlimits[i].soft, .rlim_max = w->rlimits[i].hard};

        setrlimit(w->rlimits[i].resource, &r);
    }
    if (place_fds(w, report) == 0 && chdir(w->cwd ? w->cwd : "/") == 0)
        execve(w->argv[0], (char *const *)w->argv, (char *const *)(w->envp ? w->envp : env));
    e = errno;
    if (write(report, &e, sizeof(e)) < 0)
        _exit(126);
    _exit(127);
}

static int host_spawn(void *cookie, const struct hvp_spawn *w, int32_t *ret_pid, int *ret_pidfd,
                      struct hvp_error *err)
{
    int report[2], e = 0;
    ssize_t n;
    pid_t pid;

    (void)cookie;
    if (getenv("DRIVER_VERBOSE"))
        for (const char *const *a = w->argv; *a; a++)
            fprintf(stderr, "# argv: %s\n", *a);
    if (pipe2(report, O_CLOEXEC) < 0)
        return hvp_fail(err, errno, "pipe: %m");
    pid = fork();
    if (pid == 0)
        child(w, report[1]);
    close(report[1]);
    n = read(report[0], &e, sizeof(e));
    close(report[0]);
    if (pid < 0 || n > 0) {
        if (pid > 0)
            waitpid(pid, NULL, 0);
        return hvp_fail(err, n > 0 ? e : EAGAIN, "start '%s': %s", w->argv[0],
                        strerror(n > 0 ? e : EAGAIN));
    }
    *ret_pid = pid;
    *ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    return 0;
}

const struct hvp_host test_host = {
    .struct_size = sizeof(struct hvp_host),
    .abi = HVP_ABI,
    .instance = "test",
    .arch = "x86_64",
    .version = "test",
    .cancel_fd = -1,
    .log = host_log,
    .cancelled = host_cancelled,
    .spawn = host_spawn,
};
