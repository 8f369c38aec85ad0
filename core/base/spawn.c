/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc_spawn. Between fork and exec only async-signal-safe calls: the caller may have threads.
 *
 * A process never changes its own pid namespace, only that of its children. So when one is joined
 * or made, the forked child is a mere intermediate: it joins and unshares, then clones the final
 * child with CLONE_PARENT. That one is a child of the caller like any other (reapable, with the
 * caller as the parent of its death signal), and the intermediate, still in the caller's pid
 * namespace, reports the pid that clone gave it.
 */
#include "base/proc.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/str.h"

enum step {
    STEP_PID, /* no failure: the intermediate tells the final child's pid */
    STEP_CGROUP,
    STEP_SETNS,
    STEP_UNSHARE,
    STEP_CLONE,
    STEP_SESSION,
    STEP_CWD,
    STEP_IN_CHILD,
    STEP_FDS,
    STEP_DEATH_SIGNAL,
    STEP_EXEC,
};

/* What a child writes to the pipe: its failing step, or the pid. Short enough to be atomic. */
struct report {
    int step;
    int value; /* errno, or the pid */
    int index; /* which cgroup or namespace */
};

/* Everything the children need, made before the fork. */
struct job {
    const struct proc_spawn *how;
    struct proc_fd_map *map; /* with /dev/null added; map_fds() changes the child's copy */
    size_t n_map;
    int *namespaces; /* in the order to join */
    int intermediate;
    int report_fd;
    int parent_pidfd;
};

static _Noreturn void fail(const struct job *job, enum step step, int index)
{
    struct report report = {.step = (int)step, .value = errno, .index = index};

    (void)!write(job->report_fd, &report, sizeof(report));
    _exit(127);
}

/* "0" is the writer itself, in version 1 and 2. */
int proc_enter_cgroup(const char *path)
{
    int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, r = 0;

    if (dir < 0)
        return -errno;
    fd = openat(dir, "tasks", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        fd = openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "0", 1) != 1)
        r = -errno;
    close(dir);
    if (fd >= 0)
        close(fd);
    return r;
}

static void enter_cgroups(const struct job *job)
{
    const char *const *dirs = job->how->cgroups;

    for (int i = 0; dirs && dirs[i]; i++) {
        errno = -proc_enter_cgroup(dirs[i]);
        if (errno)
            fail(job, STEP_CGROUP, i);
    }
}

static void enter_namespaces(const struct job *job)
{
    for (size_t i = 0; i < job->how->n_setns; i++)
        if (setns(job->namespaces[i], 0) < 0)
            fail(job, STEP_SETNS, (int)i);
    if (job->how->unshare_flags && unshare((int)job->how->unshare_flags) < 0)
        fail(job, STEP_UNSHARE, 0);
}

/*
 * Sources move out of the way of all targets first, so that any permutation works; then everything
 * closes on exec except what dup2 made.
 */
static void map_fds(struct job *job)
{
    int floor = 3, report_fd;

    for (size_t i = 0; i < job->n_map; i++)
        floor = MAX(floor, job->map[i].to + 1);
    report_fd = fcntl(job->report_fd, F_DUPFD_CLOEXEC, floor);
    if (report_fd < 0)
        fail(job, STEP_FDS, -1);
    job->report_fd = report_fd;
    for (size_t i = 0; i < job->n_map; i++)
        if ((job->map[i].from = fcntl(job->map[i].from, F_DUPFD_CLOEXEC, floor)) < 0)
            fail(job, STEP_FDS, job->map[i].to);
    if (close_range(0, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        fail(job, STEP_FDS, -1);
    for (size_t i = 0; i < job->n_map; i++)
        if (dup2(job->map[i].from, job->map[i].to) < 0)
            fail(job, STEP_FDS, job->map[i].to);
}

/*
 * Set last: joining a user namespace would clear it. The caller may have died before; its pidfd
 * tells, where getppid() could not (in another pid namespace it is always 0).
 */
static void bind_to_parent(const struct job *job)
{
    struct pollfd parent = {.fd = job->parent_pidfd, .events = POLLIN};

    if (!job->how->death_signal)
        return;
    if (prctl(PR_SET_PDEATHSIG, job->how->death_signal, 0, 0, 0) < 0)
        fail(job, STEP_DEATH_SIGNAL, 0);
    if (poll(&parent, 1, 0) != 0)
        _exit(127);
}

static void run_in_child(const struct job *job)
{
    int r = job->how->in_child ? job->how->in_child(job->how->in_child_arg) : 0;

    errno = -r;
    if (r < 0)
        fail(job, STEP_IN_CHILD, 0);
}

/* All signals are blocked until here: a handler of the caller must not run in the child. */
static void reset_signals(void)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int s = 1; s < NSIG; s++)
        (void)sigaction(s, &dfl, NULL); /* KILL, STOP and libc's own refuse, fine */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static _Noreturn void run_final(struct job *job)
{
    const struct proc_spawn *how = job->how;

    if (how->new_session && setsid() < 0)
        fail(job, STEP_SESSION, 0);
    if (how->cwd && chdir(how->cwd) < 0)
        fail(job, STEP_CWD, 0);
    run_in_child(job);
    /* After a change of ids, which clears the signal; before parent_pidfd may be replaced. */
    bind_to_parent(job);
    map_fds(job);
    reset_signals();
    execve(how->path, (char *const *)how->argv, how->envp ? (char *const *)how->envp : environ);
    fail(job, STEP_EXEC, 0);
}

/* Not fork(): the final child must be the caller's, not the intermediate's. */
static _Noreturn void run_intermediate(struct job *job)
{
    struct clone_args args = {.flags = CLONE_PARENT}; /* exit signal: inherited */
    struct report report = {.step = STEP_PID};
    long pid = syscall(SYS_clone3, &args, sizeof(args));

    if (pid < 0)
        fail(job, STEP_CLONE, 0);
    if (pid == 0)
        run_final(job);
    report.value = (int)pid;
    _exit(write(job->report_fd, &report, sizeof(report)) == sizeof(report) ? 0 : 127);
}

static _Noreturn void run_child(struct job *job)
{
    enter_cgroups(job);
    enter_namespaces(job);
    if (job->intermediate)
        run_intermediate(job);
    run_final(job);
}

/* User namespace first (it gives the rights for the rest), mount namespace last (paths change). */
static int rank(int type)
{
    return type == CLONE_NEWUSER ? 0 : type == CLONE_NEWNS ? 2 : 1;
}

static void order_namespaces(const struct proc_spawn *how, struct job *job)
{
    size_t n = 0;

    job->namespaces = xcalloc(how->n_setns, sizeof(int));
    for (int r = 0; r <= 2; r++)
        for (size_t i = 0; i < how->n_setns; i++) {
            int type = ioctl(how->setns_fds[i], NS_GET_NSTYPE);

            if (rank(type) != r)
                continue;
            job->namespaces[n++] = how->setns_fds[i];
            if (type == CLONE_NEWPID)
                job->intermediate = 1;
        }
    /* A new time namespace is for children only, too. */
    if (how->unshare_flags & (CLONE_NEWPID | CLONE_NEWTIME))
        job->intermediate = 1;
}

static int prepare_map(const struct proc_spawn *how, struct job *job, int *ret_null,
                       struct err *err)
{
    int have[3] = {0};

    job->map = xcalloc(how->n_fds + 3, sizeof(*job->map));
    for (size_t i = 0; i < how->n_fds; i++) {
        job->map[job->n_map++] = how->fds[i];
        if (how->fds[i].to >= 0 && how->fds[i].to < 3)
            have[how->fds[i].to] = 1;
    }
    if (!how->null_stdio)
        return 0;
    *ret_null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (*ret_null < 0)
        return err_set(err, errno, "open /dev/null: %m");
    for (int i = 0; i < 3; i++)
        if (!have[i])
            job->map[job->n_map++] = (struct proc_fd_map){.from = *ret_null, .to = i};
    return 0;
}

static const char *namespace_name(int fd)
{
    switch (ioctl(fd, NS_GET_NSTYPE)) {
    case CLONE_NEWUSER:
        return "user";
    case CLONE_NEWNS:
        return "mount";
    case CLONE_NEWPID:
        return "pid";
    case CLONE_NEWNET:
        return "network";
    case CLONE_NEWIPC:
        return "ipc";
    case CLONE_NEWUTS:
        return "uts";
    case CLONE_NEWCGROUP:
        return "cgroup";
    case CLONE_NEWTIME:
        return "time";
    default:
        return "unknown";
    }
}

static int explain(const struct job *job, const struct report *r, struct err *err)
{
    const struct proc_spawn *how = job->how;
    int code = r->value;

    switch ((enum step)r->step) {
    case STEP_CGROUP:
        return err_set(err, code, "enter cgroup '%s': %m", how->cgroups[r->index]);
    case STEP_SETNS:
        return err_set(err, code, "start '%s': join the %s namespace: %m", how->path,
                       namespace_name(job->namespaces[r->index]));
    case STEP_UNSHARE:
        return err_set(err, code, "start '%s': make namespaces: %m", how->path);
    case STEP_CLONE:
        return err_set(err, code, "start '%s': clone into the pid namespace: %m", how->path);
    case STEP_SESSION:
        return err_set(err, code, "start '%s': make a session: %m", how->path);
    case STEP_CWD:
        return err_set(err, code, "start '%s': change directory to '%s': %m", how->path, how->cwd);
    case STEP_IN_CHILD:
        return err_set(err, code, "start '%s': set limits and rights: %m", how->path);
    case STEP_FDS:
        return err_set(err, code, "start '%s': pass descriptor %d: %m", how->path, r->index);
    case STEP_DEATH_SIGNAL:
        return err_set(err, code, "start '%s': set the death signal: %m", how->path);
    case STEP_EXEC:
        return err_set(err, code, "execute '%s': %m", how->path);
    case STEP_PID:
        break;
    }
    return err_set(err, EPROTO, "start '%s': bad report %d", how->path, r->step);
}

static void reap(pid_t pid)
{
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Reads until every child has executed or ended. *pid: the final child's, 0 without one. */
static int collect(int fd, const struct job *job, pid_t *pid, struct err *err)
{
    struct report report;
    int r = 0;

    for (;;) {
        ssize_t n = read(fd, &report, sizeof(report));

        if (n < 0 && errno == EINTR)
            continue;
        if (n != sizeof(report))
            break;
        if (report.step == STEP_PID)
            *pid = report.value;
        else
            r = explain(job, &report, err);
    }
    return r;
}

static pid_t fork_blocked(struct job *job)
{
    sigset_t all, old;
    pid_t pid;
    int saved;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    pid = fork();
    if (pid == 0)
        run_child(job);
    saved = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = saved;
    return pid;
}

static int start(struct job *job, pid_t *ret_pid, struct err *err)
{
    cleanup_fd int read_end = -1;
    cleanup_fd int write_end = -1;
    int ends[2], r;
    pid_t first, pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, errno, "start '%s': make a pipe: %m", job->how->path);
    read_end = ends[0];
    job->report_fd = write_end = ends[1];
    first = fork_blocked(job);
    if (first < 0)
        return err_set(err, errno, "start '%s': fork: %m", job->how->path);
    close_fd(&write_end);
    pid = job->intermediate ? 0 : first;
    r = collect(read_end, job, &pid, err);
    if (job->intermediate)
        reap(first);
    if (r == 0 && pid == 0)
        r = err_set(err, ECHILD, "start '%s': killed on the way", job->how->path);
    if (r < 0) {
        reap(pid);
        return r;
    }
    *ret_pid = pid;
    return 0;
}

static void job_done(struct job *job)
{
    free(job->map);
    free(job->namespaces);
    close_fd(&job->parent_pidfd);
}

int proc_spawn(const struct proc_spawn *how, pid_t *ret_pid, int *ret_pidfd, struct err *err)
{
    cleanup_call(job_done) struct job job = {.how = how, .report_fd = -1, .parent_pidfd = -1};
    cleanup_fd int null = -1;
    pid_t pid = 0;
    int r;

    order_namespaces(how, &job);
    if ((r = prepare_map(how, &job, &null, err)) < 0)
        return r;
    if (how->death_signal && (job.parent_pidfd = pidfd_open(getpid(), 0)) < 0)
        return err_set(err, errno, "open this process: %m");
    if ((r = start(&job, &pid, err)) < 0)
        return r;
    if (ret_pidfd) {
        int pidfd = pidfd_open(pid, 0); /* ours and not reaped: cannot be another process */

        if (pidfd < 0) {
            r = err_set(err, errno, "open process %d: %m", (int)pid);
            kill(pid, SIGKILL);
            reap(pid);
            return r;
        }
        *ret_pidfd = pidfd;
    }
    *ret_pid = pid;
    return 0;
}
