/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The moment a process begins: forked into its namespaces and its cgroup, and given what only
 * somebody outside can give it. process.c goes on from there, child.c within.
 */
#include "agent/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"

/* What the container's ids are called outside its user namespace. */
static uint32_t outside_id(const struct plan_idmap *map, size_t n, uint32_t inside)
{
    for (size_t i = 0; i < n; i++)
        if (inside >= map[i].inside && inside - map[i].inside < map[i].count)
            return map[i].outside + (inside - map[i].inside);
    return inside;
}

/* The user must be able to open /dev/stdout and friends again, which checks the pipe's owner. */
void fork_chown_stdio(const struct container *c, const struct plan_process *plan,
                      const int child[3])
{
    uid_t uid = outside_id(c->plan.uid_map, c->plan.n_uid_map, plan->uid);

    for (int i = 0; i < 3; i++)
        if (child[i] >= 0 && (i > 0 || (plan->flags & PLAN_P_STDIN)))
            (void)!fchown(child[i], uid, (gid_t)-1);
}

static int write_proc(struct agent *a, pid_t pid, const char *file, const char *text, size_t len,
                      struct err *err)
{
    cleanup_fd int fd = -1;
    char path[64];

    snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
    fd = openat(a->proc_fd, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, text, len) != (ssize_t)len)
        return err_set(err, errno, "write '%.*s' to /proc/PID/%s: %m", (int)MIN(len, 200u), text,
                       file);
    return 0;
}

static int write_map(struct agent *a, pid_t pid, const char *file, const struct plan_idmap *map,
                     size_t n, struct err *err)
{
    char text[16384];
    size_t len = 0;

    for (size_t i = 0; i < n && len < sizeof(text) - 64; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%u %u %u\n", map[i].inside,
                                map[i].outside, map[i].count);
    return len ? write_proc(a, pid, file, text, len, err) : 0;
}

/* What only somebody outside can do to the new process, before it goes on. */
int fork_prepare(struct agent *a, struct container *c, const struct plan_process *plan, bool init,
                 bool in_cgroup, pid_t pid, struct err *err)
{
    char text[16];
    int r = in_cgroup ? 0 : cgroup_enter(a, c, pid, err);

    if (r == 0 && init && c->plan.ns[PLAN_NS_USER] == PLAN_NS_NEW) {
        r = write_map(a, pid, "uid_map", c->plan.uid_map, c->plan.n_uid_map, err);
        if (r == 0)
            r = write_map(a, pid, "gid_map", c->plan.gid_map, c->plan.n_gid_map, err);
    }
    if (r == 0 && (plan->flags & PLAN_P_OOM_SCORE)) {
        int n = snprintf(text, sizeof(text), "%d", (int)plan->oom_score_adj);

        r = write_proc(a, pid, "oom_score_adj", text, (size_t)n, err);
    }
    return r;
}

static uint64_t new_namespaces(const struct plan_container *c, uint64_t *ret_late)
{
    static const uint64_t flag[PLAN_NS_COUNT] = {
        [PLAN_NS_PID] = CLONE_NEWPID, [PLAN_NS_NET] = CLONE_NEWNET,   [PLAN_NS_IPC] = CLONE_NEWIPC,
        [PLAN_NS_UTS] = CLONE_NEWUTS, [PLAN_NS_USER] = CLONE_NEWUSER,
    };
    uint64_t now = CLONE_NEWNS; /* always: the agent's mounts are not for containers */

    for (int i = 0; i < PLAN_NS_COUNT; i++)
        if (c->ns[i] == PLAN_NS_NEW)
            now |= flag[i];
    *ret_late = 0;
    if (c->ns[PLAN_NS_USER] == PLAN_NS_JOIN) {
        /* They shall belong to the joined user namespace; a pid namespace can't be made late. */
        *ret_late = now & ~(uint64_t)CLONE_NEWPID;
        now &= CLONE_NEWPID;
    }
    return now;
}

/* pidfd of the pid namespace to fork into, or -1. */
static int pid_namespace_of(const struct job *j)
{
    if (j->exec)
        return j->init_pidfd;
    return j->c->plan.ns[PLAN_NS_PID] == PLAN_NS_JOIN ? j->join_pidfds[PLAN_NS_PID] : -1;
}

/* fork with namespaces and cgroup. In the child this does not return. */
int fork_child(struct job *j, int ctl_parent, int *ret_pidfd, bool *ret_in_cgroup, struct err *err)
{
    int pidfd = -1, into = pid_namespace_of(j);
    struct sys_clone_args args = {.pidfd = (uint64_t)(uintptr_t)&pidfd, .exit_signal = SIGCHLD};
    long pid;
    int e;

    args.flags = SYS_CLONE_PIDFD;
    if (!j->exec)
        args.flags |= new_namespaces(&j->c->plan, &j->late_ns);
    if (j->c->cgroup_fd >= 0) {
        args.flags |= SYS_CLONE_INTO_CGROUP;
        args.cgroup = (uint64_t)j->c->cgroup_fd;
    }
    /* Only children change their pid namespace by setns: go in, fork, come back. */
    if (into >= 0 && setns(into, CLONE_NEWPID) < 0)
        return err_set(err, errno, "join pid namespace: %m");
    if (j->spare) { /* the share is to be mounted first */
        args.flags &= ~(uint64_t)CLONE_NEWNS;
        j->late_ns = CLONE_NEWNS;
    }
    j->await_go = !j->exec || (j->p->flags & PLAN_P_OOM_SCORE);
    pid = sys_clone3(&args);
    if (pid < 0 && (args.flags & SYS_CLONE_INTO_CGROUP) && errno != EAGAIN) {
        args.flags &= ~SYS_CLONE_INTO_CGROUP;
        j->await_go = true;
        pid = sys_clone3(&args);
    }
    e = errno;
    if (pid == 0) {
        close(ctl_parent);
        child_main(j);
    }
    if (into >= 0 && setns(j->a->pidns_fd, CLONE_NEWPID) < 0)
        agent_log(j->a, "return to own pid namespace: %s", strerror(errno));
    if (pid < 0 && e == ENOMEM && into >= 0) /* what fork says in a pid namespace without init */
        return err_set(err, ESRCH, "container not running");
    if (pid < 0)
        return err_set(err, e, "create process: %m");
    *ret_pidfd = pidfd;
    *ret_in_cgroup = (args.flags & SYS_CLONE_INTO_CGROUP) || j->c->cgroup_fd < 0;
    return (int)pid;
}

int fork_join_fds(struct agent *a, const struct plan_container *c, int fds[PLAN_NS_COUNT],
                  struct err *err)
{
    for (int i = 0; i < PLAN_NS_COUNT; i++) {
        struct container *other;

        fds[i] = -1;
        if (c->ns[i] != PLAN_NS_JOIN)
            continue;
        other = container_find(a, c->join[i]);
        if (!other || !other->init || other->init->pidfd.fd < 0 || other->init->state == P_DEAD)
            return err_set(err, ESRCH, "join namespace: container '%s' is not running", c->join[i]);
        fds[i] = other->init->pidfd.fd;
    }
    return 0;
}
