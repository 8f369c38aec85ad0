/* SPDX-License-Identifier: Apache-2.0 */
/* The root file system that containerd's snapshotter describes: mounted before create. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "shim.pb-c.h"
#include "shim/shim.h"

#define OPTIONS_MAX 4095 /* of mount(2): a page, its NUL included */
#define DEPTH_MAX 64     /* mounts on top of each other */

static const struct flag {
    const char *name;
    unsigned long set, clear;
} flags[] = {
    {"async", 0, MS_SYNCHRONOUS},
    {"atime", 0, MS_NOATIME},
    {"bind", MS_BIND, 0},
    {"defaults", 0, 0},
    {"dev", 0, MS_NODEV},
    {"diratime", 0, MS_NODIRATIME},
    {"dirsync", MS_DIRSYNC, 0},
    {"exec", 0, MS_NOEXEC},
    {"mand", MS_MANDLOCK, 0},
    {"noatime", MS_NOATIME, 0},
    {"nodev", MS_NODEV, 0},
    {"nodiratime", MS_NODIRATIME, 0},
    {"noexec", MS_NOEXEC, 0},
    {"nomand", 0, MS_MANDLOCK},
    {"norelatime", 0, MS_RELATIME},
    {"nostrictatime", 0, MS_STRICTATIME},
    {"nosuid", MS_NOSUID, 0},
    {"rbind", MS_BIND | MS_REC, 0},
    {"relatime", MS_RELATIME, 0},
    {"remount", MS_REMOUNT, 0},
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"strictatime", MS_STRICTATIME, 0},
    {"suid", 0, MS_NOSUID},
    {"sync", MS_SYNCHRONOUS, 0},
};

static const struct flag *find_flag(const char *option)
{
    for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
        if (strcmp(flags[i].name, option) == 0)
            return &flags[i];
    return NULL;
}

/* Flags, and the rest as the file system's own options. */
static char *options_of(const Pb__Mount *m, unsigned long *ret_flags)
{
    char *data = xstrdup("");

    *ret_flags = 0;
    for (size_t i = 0; i < m->n_options; i++) {
        const struct flag *f = find_flag(m->options[i]);
        char *longer;

        if (f) {
            *ret_flags = (*ret_flags | f->set) & ~f->clear;
            continue;
        }
        longer = xasprintf("%s%s%s", data, *data ? "," : "", m->options[i]);
        free(data);
        data = longer;
    }
    return data;
}

char *rootfs_shorten(const char *data, char **ret_folder)
{
    const char *lower = strstr(data, "lowerdir="), *slash;
    cleanup_free char *first = NULL;
    char *out, *to;
    size_t len;

    if (!lower)
        return NULL;
    lower += strlen("lowerdir=");
    /* SNAPSHOTS/NUMBER/fs: all layers are below SNAPSHOTS. */
    first = xstrndup(lower, strcspn(lower, ":,"));
    for (int up = 0; up < 2; up++) {
        slash = strrchr(first, '/');
        if (!slash)
            return NULL;
        first[slash - first] = '\0';
    }
    *ret_folder = xasprintf("%s/", first);
    len = strlen(*ret_folder);
    out = to = xstrdup(data);
    for (const char *from = data; *from;) {
        bool layer = from == lower || (from > lower && from[-1] == ':');

        if (layer && strncmp(from, *ret_folder, len) == 0)
            from += len;
        else
            *to++ = *from++;
    }
    *to = '\0';
    return out;
}

static int mount_long(const Pb__Mount *m, const char *target, unsigned long mount_flags,
                      const char *data, struct err *err)
{
    cleanup_free char *folder = NULL;
    cleanup_free char *shorter = rootfs_shorten(data, &folder);
    cleanup_fd int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int r;

    if (!shorter || strlen(shorter) > OPTIONS_MAX)
        return err_set(err, E2BIG, "the options of the root file system are longer than a page");
    if (here < 0 || chdir(folder) < 0)
        return err_set(err, errno, "go to '%s': %m", folder);
    r = mount(m->source, target, m->type, mount_flags, shorter);
    if (r < 0)
        r = err_set(err, errno, "mount the root file system (%s, %s): %m", m->type, shorter);
    if (fchdir(here) < 0 && r == 0)
        r = err_set(err, errno, "go back from '%s': %m", folder);
    return r;
}

static int mount_one(const Pb__Mount *m, const char *rootfs, struct err *err)
{
    cleanup_free char *target = *m->target ? path_join(rootfs, m->target) : xstrdup(rootfs);
    unsigned long mount_flags;
    cleanup_free char *data = options_of(m, &mount_flags);
    const unsigned long of_bind = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME;

    if (strlen(data) > OPTIONS_MAX)
        return mount_long(m, target, mount_flags, data, err);
    if (mount(m->source, target, m->type, mount_flags, data) < 0)
        return err_set(err, errno, "mount the root file system '%s' (%s, %s) at '%s': %m",
                       m->source, m->type, data, target);
    /* A bind takes these only when it is there. */
    if ((mount_flags & MS_BIND) && (mount_flags & of_bind) &&
        mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | (mount_flags & of_bind), NULL) < 0)
        return err_set(err, errno, "remount the root file system at '%s': %m", target);
    return 0;
}

int rootfs_mount(const char *bundle, const ProtobufCMessage *const *mounts, size_t n,
                 struct err *err)
{
    cleanup_free char *rootfs = path_join(bundle, SHIM_ROOTFS);
    int r;

    if (n == 0)
        return 0;
    if (mkdir(rootfs, 0711) < 0 && errno != EEXIST)
        return err_set(err, errno, "mkdir '%s': %m", rootfs);
    for (size_t i = 0; i < n; i++)
        if ((r = mount_one((const Pb__Mount *)mounts[i], rootfs, err)) < 0) {
            (void)rootfs_unmount(bundle, NULL);
            return r;
        }
    return 0;
}

int rootfs_unmount(const char *bundle, struct err *err)
{
    cleanup_free char *rootfs = path_join(bundle, SHIM_ROOTFS);

    for (int i = 0; i < DEPTH_MAX; i++)
        if (umount2(rootfs, UMOUNT_NOFOLLOW) < 0) {
            if (errno == EBUSY && umount2(rootfs, MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
                continue;
            return errno == EINVAL || errno == ENOENT
                       ? 0
                       : err_set(err, errno, "unmount '%s': %m", rootfs);
        }
    return err_set(err, EBUSY, "more than %d mounts at '%s'", DEPTH_MAX, rootfs);
}
