/* SPDX-License-Identifier: Apache-2.0 */
/* tmpcopyup: what the image has at a tmpfs's place is copied into it first. */
#include "agent/files/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"

#define DEPTH_MAX 64

static int copy_dir(int from, int to, int depth, struct err *err);

/* What the tmpfs can hold: kernels before 6.6 have no user attributes there. */
static void copy_xattrs(int in, int out)
{
    char names[2048], value[2048];
    ssize_t n = flistxattr(in, names, sizeof(names)), len;

    for (const char *k = names; n > 0 && k < names + n; k += strlen(k) + 1) {
        len = fgetxattr(in, k, value, sizeof(value));
        if (len >= 0)
            (void)fsetxattr(out, k, value, (size_t)len, 0);
    }
}

static int copy_file(int from, int to, const char *name, const struct stat *st, struct err *err)
{
    cleanup_fd int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    cleanup_fd int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n = 1;

    if (in < 0 || out < 0)
        return err_set(err, errno, "copy '%s': %m", name);
    while (n > 0)
        n = sendfile(out, in, NULL, 1 << 20);
    if (n < 0 || fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0)
        return err_set(err, errno, "copy '%s': %m", name);
    copy_xattrs(in, out);
    return 0;
}

static int copy_fifo(int to, const char *name, const struct stat *st, struct err *err)
{
    if (mkfifoat(to, name, st->st_mode & 07777) < 0 ||
        fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(err, errno, "copy fifo '%s': %m", name);
    return 0;
}

static int copy_link(int from, int to, const char *name, const struct stat *st, struct err *err)
{
    char target[4096];
    ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

    if (n < 0)
        return err_set(err, errno, "copy link '%s': %m", name);
    target[n] = '\0';
    if (symlinkat(target, to, name) < 0 ||
        fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(err, errno, "copy link '%s': %m", name);
    return 0;
}

static int copy_sub(int from, int to, const char *name, const struct stat *st, int depth,
                    struct err *err)
{
    cleanup_fd int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cleanup_fd int out = -1;
    int r;

    if (in < 0 || mkdirat(to, name, 0700) < 0 ||
        (out = openat(to, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return err_set(err, errno, "copy directory '%s': %m", name);
    r = copy_dir(in, out, depth + 1, err);
    copy_xattrs(in, out);
    if (r == 0 && (fchown(out, st->st_uid, st->st_gid) < 0 || fchmod(out, st->st_mode & 07777) < 0))
        r = err_set(err, errno, "copy directory '%s': %m", name);
    return r;
}

static int copy_one(int from, int to, const char *name, int depth, struct err *err)
{
    struct stat st;

    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return err_set(err, errno, "look at '%s': %m", name);
    switch (st.st_mode & S_IFMT) {
    case S_IFREG:
        return copy_file(from, to, name, &st, err);
    case S_IFDIR:
        return copy_sub(from, to, name, &st, depth, err);
    case S_IFLNK:
        return copy_link(from, to, name, &st, err);
    case S_IFIFO:
        return copy_fifo(to, name, &st, err);
    default:
        return 0; /* sockets belong to who listens, nodes to the machine */
    }
}

static int copy_dir(int from, int to, int depth, struct err *err)
{
    int fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    cleanup_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!d || depth > DEPTH_MAX)
        return err_set(err, d ? ELOOP : errno, "list directory: %m");
    while (r == 0 && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            r = copy_one(from, to, e->d_name, depth, err);
    return r;
}

int copyup(int from, int to, struct err *err)
{
    struct stat st;
    int r = copy_dir(from, to, 0, err);

    if (r == 0 && (fstat(from, &st) < 0 || fchownat(to, ".", st.st_uid, st.st_gid, 0) < 0 ||
                   fchmodat(to, ".", st.st_mode & 07777, 0) < 0))
        r = err_set(err, errno, "copy owner and mode: %m");
    return r;
}
