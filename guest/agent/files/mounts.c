/* SPDX-License-Identifier: Apache-2.0 */
/* The mounts of a plan, in its order: each is made detached and then put in its place. */
#include "agent/container/child.h"
#include "agent/storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"
#include "base/macros.h"

static int from_share(struct job *j, const struct plan_mount *m, int *ret_mount, struct err *err)
{
    cleanup_fd int share = open(j->a->share_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int from = -1;

    if (share < 0)
        return err_set(err, errno, "open the share: %m");
    from = sys_openat2(share, m->source, O_PATH | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (from < 0)
        return err_set(err, errno, "open '%s' in the share: %m", m->source);
    return mountapi_clone(from, true, ret_mount, err);
}

static int from_shm(struct job *j, const struct plan_mount *m, int *ret_mount, struct err *err)
{
    cleanup_fd int from = -1;
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", shm_dir(j->a), m->source);
    from = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0)
        return err_set(err, errno, "open shared memory '%s': %m", m->source);
    return mountapi_clone(from, false, ret_mount, err);
}

static int from_disk(const struct plan_mount *m, int *ret_mount, struct err *err)
{
    cleanup_fd int from = disk_dir(m->source, m->subdir, err);

    return from < 0 ? from : mountapi_clone(from, false, ret_mount, err);
}

static int from_root(int root, const struct plan_mount *m, int *ret_mount, struct err *err)
{
    cleanup_fd int from = inroot_open(root, m->source, O_PATH);

    if (from < 0)
        return err_set(err, -from, "open '%s' in the container: %m", m->source);
    return mountapi_clone(from, m->flags & PLAN_MF_RECURSIVE, ret_mount, err);
}

/* The namespace that a file system shows; -1 = none. */
static int shown_by(const struct plan_mount *m)
{
    static const struct {
        const char *type;
        int ns;
    } t[] = {{"sysfs", PLAN_NS_NET}, {"proc", PLAN_NS_PID}, {"mqueue", PLAN_NS_IPC}};

    if (m->kind == PLAN_M_CGROUP)
        return PLAN_NS_CGROUP;
    for (size_t i = 0; m->kind == PLAN_M_FS && i < ARRAY_SIZE(t); i++)
        if (strcmp(m->type, t[i].type) == 0)
            return t[i].ns;
    return -1;
}

/* Behind a link they would be mounted elsewhere, and what masks them would miss them: runc's rule.
 */
static int must_be_plain(int root, const struct plan_mount *m, struct err *err)
{
    cleanup_fd int fd = -1;
    struct stat st;

    if (m->kind != PLAN_M_FS || (strcmp(m->type, "proc") != 0 && strcmp(m->type, "sysfs") != 0))
        return 0;
    fd = inroot_open(root, m->dest, O_PATH | O_NOFOLLOW);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode))
        return err_set(err, ELOOP, "filesystem '%s' must be mounted on an ordinary directory",
                       m->type);
    return 0;
}

static int fresh(const struct plan_mount *m, int *ret_mount, struct err *err)
{
    if (m->kind == PLAN_M_CGROUP)
        return mountapi_new("cgroup2", "cgroup2", NULL, m->ms_flags, ret_mount, err);
    return mountapi_new(m->type, m->source ? m->source : m->type, m->data, m->ms_flags, ret_mount,
                        err);
}

int mounts_lend(const struct plan_container *c, struct lent *l, struct err *err)
{
    l->n = 0;
    if (c->ns[PLAN_NS_USER] == PLAN_NS_VM)
        return 0;
    for (size_t i = 0; i < c->n_mounts && l->n < LENT_MAX; i++) {
        int ns = shown_by(&c->mounts[i]), r;

        if (ns < 0 || c->ns[ns] != PLAN_NS_VM)
            continue;
        r = fresh(&c->mounts[i], &l->v[l->n].fd, err);
        if (r < 0)
            return err_wrap(err, "mount on '%s'", c->mounts[i].dest);
        l->v[l->n++].index = i;
    }
    return 0;
}

void mounts_lend_done(struct lent *l)
{
    while (l->n)
        close_fd(&l->v[--l->n].fd);
}

/* -1: make it yourself. */
static int take_lent(struct job *j, const struct plan_mount *m)
{
    for (size_t i = 0; i < j->lent.n; i++)
        if (&j->c->plan.mounts[j->lent.v[i].index] == m)
            return steal_fd(&j->lent.v[i].fd);
    return -1;
}

static int make(struct job *j, int root, const struct plan_mount *m, int *ret_mount,
                struct err *err)
{
    int r = take_lent(j, m);

    if (r >= 0) {
        *ret_mount = r;
        return 0;
    }
    r = usual_take(j, m, ret_mount, err);
    if (r != 0)
        return MIN(r, 0);
    switch (m->kind) {
    case PLAN_M_FS:
    case PLAN_M_CGROUP:
        return fresh(m, ret_mount, err);
    case PLAN_M_SHARE:
        r = from_share(j, m, ret_mount, err);
        break;
    case PLAN_M_SHM:
        r = from_shm(j, m, ret_mount, err);
        break;
    case PLAN_M_DISK:
        r = from_disk(m, ret_mount, err);
        break;
    default:
        r = from_root(root, m, ret_mount, err);
        break;
    }
    if (r < 0)
        return r;
    /* A clone inherits what it is a copy of: here it starts alone, with the plan's flags. */
    if (mountapi_propagation(*ret_mount, MS_PRIVATE | MS_REC) < 0 ||
        mountapi_flags(*ret_mount, m->ms_flags, false) < 0) {
        r = err_set(err, errno, "set flags: %m");
        close_fd(ret_mount);
    }
    return r;
}

static int copy_up(int root, const struct plan_mount *m, int mount, struct err *err)
{
    cleanup_fd int from = inroot_open(root, m->dest, O_RDONLY | O_DIRECTORY);

    return from < 0 ? err_set(err, -from, "open what to copy: %m") : copyup(from, mount, err);
}

static int attributes(int mount, const struct plan_mount *m, struct err *err)
{
    struct mount_attr attr = {.attr_set = m->attr_set, .attr_clr = m->attr_clr};

    if ((m->attr_set || m->attr_clr) &&
        sys_mount_setattr(mount, AT_EMPTY_PATH | AT_RECURSIVE, &attr) < 0)
        return err_set(err, errno, "set attributes: %m");
    if (m->propagation && mountapi_propagation(mount, m->propagation) < 0)
        return err_set(err, errno, "set propagation: %m");
    return 0;
}

int mounts_put(int mount, int dest, const struct plan_mount *m, struct err *err)
{
    if (sys_move_mount(mount, dest) < 0)
        return err_set(err, errno, "put it in its place: %m");
    return attributes(mount, m, err);
}

static int one(struct job *j, int root, const struct plan_mount *m, struct err *err)
{
    bool file = (m->flags & PLAN_MF_IS_FILE) && (m->kind == PLAN_M_SHARE || m->kind == PLAN_M_BIND);
    cleanup_fd int mount = -1, dest = -1;
    int r = must_be_plain(root, m, err);

    if (r < 0)
        return r;
    dest = file ? inroot_file(root, m->dest, err) : inroot_dir(root, m->dest, err);
    if (dest < 0)
        return err->code ? dest : err_set(err, -dest, "open '%s': %m", m->dest);
    if (m->kind == PLAN_M_NFS)
        return 0; /* nfs.c mounts it, later: the root may be read-only by then */
    r = make(j, root, m, &mount, err);
    if (r == 0 && (m->flags & PLAN_MF_COPYUP))
        r = copy_up(root, m, mount, err);
    return r < 0 ? r : mounts_put(mount, dest, m, err);
}

int mounts_make(struct job *j, int root, struct err *err)
{
    for (size_t i = 0; i < j->c->plan.n_mounts; i++) {
        const struct plan_mount *m = &j->c->plan.mounts[i];

        if (one(j, root, m, err) < 0)
            return err_wrap(err, "mount on '%s'", m->dest);
    }
    return 0;
}

/* The terminal is /dev/console too, as a bind mount: the node belongs to the machine. */
int mounts_console(struct job *j, int root, struct err *err)
{
    cleanup_fd int mount = -1;
    cleanup_fd int dest = inroot_file(root, "/dev/console", err);
    int r;

    if (dest < 0)
        return dest;
    r = mountapi_clone(j->slave, false, &mount, err);
    if (r == 0 && sys_move_mount(mount, dest) < 0)
        r = err_set(err, errno, "mount /dev/console: %m");
    return r;
}
