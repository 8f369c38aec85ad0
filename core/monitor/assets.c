/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VMM that others start may be confined to parts of the host: where AppArmor is on, libvirt makes
 * no domain whose kernel lies below /usr/share. So kernel and initramfs are shown beside the disks,
 * which such a VMM is let at, and go with their mount. No disk's tag begins with a dot.
 */
#include "monitor/assets.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "monitor/disks.h"

static int show(const char *base, const char *name, const char *path, char **ret, struct err *err)
{
    cleanup_free char *place = xasprintf("%s" DISKS_DIR "/.%s", base, name);
    cleanup_fd int made = -1;
    cleanup_fd int tree =
        (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    if (tree < 0) /* who opens it has the better words */
        return 0;
    made = open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (made < 0)
        return err_set(err, errno, "make '%s': %m", place);
    if (syscall(SYS_move_mount, tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_set(err, errno, "show '%s' at '%s': %m", path, place);
    *ret = steal_ptr(&place);
    return 0;
}

int assets_show(const struct ipc_sandbox *s, struct assets *ret, struct err *err)
{
    int r;

    if (!s->host_mounts || !*s->host_mounts)
        return 0;
    r = show(s->host_mounts, "kernel", s->kernel, &ret->kernel, err);
    if (r == 0 && s->initrd && *s->initrd)
        r = show(s->host_mounts, "initrd", s->initrd, &ret->initrd, err);
    return r;
}

void assets_blame(const struct ipc_sandbox *s, const struct assets *a, struct err *err)
{
    if (a->kernel)
        disks_name_place(a->kernel, s->kernel, err);
    if (a->initrd)
        disks_name_place(a->initrd, s->initrd, err);
}
