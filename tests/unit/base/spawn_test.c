/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"
#include "scratch.h"

#define SH(script) ((const char *const[]){"sh", "-c", script, NULL})

/* Run a shell script with its stdout read back; returns the wait status. */
static int run(struct proc_spawn how, const char *script, char **ret_out)
{
    struct proc_fd_map map[4] = {0};
    struct err err = ERR_INIT;
    int ends[2], status, pidfd;
    cleanup_fd int r = -1;
    pid_t pid;

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    r = ends[0];
    for (size_t i = 0; i < how.n_fds; i++)
        map[i] = how.fds[i];
    map[how.n_fds] = (struct proc_fd_map){ends[1], 1};
    how.fds = map;
    how.n_fds++;
    how.path = "/bin/sh";
    how.argv = SH(script);
    CHECK_OK(proc_spawn(&how, &pid, &pidfd, &err), err);
    close(ends[1]);
    CHECK_OK(fd_read_all(r, 65536, ret_out, NULL, &err), err);
    CHECK(fcntl(pidfd, F_GETFD) & FD_CLOEXEC);
    CHECK_OK(proc_reap(pidfd, &status, &err), err);
    close(pidfd);
    return status;
}

TEST(missing_program_is_an_error_of_the_spawn)
{
    struct err err = ERR_INIT;
    struct proc_spawn how = {.path = "/nonexistent/x", .argv = SH("")};
    pid_t pid = -7;

    CHECK_ERR(proc_spawn(&how, &pid, NULL, &err), -ENOENT);
    CHECK_STR_EQ(err.msg, "execute '/nonexistent/x': No such file or directory");
    CHECK_INT_EQ(pid, -7);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD); /* reaped */
}

TEST(failing_step_is_named)
{
    struct err err = ERR_INIT;
    const char *cgroups[] = {"/nonexistent/cgroup", NULL};
    struct proc_spawn cwd = {.path = "/bin/sh", .argv = SH(""), .cwd = "/nonexistent"};
    struct proc_spawn cgroup = {.path = "/bin/sh", .argv = SH(""), .cgroups = cgroups};
    struct proc_spawn fd = {
        .path = "/bin/sh", .argv = SH(""), .fds = &(struct proc_fd_map){999, 5}, .n_fds = 1};
    struct proc_spawn ns = {
        .path = "/bin/sh", .argv = SH(""), .setns_fds = (int[]){0}, .n_setns = 1};
    pid_t pid;

    CHECK_ERR(proc_spawn(&cwd, &pid, NULL, &err), -ENOENT);
    CHECK_CONTAINS(err.msg, "change directory to '/nonexistent'");
    CHECK_ERR(proc_spawn(&cgroup, &pid, NULL, &err), -ENOENT);
    CHECK_CONTAINS(err.msg, "enter cgroup '/nonexistent/cgroup'");
    CHECK_ERR(proc_spawn(&fd, &pid, NULL, &err), -EBADF);
    CHECK_CONTAINS(err.msg, "pass descriptor 5");
    CHECK(proc_spawn(&ns, &pid, NULL, &err) < 0);
    CHECK_CONTAINS(err.msg, "join the unknown namespace");
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

static void check_entered(struct scratch *s, const char *by, const char *other)
{
    const char *cgroups[] = {s->path, NULL};
    struct err err = ERR_INIT;
    cleanup_free char *text = NULL, *untouched = NULL, *out = NULL;
    struct proc_spawn how = {.cgroups = cgroups};

    CHECK_OK(path_write(s->fd, by, "", &err), err);
    CHECK_INT_EQ(run(how, ":", &out), 0);
    CHECK_OK(path_read(s->fd, by, 16, &text, NULL, &err), err);
    CHECK_STR_EQ(text, "0");
    if (other) {
        CHECK_OK(path_read(s->fd, other, 16, &untouched, NULL, &err), err);
        CHECK_STR_EQ(untouched, "");
    }
}

/* Version 2 has no `tasks`; in version 1 it is the file that costs no grace period. */
TEST(cgroup_is_entered_by_tasks_where_there_is_one)
{
    struct scratch s = scratch_make();
    int fd = openat(s.fd, "cgroup.procs", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    CHECK(fd >= 0);
    check_entered(&s, "cgroup.procs", NULL);
    CHECK(ftruncate(fd, 0) == 0);
    close(fd);
    fd = openat(s.fd, "tasks", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    close(fd);
    check_entered(&s, "tasks", "cgroup.procs");
    scratch_done(&s);
}

TEST(child_gets_exactly_the_mapped_descriptors)
{
    cleanup_free char *out = NULL;
    cleanup_fd int leak = open("/dev/null", O_RDONLY); /* on purpose without O_CLOEXEC */
    struct proc_spawn how = {.null_stdio = 1, .fds = &(struct proc_fd_map){leak, 7}, .n_fds = 1};

    CHECK_INT_EQ(run(how, "cd /proc/self/fd && echo * && readlink 0 2", &out), 0);
    /* The last number is the directory that the shell reads. */
    CHECK(str_starts_with(out, "0 1 2 3 7\n") || str_starts_with(out, "0 1 2 7 8\n"));
    CHECK_CONTAINS(out, "/dev/null\n/dev/null\n");
}

TEST(descriptors_can_be_exchanged)
{
    cleanup_free char *out = NULL;
    int a[2], b[2];
    struct proc_fd_map swap[2];
    char byte;

    CHECK(pipe2(a, O_CLOEXEC) == 0 && pipe2(b, O_CLOEXEC) == 0);
    CHECK(a[1] < 10 && b[1] < 10); /* one digit: all that a POSIX shell redirects */
    swap[0] = (struct proc_fd_map){a[1], b[1]};
    swap[1] = (struct proc_fd_map){b[1], a[1]};
    {
        cleanup_free char *script = xasprintf("printf A >&%d; printf B >&%d", a[1], b[1]);

        CHECK_INT_EQ(run((struct proc_spawn){.fds = swap, .n_fds = 2}, script, &out), 0);
    }
    CHECK(read(a[0], &byte, 1) == 1 && byte == 'B');
    CHECK(read(b[0], &byte, 1) == 1 && byte == 'A');
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

TEST(unmapped_stdio_is_closed_without_null_stdio)
{
    cleanup_free char *out = NULL;

    CHECK_INT_EQ(run((struct proc_spawn){0}, "[ ! -e /proc/self/fd/2 ] && echo closed", &out), 0);
    CHECK_STR_EQ(out, "closed\n");
}

TEST(environment_cwd_and_session_are_as_asked)
{
    cleanup_free char *out = NULL;
    const char *const envp[] = {"A=1", "PATH=/usr/bin:/bin", NULL};
    struct proc_spawn how = {.envp = envp, .cwd = "/usr", .new_session = 1, .null_stdio = 1};

    CHECK_INT_EQ(run(how,
                     "echo $A ${HOME-unset}; pwd -P; set -- $(cat /proc/$$/stat); "
                     "[ $6 = $$ ] && echo leader; exit 3",
                     &out),
                 3 << 8);
    CHECK_STR_EQ(out, "1 unset\n/usr\nleader\n");
}

TEST(signals_of_the_child_are_the_defaults)
{
    cleanup_free char *out = NULL;
    sigset_t set, old;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    signal(SIGUSR2, SIG_IGN);
    CHECK_INT_EQ(run((struct proc_spawn){.null_stdio = 1},
                     "grep -E '^Sig(Blk|Ign)' /proc/self/status | tr -d '\\t'", &out),
                 0);
    CHECK_STR_EQ(out, "SigBlk:0000000000000000\nSigIgn:0000000000000000\n");
    sigprocmask(SIG_SETMASK, NULL, &set);
    CHECK(sigismember(&set, SIGUSR1) && !sigismember(&set, SIGTERM)); /* the caller's is kept */
    signal(SIGUSR2, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void need_root(void)
{
    if (geteuid() != 0)
        TEST_SKIP("namespaces need root");
}

TEST(program_is_pid_1_of_a_new_pid_namespace_and_our_child)
{
    cleanup_free char *out = NULL;
    struct err err = ERR_INIT;
    cleanup_fd int pidfd = -1;
    struct proc_spawn how = {.path = "/bin/sh", .unshare_flags = CLONE_NEWPID, .null_stdio = 1};
    struct proc_id id;
    int status;
    pid_t pid;

    need_root();
    CHECK_INT_EQ(run(how, "echo $$ $PPID", &out), 0);
    CHECK_STR_EQ(out, "1 0\n");
    how.argv = SH("kill -STOP $$; read x");
    CHECK_OK(proc_spawn(&how, &pid, &pidfd, &err), err);
    CHECK_OK(proc_id_of(pid, &id, &err), err);
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK_OK(proc_reap(pidfd, &status, &err), err);
    CHECK(WIFEXITED(status) || WTERMSIG(status) == SIGKILL);
}

TEST(program_joins_namespaces_of_another_process)
{
    cleanup_free char *out = NULL;
    cleanup_free char *stuck = NULL;
    struct err err = ERR_INIT;
    int ends[2], fds[3];
    static const char *const names[] = {"mnt", "pid", "uts"};
    const char *const hold[] = {"sh", "-c", "read x", NULL};
    struct proc_spawn holder = {.path = "/bin/sh",
                                .argv = hold,
                                .unshare_flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS,
                                .death_signal = SIGKILL,
                                .null_stdio = 1};
    cleanup_fd int pidfd = -1;
    pid_t pid;
    char want[200] = "", got[100];

    need_root();
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    holder.fds = &(struct proc_fd_map){ends[0], 0};
    holder.n_fds = 1;
    CHECK_OK(proc_spawn(&holder, &pid, &pidfd, &err), err);
    for (int i = 0; i < 3; i++) {
        cleanup_free char *path = xasprintf("/proc/%d/ns/%s", pid, names[i]);

        fds[i] = open(path, O_RDONLY | O_CLOEXEC);
        CHECK(fds[i] >= 0);
    }
    snprintf(got, sizeof(got), "/proc/%d/ns/uts", pid);
    CHECK(readlink(got, want, sizeof(want) - 1) > 0);
    CHECK_INT_EQ(run((struct proc_spawn){.setns_fds = fds, .n_setns = 3, .null_stdio = 1},
                     "[ $$ -gt 1 ] && [ $$ -lt 10 ] && echo low; kill -0 1 && echo one", &out),
                 0);
    CHECK_STR_EQ(out, "low\none\n");
    CHECK_INT_EQ(run((struct proc_spawn){.setns_fds = fds + 2, .n_setns = 1, .null_stdio = 1},
                     "readlink /proc/self/ns/uts", &stuck),
                 0);
    stuck[strcspn(stuck, "\n")] = '\0';
    CHECK_STR_EQ(stuck, want);
    close(ends[0]);
    close(ends[1]);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    CHECK_OK(proc_reap(pidfd, NULL, &err), err);
}

TEST(failed_exec_in_a_pid_namespace_is_reported_and_reaped)
{
    struct err err = ERR_INIT;
    struct proc_spawn how = {
        .path = "/nonexistent/x", .argv = SH(""), .unshare_flags = CLONE_NEWPID};
    pid_t pid;

    need_root();
    CHECK_ERR(proc_spawn(&how, &pid, NULL, &err), -ENOENT);
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
}

/* In a child: spawn a program bound to us, tell its pid, die. */
static _Noreturn void die_with_child(int tell, uint64_t unshare_flags)
{
    struct proc_spawn how = {.path = "/bin/sh",
                             .argv = SH("while :; do sleep 100; done"),
                             .unshare_flags = unshare_flags,
                             .death_signal = SIGKILL,
                             .null_stdio = 1};
    pid_t pid = 0;

    if (proc_spawn(&how, &pid, NULL, NULL) < 0 || write(tell, &pid, sizeof(pid)) != sizeof(pid))
        _exit(1);
    pause();
    _exit(1);
}

static void check_death_signal(uint64_t unshare_flags)
{
    struct err err = ERR_INIT;
    cleanup_fd int child_fd = -1;
    int ends[2];
    pid_t parent, child;

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    parent = fork();
    if (parent == 0)
        die_with_child(ends[1], unshare_flags);
    close(ends[1]);
    CHECK_OK(fd_read_exact(ends[0], &child, sizeof(child), &err), err);
    child_fd = pidfd_open(child, 0);
    CHECK(child_fd >= 0);
    CHECK_ERR(proc_wait_gone(child_fd, 0), -ETIMEDOUT);
    kill(parent, SIGKILL);
    CHECK(waitpid(parent, NULL, 0) == parent);
    CHECK_INT_EQ(proc_wait_gone(child_fd, 10000), 0);
    close(ends[0]);
}

TEST(death_signal_reaches_the_child)
{
    check_death_signal(0);
}

TEST(death_signal_reaches_pid_1_of_a_pid_namespace)
{
    need_root();
    check_death_signal(CLONE_NEWPID);
}

static int refuse(const void *arg)
{
    return *(const int *)arg;
}

TEST(failure_of_the_callers_step_in_the_child_comes_back)
{
    struct err err = ERR_INIT;
    int answer = -EPERM;
    struct proc_spawn how = {
        .path = "/bin/true", .argv = SH(""), .in_child = refuse, .in_child_arg = &answer};
    cleanup_fd int pidfd = -1;
    int status;
    pid_t pid;

    CHECK_ERR(proc_spawn(&how, &pid, &pidfd, &err), -EPERM);
    CHECK_CONTAINS(err.msg, "set limits and rights");
    answer = 0;
    CHECK_OK(proc_spawn(&how, &pid, &pidfd, &err), err);
    CHECK_OK(proc_reap(pidfd, &status, &err), err);
}
