/* SPDX-License-Identifier: Apache-2.0 */
/* The container's root: from the share or a disk, with all its mounts, then the only thing that is
 * left. */
#include "agent/container/child.h"
#include "agent/storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"

static int open_source(const struct job *j, struct err *err)
{
    const struct plan_container *c = &j->c->plan;
    cleanup_fd int share = -1;
    int fd;

    if (c->root.disk)
        return layers_root(j->c, err);
    share = open(j->a->share_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (share < 0)
        return err_set(err, errno, "open the share: %m");
    fd = sys_openat2(share, c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC,
                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    return fd < 0 ? err_set(err, errno, "open root file system '%s' in the share: %m", c->rootfs)
                  : fd;
}

int rootfs_build(struct job *j, int *ret_root, struct err *err)
{
    cleanup_fd int dir = open_source(j, err);
    cleanup_fd int root = -1;
    int r;

    if (dir < 0)
        return dir;
    r = mountapi_clone(dir, true, &root, err);
    if (r < 0)
        return r;
    if (mountapi_propagation(root, MS_PRIVATE | MS_REC) < 0)
        return err_set(err, errno, "make the root private: %m");
    if (sys_move_mount(root, dir) < 0)
        return err_set(err, errno, "mount the root file system: %m");
    r = mounts_make(j, root, err);
    if (r < 0)
        return r;
    *ret_root = steal_fd(&root);
    return 0;
}

/* "." twice: the old root is mounted over the new one and taken off again; no directory needed. */
int rootfs_switch(int root, struct err *err)
{
    if (fchdir(root) < 0 || sys_pivot_root(".", ".") < 0)
        return err_set(err, errno, "pivot_root: %m");
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return err_set(err, errno, "leave the old root: %m");
    return 0;
}
