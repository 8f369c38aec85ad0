/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"
#include "monitor/monitor.h"

/* "ID", or two components, "ID:3/etc", without path tricks. */
static int check_name(const char *name, struct err *err)
{
    const char *slash = strchr(name, '/');
    const char *base = slash ? slash + 1 : name;

    if (!*base || slash == name || strchr(base, '/') || strlen(name) > 1200 || name[0] == '.' ||
        strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
        return err_set(err, EINVAL, "bad name '%s' in the share", name);
    return 0;
}

char *share_path(const struct ipc_sandbox *s, const char *name)
{
    return xasprintf("%s" SHARE_DIR "%s%s", s->host_mounts ? s->host_mounts : "", name ? "/" : "",
                     name ? name : "");
}

/* In the writable view; the read-only one shows it. */
static int make_target(int share_fd, const struct ipc_mount *mount, struct err *err)
{
    const char *slash = strchr(mount->name, '/');
    cleanup_free char *dir = slash ? xstrndup(mount->name, (size_t)(slash - mount->name)) : NULL;
    int fd;

    if (dir && mkdirat(share_fd, dir, 0755) < 0 && errno != EEXIST)
        return err_set(err, errno, "make '%s' in the share: %m", dir);
    if (!mount->is_file) {
        if (mkdirat(share_fd, mount->name, 0755) < 0)
            return err_set(err, errno, "make '%s' in the share: %m", mount->name);
        return 0;
    }
    fd = openat(share_fd, mount->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return err_set(err, errno, "make '%s' in the share: %m", mount->name);
    close(fd);
    return 0;
}

static bool is_used(const struct monitor *m, const char *name)
{
    for (const struct container *c = m->containers; c; c = c->next)
        if (strv_has(&c->mounts, name))
            return true;
    return false;
}

/* Another container, or another place of this one, shows the same source already. */
static int check_same(const char *path, const char *name, int fd, struct err *err)
{
    struct stat there, st;

    if (stat(path, &there) < 0 || fstat(fd, &st) < 0)
        return err_set(err, errno, "stat '%s' in the share: %m", name);
    if (there.st_dev != st.st_dev || there.st_ino != st.st_ino)
        return err_set(err, ESTALE, "'%s' in the share is another source", name);
    return 0;
}

/* fd is a detached mount with its attributes set (storage_clone). */
int share_attach(struct monitor *m, struct container *c, const struct ipc_mount *mount, int fd,
                 struct err *err)
{
    cleanup_free char *path = share_path(&m->spec, mount->name);
    int r = check_name(mount->name, err);

    if (r == 0 && is_used(m, mount->name)) {
        if ((r = check_same(path, mount->name, fd, err)) == 0)
            strv_add(&c->mounts, mount->name);
        return r;
    }
    if (r < 0 || (r = make_target(m->share_fd, mount, err)) < 0)
        return r;
    if (syscall(SYS_move_mount, fd, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return err_set(err, errno, "mount '%s' into the share: %m", mount->name);
    strv_add(&c->mounts, mount->name);
    return 0;
}

static void detach(struct monitor *m, char *name)
{
    cleanup_free char *path = share_path(&m->spec, name);
    char *slash = strchr(name, '/');

    if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
        log_warn("unmount '%s': %s, ignoring", path, strerror(errno));
    if (unlinkat(m->share_fd, name, AT_REMOVEDIR) < 0 && errno == ENOTDIR)
        (void)unlinkat(m->share_fd, name, 0);
    if (!slash)
        return;
    *slash = '\0';
    (void)unlinkat(m->share_fd, name, AT_REMOVEDIR);
}

/* The guest has let go by now, or is gone: lazily, so that a hostile one cannot hold us up. */
void share_detach(struct monitor *m, struct container *c)
{
    while (c->mounts.n > 0) {
        char **last = &c->mounts.v[--c->mounts.n];
        cleanup_free char *name = steal_ptr(last);

        if (!is_used(m, name) && !strv_has(&c->mounts, name))
            detach(m, name);
    }
}
