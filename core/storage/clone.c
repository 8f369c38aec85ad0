/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/storage.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/cleanup.h"

/* glibc's <sys/mount.h> and <linux/mount.h> do not go together before 2.37. */
#define PROPAGATE_PRIVATE (1u << 18)
#define PROPAGATE_SLAVE (1u << 19)

static int open_tree_clone(const char *path, bool recursive)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);

    return (int)syscall(SYS_open_tree, AT_FDCWD, path, flags);
}

/* Here and not where it is attached: the monitor has no right to change a mount's attributes. */
static int restrict_tree(int fd, const struct storage_bind *bind)
{
    struct mount_attr all = {
        .attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID,
        .propagation = bind->slave ? PROPAGATE_SLAVE : PROPAGATE_PRIVATE,
    };
    struct mount_attr top = {.attr_set = MOUNT_ATTR_RDONLY};
    unsigned flags = AT_EMPTY_PATH | (bind->recursive ? AT_RECURSIVE : 0);

    if (syscall(SYS_mount_setattr, fd, "", flags, &all, sizeof(all)) < 0)
        return -1;
    if (!bind->readonly)
        return 0;
    return (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &top, sizeof(top));
}

static int check_kind(int fd, const struct storage_bind *bind, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "stat '%s': %m", bind->path);
    if (S_ISSOCK(st.st_mode))
        return err_set_phase(err, PHASE_STORAGE, EOPNOTSUPP,
                             "'%s' is a unix socket: it cannot be connected to from a VM",
                             bind->path);
    if (bind->is_file == (bool)S_ISDIR(st.st_mode))
        return err_set_phase(err, PHASE_STORAGE, ESTALE, "'%s' was a %s and is a %s now",
                             bind->path, bind->is_file ? "file" : "directory",
                             bind->is_file ? "directory" : "file");
    return 0;
}

int storage_clone(const struct storage_bind *bind, int *ret_fd, struct err *err)
{
    cleanup_fd int fd = open_tree_clone(bind->path, bind->recursive);
    int r;

    if (fd < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "error mounting \"%s\": open_tree: %m",
                             bind->path);
    if ((r = check_kind(fd, bind, err)) < 0)
        return r;
    if (restrict_tree(fd, bind) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno,
                             "error mounting \"%s\": make the copy of its mounts nodev, nosuid, "
                             "%s%s: %m",
                             bind->path, bind->slave ? "a slave" : "private",
                             bind->readonly ? " and read-only" : "");
    *ret_fd = steal_fd(&fd);
    return 0;
}
