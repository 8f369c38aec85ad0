/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.h - processes: pidfds, identity against pid reuse, spawning with exactly the given fds.
 * For cli, monitor, hooks, state, cgroup. Nobody here installs a SIGCHLD handler.
 */
#ifndef BASE_PROC_H
#define BASE_PROC_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

/* A process that survives pid reuse in a file: pid and start time (field 22 of /proc/PID/stat). */
struct proc_id {
    pid_t pid;           /* 0 = none */
    uint64_t start_time; /* clock ticks since boot */
};

int proc_id_of(pid_t pid, struct proc_id *ret, struct err *err); /* -ESRCH: no such process */

/* pidfd if that very process still exists (zombies count as gone); -ESRCH without filling err. */
int proc_open(const struct proc_id *id, struct err *err);
int proc_alive(const struct proc_id *id); /* 1 or 0 */

/* Signal that very process; a process that is gone is -ESRCH (err untouched). */
int proc_kill(const struct proc_id *id, int signo, struct err *err);

/* Wait until the process behind pidfd is gone (a child is not reaped). 0, -ETIMEDOUT. */
int proc_wait_gone(int pidfd, int timeout_ms);

/* waitid(P_PIDFD) with WEXITED; *ret_status as wait(2) would give it. EINTR is retried. */
int proc_reap(int pidfd, int *ret_status, struct err *err);

/*
 * Moves this process, which has one thread, into the cgroup of that directory. In version 1 by its
 * file `tasks`: the kernel (cgroup_procs_write_start) then need not keep all processes from forking
 * and ending, for which it waits for a grace period of RCU. 0 or -errno; async-signal-safe.
 */
int proc_enter_cgroup(const char *dir);

/* 1: this process lives in a user namespace below the first one, so its root is nobody's root
 * outside. 0: in the first, or where nobody can tell. */
int proc_in_user_namespace(void);

struct proc_fd_map {
    int from, to; /* from is borrowed; to is the number in the child */
};

struct proc_spawn {
    const char *path;              /* executed as it is, no PATH look-up */
    const char *const *argv;       /* NULL-terminated */
    const char *const *envp;       /* NULL = the caller's environment */
    const struct proc_fd_map *fds; /* all others are closed in the child */
    size_t n_fds;
    const int *setns_fds; /* namespaces to join, in this order (pid: takes effect as below) */
    size_t n_setns;
    uint64_t unshare_flags;     /* CLONE_NEW*; with CLONE_NEWPID the child is pid 1 of a new one */
    const char *const *cgroups; /* NULL or NULL-terminated directories of cgroups to enter first */
    const char *cwd;            /* NULL = stay */
    int death_signal;           /* PR_SET_PDEATHSIG of the calling thread; 0 = none */
    int new_session;            /* setsid() */
    int null_stdio;             /* fds 0-2 that the map leaves out become /dev/null */
    /*
     * Last change of the child's own limits and rights, after namespaces, cgroups and cwd: 0 or
     * -errno, async-signal-safe calls only (raw system calls for ids). NULL = none.
     */
    int (*in_child)(const void *arg);
    const void *in_child_arg;
};

/*
 * fork and exec. Returns when the exec has succeeded; failures of any step in the child come back
 * here with their step in the sentence. Signal mask and dispositions of the child are the defaults.
 * A pid namespace (joined or new) takes effect on the child itself: the pid returned is that of the
 * executed program, in the caller's pid namespace.
 * *ret_pidfd (may be NULL) is CLOEXEC and the caller's.
 */
int proc_spawn(const struct proc_spawn *how, pid_t *ret_pid, int *ret_pidfd, struct err *err);

#endif
