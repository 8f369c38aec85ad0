/* SPDX-License-Identifier: Apache-2.0 */
/* /dev of a container, and what it must not see or change of /proc and /sys. */
#include "agent/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"
#include "base/macros.h"

static const struct plan_device standard[] = {
    {(char *)"/dev/null", 'c', 1, 3, 0666, 0, 0},   {(char *)"/dev/zero", 'c', 1, 5, 0666, 0, 0},
    {(char *)"/dev/full", 'c', 1, 7, 0666, 0, 0},   {(char *)"/dev/tty", 'c', 5, 0, 0666, 0, 0},
    {(char *)"/dev/random", 'c', 1, 8, 0666, 0, 0}, {(char *)"/dev/urandom", 'c', 1, 9, 0666, 0, 0},
};

/* mknod is not for user namespaces, but a bind mount of the machine's own node is. */
static int bind_node(int root, const struct plan_device *d, struct err *err)
{
    cleanup_fd int from = open(d->path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    cleanup_fd int mount = -1;
    cleanup_fd int dest = -1;
    struct stat st;
    int r;

    if (from < 0 || fstat(from, &st) < 0 || st.st_rdev != makedev(d->major, d->minor))
        return err_set(err, EPERM, "make device '%s': %m", d->path);
    dest = inroot_file(root, d->path, err);
    if (dest < 0)
        return dest;
    r = mountapi_clone(from, false, &mount, err);
    if (r == 0 && sys_move_mount(mount, dest) < 0)
        r = err_set(err, errno, "bind device '%s': %m", d->path);
    return r;
}

static int make_node(int root, const struct plan_device *d, struct err *err)
{
    mode_t kind = d->type == 'b' ? S_IFBLK : d->type == 'p' ? S_IFIFO : S_IFCHR;
    cleanup_free char *name = NULL;
    cleanup_fd int dir = inroot_parent(root, d->path, &name, err);

    if (dir < 0)
        return dir;
    if (mknodat(dir, name, kind | (d->mode & 07777), makedev(d->major, d->minor)) < 0) {
        if (errno == EEXIST)
            return 0;
        if (errno == EPERM)
            return bind_node(root, d, err);
        return err_set(err, errno, "make device '%s': %m", d->path);
    }
    if (fchownat(dir, name, d->uid, d->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(err, errno, "give device '%s' to %u:%u: %m", d->path, d->uid, d->gid);
    return 0;
}

static int make_links(int root, struct err *err)
{
    static const char *const links[][2] = {
        {"core", "/proc/kcore"},       {"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"},
        {"stdout", "/proc/self/fd/1"}, {"stderr", "/proc/self/fd/2"}, {"ptmx", "pts/ptmx"},
    };
    cleanup_fd int dev = inroot_dir(root, "/dev", err);

    if (dev < 0)
        return err_set(err, -dev, "open /dev: %m");
    for (size_t i = 0; i < ARRAY_SIZE(links); i++)
        if (symlinkat(links[i][1], dev, links[i][0]) < 0 && errno != EEXIST)
            return err_set(err, errno, "link /dev/%s: %m", links[i][0]);
    return 0;
}

/* Somebody's own /dev, bound from outside, is used as it is. */
static bool dev_is_bound(const struct plan_container *c)
{
    for (size_t i = 0; i < c->n_mounts; i++)
        if (strcmp(c->mounts[i].dest, "/dev") == 0)
            return c->mounts[i].kind == PLAN_M_SHARE || c->mounts[i].kind == PLAN_M_BIND;
    return false;
}

int devices_make(struct job *j, int root, struct err *err)
{
    const struct plan_container *c = &j->c->plan;
    int r = 0;

    if (dev_is_bound(c))
        return 0;
    /* The plan's own come first: it may give a standard one another mode. */
    for (size_t i = 0; i < c->n_devices && r == 0; i++)
        r = make_node(root, &c->devices[i], err);
    for (size_t i = 0; i < ARRAY_SIZE(standard) && r == 0; i++)
        r = make_node(root, &standard[i], err);
    return r < 0 ? r : make_links(root, err);
}

/* What covers a masked path: the machine's null device (never the container's, which it may have
 * replaced) or an empty folder. */
static int make_cover(const struct job *j, bool folder, int *ret_mount, struct err *err)
{
    cleanup_fd int null = -1, empty = -1;
    struct stat st;

    if (folder && j->a->at.machine)
        empty = open(AGENT_EMPTY, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder)
        return empty >= 0 ? mountapi_clone(empty, false, ret_mount, err)
                          : mountapi_new("tmpfs", "tmpfs", "size=0k", MS_RDONLY, ret_mount, err);
    null = open("/dev/null", O_PATH | O_CLOEXEC);
    if (null < 0 || fstat(null, &st) < 0 || st.st_rdev != makedev(1, 3))
        return err_set(err, ENODEV, "/dev/null is not the device");
    return mountapi_clone(null, false, ret_mount, err);
}

static int mask(const struct job *j, int root, const char *path, struct err *err)
{
    cleanup_fd int dest = inroot_open(root, path, O_PATH);
    cleanup_fd int mount = -1;
    struct stat st;
    int r;

    if (dest == -ENOENT || dest == -ENOTDIR)
        return 0;
    if (dest < 0 || fstat(dest, &st) < 0)
        return err_set(err, dest < 0 ? -dest : errno, "open it: %m");
    r = make_cover(j, S_ISDIR(st.st_mode), &mount, err);
    if (r == 0 && (mountapi_flags(mount, MS_RDONLY, false) < 0 || sys_move_mount(mount, dest) < 0))
        r = err_set(err, errno, "cover it: %m");
    return r;
}

static int freeze(int root, const char *path, struct err *err)
{
    cleanup_fd int dest = inroot_open(root, path, O_PATH);
    cleanup_fd int mount = -1;
    int r;

    if (dest == -ENOENT || dest == -ENOTDIR)
        return 0;
    if (dest < 0)
        return err_set(err, -dest, "open it: %m");
    r = mountapi_clone(dest, true, &mount, err);
    if (r == 0 && (mountapi_flags(mount, MS_RDONLY, true) < 0 || sys_move_mount(mount, dest) < 0))
        r = err_set(err, errno, "make it read-only: %m");
    return r;
}

int devices_mask(struct job *j, int root, struct err *err)
{
    const struct plan_container *c = &j->c->plan;

    for (size_t i = 0; i < c->readonly.n; i++)
        if (freeze(root, c->readonly.v[i], err) < 0)
            return err_wrap(err, "read-only path '%s'", c->readonly.v[i]);
    for (size_t i = 0; i < c->masked.n; i++)
        if (mask(j, root, c->masked.v[i], err) < 0)
            return err_wrap(err, "masked path '%s'", c->masked.v[i]);
    return 0;
}
