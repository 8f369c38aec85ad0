/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proxy's mount namespace shows the container's files: whoever joins it through
 * /proc/PID/ns/mnt (podman cp writes and reads like that) must find the container's root there and
 * never the host's.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/creation/creation.h"
#include "storage/storage.h"

/* By system call: <sys/mount.h> and <linux/mount.h> do not go together before glibc 2.37. */
#define FLAGS_PRIVATE ((1ul << 14) | (1ul << 18)) /* MS_REC, MS_PRIVATE */
#define FLAGS_PROC 14ul                           /* MS_NOSUID, MS_NODEV, MS_NOEXEC */
#define UMOUNT_DETACH 2

/* What the child attaches: detached mounts, the root first. */
struct tree {
    int fd;
    const char *dest; /* in the container; borrowed */
};
struct view {
    int pid_ns, mnt_ns;
    struct tree *trees;
    size_t n;
};

static void view_done(struct view *v)
{
    for (size_t i = 0; i < v->n; i++)
        close_fd(&v->trees[i].fd);
    free(v->trees);
    close_fd(&v->pid_ns);
    close_fd(&v->mnt_ns);
}

static int attach(int tree, int dir, const char *path)
{
    return (int)syscall(SYS_move_mount, tree, "", dir, path,
                        MOVE_MOUNT_F_EMPTY_PATH | (*path ? 0 : MOVE_MOUNT_T_EMPTY_PATH));
}

/* Volumes where the container has them; what the rootfs has no place for is left out. */
static void attach_volumes(const struct view *v)
{
    cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 1; i < v->n; i++) {
        cleanup_fd int dest = path_open_in_root(root, v->trees[i].dest, O_PATH, NULL);

        if (dest >= 0)
            (void)attach(v->trees[i].fd, dest, "");
    }
}

/* In a process of the proxy's namespaces: which step failed comes back as exit status. */
static int enter_root(const struct view *v)
{
    if (syscall(SYS_mount, NULL, "/", NULL, FLAGS_PRIVATE, NULL) < 0)
        return 1;
    /* /proc is only a place that exists, also when the caller lives in a chroot. */
    if (attach(v->trees[0].fd, AT_FDCWD, "/proc") < 0 || fchdir(v->trees[0].fd) < 0)
        return 2;
    /* This also moves every process of the namespace that is at the old root: the proxy. */
    if (syscall(SYS_pivot_root, ".", ".") < 0 || syscall(SYS_umount2, ".", UMOUNT_DETACH) < 0)
        return 3;
    if (chdir("/") < 0)
        return 4;
    attach_volumes(v);
    /* Of the proxy's pid namespace: `podman top` reads it. A rootfs without /proc goes without. */
    (void)syscall(SYS_mount, "proc", "/proc", "proc", FLAGS_PROC, NULL);
    return 0;
}

static int wait_status(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 9;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 9;
}

/* Joining a pid namespace takes effect on children: hence two generations. */
static void in_child(const struct view *v)
{
    pid_t pid;

    if (setns(v->pid_ns, CLONE_NEWPID) < 0 || setns(v->mnt_ns, CLONE_NEWNS) < 0)
        _exit(5);
    pid = fork();
    if (pid == 0)
        _exit(enter_root(v));
    _exit(pid < 0 ? 6 : wait_status(pid));
}

static int clone_one(struct view *v, const struct plan_share *s, const char *dest, struct err *err)
{
    const struct storage_bind bind = {s->host_path, s->is_file, s->recursive, s->slave,
                                      s->readonly};
    int fd, r = storage_clone(&bind, &fd, err);

    if (r < 0)
        return r;
    v->trees[v->n++] = (struct tree){fd, dest};
    return 0;
}

static const char *dest_of(const struct plan_container *plan, const char *name)
{
    for (size_t i = 0; i < plan->n_mounts; i++)
        if (plan->mounts[i].kind == PLAN_M_SHARE && plan->mounts[i].source &&
            strcmp(plan->mounts[i].source, name) == 0)
            return plan->mounts[i].dest;
    return NULL;
}

static int clone_all(const struct creation *c, struct view *v, struct err *err)
{
    v->trees = xcalloc(c->shares.n + 1, sizeof(*v->trees));
    for (size_t i = 0; i < c->shares.n; i++) {
        const char *dest = i == 0 ? "/" : dest_of(&c->plan, c->shares.v[i].name);
        int r = dest ? clone_one(v, &c->shares.v[i], dest, err) : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

static int open_ns(pid_t pid, const char *name, int *ret, struct err *err)
{
    cleanup_free char *path = xasprintf("/proc/%d/ns/%s", (int)pid, name);

    *ret = open(path, O_RDONLY | O_CLOEXEC);
    return *ret < 0 ? err_set(err, errno, "open '%s': %m", path) : 0;
}

int proxy_enter_root(struct creation *c, struct err *err)
{
    const struct oci_namespace *ns = &c->spec->linux_.ns[OCI_NS_MOUNT];
    cleanup_call(view_done) struct view v = {.pid_ns = -1, .mnt_ns = -1};
    pid_t pid;
    int r, step;

    /* A namespace that is not the proxy's own is not ours to rearrange. */
    if (!ns->listed || ns->path || c->shares.n == 0)
        return 0;
    if ((r = open_ns(c->proxy.pid, "pid", &v.pid_ns, err)) < 0 ||
        (r = open_ns(c->proxy.pid, "mnt", &v.mnt_ns, err)) < 0 || (r = clone_all(c, &v, err)) < 0)
        return r;
    pid = fork();
    if (pid == 0)
        in_child(&v);
    step = pid < 0 ? 7 : wait_status(pid);
    if (step != 0)
        return err_set_phase(err, PHASE_STORAGE, EIO,
                             "show the container's root in the proxy's mount namespace: step %d "
                             "failed",
                             step);
    return 0;
}
