/* SPDX-License-Identifier: Apache-2.0 */
/* The container's root: from the share, with all its mounts, then the only thing that is left. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"

int rootfs_build(struct job *j, int *ret_root, struct err *err)
{
    cleanup_fd int share = open(j->a->share_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int dir = -1, root = -1;
    int r;

    if (share < 0)
        return err_set(err, errno, "open the share: %m");
    dir = sys_openat2(share, j->c->plan.rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC,
                      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (dir < 0)
        return err_set(err, errno, "open root file system '%s' in the share: %m",
                       j->c->plan.rootfs);
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
