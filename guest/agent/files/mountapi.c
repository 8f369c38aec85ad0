/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts by descriptor: nothing here names a path that somebody could exchange meanwhile. */
#include "agent/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"
#include "base/macros.h"

static unsigned attr_of(uint64_t ms)
{
    unsigned attr = 0;

    attr |= ms & MS_RDONLY ? MOUNT_ATTR_RDONLY : 0;
    attr |= ms & MS_NOSUID ? MOUNT_ATTR_NOSUID : 0;
    attr |= ms & MS_NODEV ? MOUNT_ATTR_NODEV : 0;
    attr |= ms & MS_NOEXEC ? MOUNT_ATTR_NOEXEC : 0;
    attr |= ms & MS_NODIRATIME ? MOUNT_ATTR_NODIRATIME : 0;
    attr |= ms & 256 /* MS_NOSYMFOLLOW */ ? MOUNT_ATTR_NOSYMFOLLOW : 0;
    if (ms & MS_NOATIME)
        attr |= MOUNT_ATTR_NOATIME;
    else if (ms & MS_STRICTATIME)
        attr |= MOUNT_ATTR_STRICTATIME;
    return attr;
}

/* What belongs to the superblock. Not "ro": only this mount is (crun shows it so, and sysfs and
 * cgroup2 have one superblock for many mounts). */
static int super_flags(int fs, uint64_t ms)
{
    static const struct {
        uint64_t flag;
        const char *name;
    } t[] = {{MS_SYNCHRONOUS, "sync"}, {MS_DIRSYNC, "dirsync"}, {1u << 25, "lazytime"}};

    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        if ((ms & t[i].flag) && sys_fsconfig(fs, FSCONFIG_SET_FLAG, t[i].name, NULL) < 0)
            return -errno;
    return 0;
}

static int super_options(int fs, const char *data, struct err *err)
{
    cleanup_free char *copy = strdup(data ? data : "");
    char *save = NULL;

    if (!copy)
        return err_set(err, ENOMEM, "mount options: %m");
    for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
        char *value = strchr(w, '=');
        int r;

        if (value)
            *value++ = '\0';
        r = sys_fsconfig(fs, value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, w, value);
        if (r < 0)
            return err_set(err, errno, "mount option '%s%s%s': %m", w, value ? "=" : "",
                           value ? value : "");
    }
    return 0;
}

int mountapi_new(const char *type, const char *source, const char *data, uint64_t ms_flags,
                 int *ret_mount, struct err *err)
{
    cleanup_fd int fs = sys_fsopen(type);
    int r;

    if (fs < 0)
        return err_set(err, errno, "file system '%s': %m", type);
    if (source && *source)
        (void)sys_fsconfig(fs, FSCONFIG_SET_STRING, "source", source);
    r = super_options(fs, data, err);
    if (r < 0)
        return r;
    if ((r = super_flags(fs, ms_flags)) < 0)
        return err_set(err, -r, "mount flags of '%s': %m", type);
    if (sys_fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
        return err_set(err, errno, "mount %s with '%s': %m", type, data ? data : "");
    r = sys_fsmount(fs, attr_of(ms_flags));
    if (r < 0)
        return err_set(err, errno, "mount %s: %m", type);
    *ret_mount = r;
    return 0;
}

int mountapi_clone(int from, bool recursive, int *ret_mount, struct err *err)
{
    int fd = sys_open_tree(from, "",
                           OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH |
                               (recursive ? AT_RECURSIVE : 0));

    if (fd < 0)
        return err_set(err, errno, "bind mount: %m");
    *ret_mount = fd;
    return 0;
}

/* Adds flags; those that are set stay. errno on failure. */
int mountapi_flags(int mount, uint64_t ms_flags, bool recursive)
{
    struct mount_attr attr = {.attr_set = attr_of(ms_flags)};

    if (attr.attr_set == 0)
        return 0;
    if (attr.attr_set & (MOUNT_ATTR_NOATIME | MOUNT_ATTR_STRICTATIME))
        attr.attr_clr = MOUNT_ATTR__ATIME;
    return sys_mount_setattr(mount, AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr);
}

int mountapi_propagation(int mount, uint64_t ms_flags)
{
    struct mount_attr attr = {.propagation =
                                  ms_flags & (MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE)};

    if (attr.propagation == 0)
        return 0;
    return sys_mount_setattr(mount, AT_EMPTY_PATH | (ms_flags & MS_REC ? AT_RECURSIVE : 0), &attr);
}
