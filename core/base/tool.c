/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tool.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"

#define SAID_MAX 4096

/* A path of one of the names, from the folders of system programs; NULL = none is installed. */
static char *find(const char *const *names)
{
    static const char *const folders[] = {"/usr/sbin", "/sbin",           "/usr/bin",
                                          "/bin",      "/usr/local/sbin", "/usr/local/bin"};

    for (; *names; names++)
        for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
            char *path = path_join(folders[i], *names);

            if (access(path, X_OK) == 0)
                return path;
            free(path);
        }
    return NULL;
}

/* The last line that is not empty, as the end of our sentence. */
static void last_line(char *text)
{
    size_t n = strlen(text);
    char *start;

    while (n > 0 && strchr(" \n\r\t", text[n - 1]))
        text[--n] = '\0';
    start = strrchr(text, '\n');
    if (start)
        memmove(text, start + 1, strlen(start + 1) + 1);
}

/* 0: there is something to read, or the end; -EINTR: cancelled. */
static int wait_word(int fd, int cancel_fd)
{
    struct pollfd p[2] = {{fd, POLLIN, 0}, {cancel_fd > 0 ? cancel_fd : -1, POLLIN, 0}};

    while (poll(p, 2, -1) < 0 && errno == EINTR)
        ;
    return p[1].revents ? -EINTR : 0;
}

/* To the end, whatever its length: who writes must not block. */
static int read_words(int fd, int cancel_fd, char text[SAID_MAX])
{
    size_t used = 0;
    char more[512];
    ssize_t n;

    while (wait_word(fd, cancel_fd) == 0) {
        size_t fits;

        n = read(fd, more, sizeof(more));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return 0;
        fits = MIN((size_t)n, SAID_MAX - 1 - used);
        memcpy(text + used, more, fits);
        used += fits;
    }
    return -EINTR;
}

/* In a mount namespace of its own, after the fork: a bind mount of it over itself covers others. */
static int cover_mounts(const void *arg)
{
    const char *tree = arg;

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount(tree, tree, NULL, MS_BIND, NULL) < 0)
        return -errno;
    return 0;
}

static int start(const struct tool *t, const char *path, int stderr_fd, int *ret_pidfd,
                 struct err *err)
{
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    const struct proc_fd_map fds[] = {{stderr_fd, 2}, {stderr_fd, 1}, {t->file, 3}};
    const struct proc_spawn how = {
        .path = path,
        .argv = t->argv,
        .envp = env,
        .fds = fds,
        .n_fds = t->file > 0 ? 3 : 2,
        .unshare_flags = t->tree ? CLONE_NEWNS : 0,
        .in_child = t->tree ? cover_mounts : NULL,
        .in_child_arg = t->tree,
        .cwd = "/",
        .death_signal = SIGKILL,
        .null_stdio = 1,
    };
    pid_t pid;

    return proc_spawn(&how, &pid, ret_pidfd, err);
}

int tool_run(const struct tool *t, struct err *err)
{
    cleanup_free char *path = find(t->names);
    char said[SAID_MAX] = "";
    cleanup_fd int in = -1, out = -1, pidfd = -1;
    int ends[2], status, cancelled, r;

    if (!path)
        return err_set(err, ENOENT, "the program '%s' is not installed (package %s)", t->names[0],
                       t->package);
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, errno, "pipe: %m");
    in = ends[0];
    out = ends[1];
    if ((r = start(t, path, out, &pidfd, err)) < 0)
        return r;
    close_fd(&out);
    cancelled = read_words(in, t->cancel_fd, said);
    if (cancelled < 0)
        (void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
    if ((r = proc_reap(pidfd, &status, err)) < 0)
        return r;
    if (cancelled < 0)
        return err_set(err, EINTR, "'%s' was interrupted", path);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    last_line(said);
    return err_set(err, EIO, "'%s' failed: %s", path, *said ? said : "it did not say why");
}

bool tool_there(const char *const *names)
{
    cleanup_free char *path = find(names);

    return path != NULL;
}
