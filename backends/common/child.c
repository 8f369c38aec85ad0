/* SPDX-License-Identifier: Apache-2.0 */
#include "common/child.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include "common/file.h"
#include "common/util.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* pidfd_open and pidfd_send_signal have no wrapper before glibc 2.36. */
static int open_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0); /* CLOEXEC by definition */
}

int child_start_time(pid_t pid, uint64_t *ret)
{
    char path[64], text[1024], *p;
    int field = 2;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (file_read_text(path, text, sizeof(text)) < 0)
        return -ENOENT;
    p = strrchr(text, ')'); /* the name may hold spaces and brackets */
    while (p && field < 22) {
        p = strchr(p + 1, ' ');
        field++;
    }
    if (!p)
        return -EIO;
    *ret = strtoull(p + 1, NULL, 10);
    return 0;
}

bool child_has_arg(pid_t pid, const char *word)
{
    static const size_t max = 1 << 20; /* QEMU with many disks: a few KiB */
    cleanup_free char *text = NULL;
    char path[64];
    size_t len;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    if (file_read_alloc(path, max, &text, &len) < 0)
        return false;
    for (const char *p = text; p < text + len; p += strlen(p) + 1)
        if (strcmp(p, word) == 0)
            return true;
    return false;
}

int child_adopt(struct child *c, pid_t pid, int pidfd, const char *uuid, struct hvp_error *err)
{
    uint64_t start;
    int r = child_start_time(pid, &start);

    *c = (struct child){.pid = pid, .pidfd = pidfd, .status = -1};
    if (r < 0)
        return hvp_fail(err, -r, "read the start time of process %d", (int)pid);
    c->start = start;
    snprintf(c->uuid, sizeof(c->uuid), "%s", uuid);
    return 0;
}

int child_ref(const struct child *c, char *buf, size_t len, struct hvp_error *err)
{
    int n = snprintf(buf, len, "pid=%d start=%" PRIu64 " uuid=%s", (int)c->pid, c->start, c->uuid);

    if (n < 0 || (size_t)n >= len)
        return hvp_fail(err, ENAMETOOLONG, "reference to the VM needs %d bytes", n);
    return 0;
}

int child_reopen(struct child *c, const char *ref, struct hvp_error *err)
{
    cleanup_close int pidfd = -1;
    uint64_t start, now;
    char uuid[37];
    int pid, end = 0;

    if (sscanf(ref, "pid=%d start=%" SCNu64 " uuid=%36[0-9a-fA-F-]%n", &pid, &start, uuid, &end) !=
            3 ||
        ref[end] != '\0' || pid <= 1)
        return hvp_fail(err, EINVAL, "'%.200s' is no reference to a VM", ref);
    /* Opened first, compared then: what is compared is what the descriptor holds. */
    pidfd = open_pidfd(pid);
    if (pidfd < 0 || child_start_time(pid, &now) < 0 || now != start || !child_has_arg(pid, uuid))
        return hvp_fail(err, ENOENT, "the VM's process %d is gone", pid);
    *c = (struct child){.pid = pid, .pidfd = steal_fd(&pidfd), .start = start, .status = -1};
    snprintf(c->uuid, sizeof(c->uuid), "%s", uuid);
    return 0;
}

bool child_ended(struct child *c)
{
    struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
    siginfo_t si = {0};

    if (c->reaped || c->pidfd < 0)
        return true;
    if (poll(&p, 1, 0) != 1)
        return false;
    if (waitid(P_PIDFD, (id_t)c->pidfd, &si, WEXITED | WNOHANG) == 0) {
        if (si.si_pid == 0)
            return false;
        c->status = si.si_code == CLD_EXITED ? W_EXITCODE(si.si_status, 0) : si.si_status;
    } /* else: not our child, its parent reaps it */
    c->reaped = true;
    return true;
}

int child_kill(struct child *c, const struct deadline *d, struct hvp_error *err)
{
    while (!child_ended(c)) {
        struct pollfd p = {.fd = c->pidfd, .events = POLLIN};
        int r;

        if (syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
            return hvp_fail(err, errno, "kill process %d: %m", (int)c->pid);
        r = deadline_poll(d, &p, 1);
        if (r == -ETIMEDOUT)
            return hvp_fail(err, ETIMEDOUT, "process %d is still there after SIGKILL", (int)c->pid);
        if (r < 0)
            return hvp_fail(err, -r, "wait for process %d: %s", (int)c->pid, strerror(-r));
    }
    return 0;
}

void child_done(struct child *c)
{
    if (c->pidfd >= 0)
        close(c->pidfd);
    c->pidfd = -1;
}

void child_status_text(int status, char *buf, size_t len)
{
    if (status == -1)
        snprintf(buf, len, "unknown status");
    else if (WIFEXITED(status))
        snprintf(buf, len, "exit status %d", WEXITSTATUS(status));
    else
        snprintf(buf, len, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
}

void child_stats(const struct child *c, struct hvp_stats *st)
{
    char path[64], text[256];
    uint64_t total, resident;
    struct timespec ts;
    clockid_t clock;

    if (clock_getcpuclockid(c->pid, &clock) == 0 && clock_gettime(clock, &ts) == 0) {
        st->cpu_ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
        st->valid |= HVP_STAT_CPU;
    }
    snprintf(path, sizeof(path), "/proc/%d/statm", (int)c->pid);
    if (file_read_text(path, text, sizeof(text)) >= 0 &&
        sscanf(text, "%" SCNu64 " %" SCNu64, &total, &resident) == 2) {
        st->mem_used = resident * (uint64_t)sysconf(_SC_PAGESIZE);
        st->valid |= HVP_STAT_MEM;
    }
}
