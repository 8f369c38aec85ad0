/* SPDX-License-Identifier: Apache-2.0 */
/* Identity, signals and end of processes; spawn.c makes them. */
#include "base/proc.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define STAT_MAX 4096

/* The command name may hold anything, also ") 1 2": count from the last parenthesis. */
static int parse_start_time(const char *stat, uint64_t *ret)
{
    const char *p = strrchr(stat, ')');
    char number[24];
    size_t len;

    for (int field = 2; p && field < 22; field++) {
        p = strchr(p, ' ');
        if (p)
            p++;
    }
    if (!p)
        return -EINVAL;
    len = strcspn(p, " \n");
    if (len >= sizeof(number))
        return -EINVAL;
    memcpy(number, p, len);
    number[len] = '\0';
    return str_to_u64(number, 0, UINT64_MAX, ret);
}

int proc_id_of(pid_t pid, struct proc_id *ret, struct err *err)
{
    cleanup_free char *stat = NULL;
    char path[40];
    uint64_t start;
    int r;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    r = path_read(AT_FDCWD, path, STAT_MAX, &stat, NULL, err);
    if (r == -ENOENT || r == -ESRCH)
        return err_set(err, ESRCH, "process %d does not exist", (int)pid);
    if (r < 0)
        return r;
    if (parse_start_time(stat, &start) < 0)
        return err_set(err, EIO, "'%s' has no start time", path);
    *ret = (struct proc_id){.pid = pid, .start_time = start};
    return 0;
}

int proc_open(const struct proc_id *id, struct err *err)
{
    cleanup_fd int fd = -1;
    struct err local = ERR_INIT;
    struct proc_id now;
    int r;

    if (id->pid <= 0)
        return -ESRCH;
    fd = pidfd_open(id->pid, 0);
    if (fd < 0 && (errno == ESRCH || errno == EINVAL)) /* EINVAL: now the id of a thread */
        return -ESRCH;
    if (fd < 0)
        return err_set(err, errno, "open process %d: %m", (int)id->pid);
    /* Compared after the open: the same pid and start time now means that fd is that process. */
    r = proc_id_of(id->pid, &now, &local);
    if (r == -ESRCH || (r == 0 && now.start_time != id->start_time))
        return -ESRCH;
    if (r < 0)
        return err_set(err, -r, "%s", local.msg);
    if (fd_wait(fd, POLLIN, 0) == 1)
        return -ESRCH; /* a zombie */
    return steal_fd(&fd);
}

int proc_alive(const struct proc_id *id)
{
    cleanup_fd int fd = proc_open(id, NULL);

    return fd >= 0;
}

int proc_kill(const struct proc_id *id, int signo, struct err *err)
{
    cleanup_fd int fd = proc_open(id, err);

    if (fd < 0)
        return fd;
    if (pidfd_send_signal(fd, signo, NULL, 0) == 0)
        return 0;
    if (errno == ESRCH)
        return -ESRCH;
    return err_set(err, errno, "send signal %d to process %d: %m", signo, (int)id->pid);
}

int proc_wait_gone(int pidfd, int timeout_ms)
{
    int r = fd_wait(pidfd, POLLIN, timeout_ms);

    return r == 0 ? -ETIMEDOUT : MIN(r, 0);
}

int proc_reap(int pidfd, int *ret_status, struct err *err)
{
    siginfo_t si = {0};
    int r;

    do
        r = waitid(P_PIDFD, (id_t)pidfd, &si, WEXITED);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return err_set(err, errno, "wait for a process: %m");
    if (ret_status) {
        if (si.si_code == CLD_EXITED)
            *ret_status = (si.si_status & 0xff) << 8;
        else
            *ret_status = si.si_status | (si.si_code == CLD_DUMPED ? 0x80 : 0);
    }
    return 0;
}

int proc_in_user_namespace(void)
{
    cleanup_free char *map = NULL;
    unsigned inside, outside, count;

    if (path_read(AT_FDCWD, "/proc/self/uid_map", STAT_MAX, &map, NULL, NULL) < 0 ||
        sscanf(map, "%u %u %u", &inside, &outside, &count) != 3)
        return 0;
    return inside != 0 || outside != 0 || count != UINT32_MAX;
}
