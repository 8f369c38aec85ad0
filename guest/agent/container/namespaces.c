/* SPDX-License-Identifier: Apache-2.0 */
/* Namespaces that clone could not give: joined ones, the cgroup namespace; names within them. */
#include "agent/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "agent/sys.h"
#include "base/cleanup.h"

static const struct {
    const char *name;
    int flag;
} kinds[PLAN_NS_COUNT] = {
    [PLAN_NS_PID] = {"pid", CLONE_NEWPID},    [PLAN_NS_NET] = {"network", CLONE_NEWNET},
    [PLAN_NS_IPC] = {"ipc", CLONE_NEWIPC},    [PLAN_NS_UTS] = {"uts", CLONE_NEWUTS},
    [PLAN_NS_MNT] = {"mount", CLONE_NEWNS},   [PLAN_NS_CGROUP] = {"cgroup", CLONE_NEWCGROUP},
    [PLAN_NS_USER] = {"user", CLONE_NEWUSER},
};

static int join_one(struct job *j, int ns, struct err *err)
{
    if (j->c->plan.ns[ns] != PLAN_NS_JOIN)
        return 0;
    if (setns(j->join_pidfds[ns], kinds[ns].flag) < 0)
        return err_set(err, errno, "join %s namespace of '%s': %m", kinds[ns].name,
                       j->c->plan.join[ns]);
    return 0;
}

/* In a user namespace: be its root, which the maps have just made possible. */
static int become_root(struct err *err)
{
    if (syscall(SYS_setgroups, 0, NULL) < 0 && errno != EPERM)
        return err_set(err, errno, "setgroups in the user namespace: %m");
    if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0)
        return err_set(err, errno, "become root of the user namespace: %m");
    (void)prctl(PR_SET_DUMPABLE, 0);
    return 0;
}

static int set_names(const struct plan_container *c, struct err *err)
{
    if (c->hostname && sethostname(c->hostname, strlen(c->hostname)) < 0)
        return err_set(err, errno, "set hostname '%s': %m", c->hostname);
    if (c->domainname && setdomainname(c->domainname, strlen(c->domainname)) < 0)
        return err_set(err, errno, "set domain name '%s': %m", c->domainname);
    return 0;
}

static int enter_init(struct job *j, struct err *err)
{
    int r = 0, flags = CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;

    /* One's own user namespace can't be joined again. */
    if (j->c->plan.ns[PLAN_NS_USER] != PLAN_NS_VM)
        flags |= CLONE_NEWUSER;
    if (setns(j->init_pidfd, flags) < 0)
        r = err_set(err, errno, "enter the container: %m");
    close_fd(&j->init_pidfd);
    if (r == 0 && (flags & CLONE_NEWUSER))
        r = become_root(err);
    return r;
}

int namespaces_enter(struct job *j, struct err *err)
{
    static const int order[] = {PLAN_NS_NET, PLAN_NS_IPC, PLAN_NS_UTS, PLAN_NS_CGROUP};
    const struct plan_container *c = &j->c->plan;
    int r = 0;

    if (j->exec)
        return enter_init(j, err);
    if (c->ns[PLAN_NS_USER] != PLAN_NS_VM) {
        if ((r = join_one(j, PLAN_NS_USER, err)) < 0 || (r = become_root(err)) < 0)
            return r;
    }
    if (j->late_ns && unshare((int)j->late_ns) < 0)
        return err_set(err, errno, "unshare namespaces: %m");
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && r == 0; i++)
        r = join_one(j, order[i], err);
    /* After the move into the cgroup: it becomes the root of the namespace. */
    if (r == 0 && c->ns[PLAN_NS_CGROUP] == PLAN_NS_NEW && unshare(CLONE_NEWCGROUP) < 0)
        r = err_set(err, errno, "unshare cgroup namespace: %m");
    if (r == 0 && c->ns[PLAN_NS_NET] == PLAN_NS_NEW)
        machine_loopback_up();
    if (r == 0)
        r = set_names(c, err);
    for (int i = 0; i < PLAN_NS_COUNT; i++)
        close_fd(&j->join_pidfds[i]);
    return r;
}

static int write_sysctl(int root, const struct plan_pair *s, struct err *err)
{
    cleanup_fd int fd = -1;
    struct statfs fs;
    char path[512];

    snprintf(path, sizeof(path), "proc/sys/%s", s->key);
    /* Engines write dots or slashes; with a slash in it, a dot is part of a name. */
    if (!strchr(s->key, '/'))
        for (char *p = path + strlen("proc/sys/"); *p; p++)
            if (*p == '.')
                *p = '/';
    fd = inroot_open(root, path, O_WRONLY);
    if (fd < 0)
        return err_set(err, -fd, "open sysctl '%s': %m", s->key);
    if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
        return err_set(err, EXDEV, "sysctl '%s': no procfs at /proc", s->key);
    if (write(fd, s->value, strlen(s->value)) != (ssize_t)strlen(s->value))
        return err_set(err, errno, "write sysctl '%s' = '%s': %m", s->key, s->value);
    return 0;
}

int sysctl_write(struct job *j, int root, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < j->c->plan.n_sysctl && r == 0; i++)
        r = write_sysctl(root, &j->c->plan.sysctl[i], err);
    return r;
}
