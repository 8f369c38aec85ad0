/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"

#define RESOLVE_RETRIES 128
#define TREE_MAX_DEPTH 512 /* one descriptor is open per level */

int path_mkdirs(const char *path, mode_t mode, struct err *err)
{
    cleanup_free char *part = xstrdup(path);
    struct stat st;

    for (char *p = part; *p;) {
        char kept;

        p += strspn(p, "/");
        p += strcspn(p, "/");
        kept = *p;
        *p = '\0';
        if (mkdir(part, mode) < 0 && errno != EEXIST && (errno != EROFS || stat(part, &st) < 0))
            return err_set(err, errno, "make directory '%s': %m", part);
        *p = kept;
    }
    if (stat(path, &st) < 0)
        return err_set(err, errno, "make directory '%s': %m", path);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ENOTDIR, "'%s' exists and is not a directory", path);
    return 0;
}

char *path_join(const char *a, const char *b)
{
    size_t len = strlen(a);

    if (len == 0 || !*b)
        return xstrdup(len == 0 ? b : a);
    while (len > 0 && a[len - 1] == '/')
        len--;
    b += strspn(b, "/");
    return xasprintf("%.*s/%s", (int)len, a, b);
}

int path_read(int dirfd, const char *path, size_t max, char **ret_buf, size_t *ret_len,
              struct err *err)
{
    /* O_NONBLOCK: opening a pipe that nobody writes to would wait for ever. */
    cleanup_fd int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return err_set(err, errno, "open '%s': %m", path);
    if (fd_read_all(fd, max, ret_buf, ret_len, err) < 0)
        return err_wrap(err, "'%s'", path);
    return 0;
}

int path_write(int dirfd, const char *path, const char *text, struct err *err)
{
    cleanup_fd int fd = openat(dirfd, path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    size_t len = strlen(text);
    ssize_t n;

    if (fd < 0)
        return err_set(err, errno, "open '%s': %m", path);
    do
        n = write(fd, text, len);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set(err, errno, "write '%.80s' to '%s': %m", text, path);
    if ((size_t)n != len)
        return err_set(err, EIO, "write to '%s': %zd of %zu bytes were taken", path, n, len);
    return 0;
}

static int write_new(int dirfd, const char *name, const void *buf, size_t len, mode_t mode,
                     struct err *err)
{
    cleanup_fd int fd = -1;

    /* A left-over can only be of a dead process with this very pid. */
    (void)unlinkat(dirfd, name, 0);
    fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, errno, "create '%s': %m", name);
    if (fd_write_all(fd, buf, len, err) < 0)
        return err_wrap(err, "'%s'", name);
    if (fchmod(fd, mode) < 0)
        return err_set(err, errno, "set the mode of '%s': %m", name);
    if (fsync(fd) < 0)
        return err_set(err, errno, "fsync '%s': %m", name);
    return 0;
}

int path_replace(int dirfd, const char *name, const void *buf, size_t len, mode_t mode,
                 struct err *err)
{
    cleanup_free char *temporary = xasprintf("%s.new-%d", name, (int)gettid());
    int r = write_new(dirfd, temporary, buf, len, mode, err);

    if (r == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
        r = err_set(err, errno, "rename '%s' to '%s': %m", temporary, name);
    if (r < 0)
        (void)unlinkat(dirfd, temporary, 0);
    return r;
}

/* The kernel answers EAGAIN when a rename elsewhere raced with the look-up. */
static int resolve(int dirfd, const char *path, int flags, uint64_t how)
{
    struct open_how open_how = {.flags = (uint64_t)(flags | O_CLOEXEC), .resolve = how};
    int fd;

    if (flags & O_CREAT)
        open_how.mode = 0644;
    for (int i = 0; i < RESOLVE_RETRIES; i++) {
        fd = (int)syscall(SYS_openat2, dirfd, path, &open_how, sizeof(open_how));
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            break;
    }
    return fd;
}

int path_open_in_root(int rootfd, const char *path, int flags, struct err *err)
{
    int fd = resolve(rootfd, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

    return fd >= 0 ? fd : err_set(err, errno, "open '%s' in its root: %m", path);
}

int path_open_beneath(int dirfd, const char *path, int flags, struct err *err)
{
    int fd = resolve(dirfd, path, flags, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS);

    return fd >= 0 ? fd : err_set(err, errno, "open '%s' below its directory: %m", path);
}

static int remove_entry(int dirfd, const char *name, int depth, struct err *err);

/* dir is taken over. */
static int empty_directory(int dir, const char *name, int depth, struct err *err)
{
    cleanup_dir DIR *d = fdopendir(dir);
    struct dirent *e;
    int r;

    if (!d) {
        r = err_set(err, errno, "read directory '%s': %m", name);
        close(dir);
        return r;
    }
    for (errno = 0; (e = readdir(d)); errno = 0) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        r = remove_entry(dirfd(d), e->d_name, depth + 1, err);
        if (r < 0)
            return r;
    }
    return errno ? err_set(err, errno, "read directory '%s': %m", name) : 0;
}

/* name: one component. A mount below is an error (EXDEV, EBUSY): its contents are not ours. */
static int remove_entry(int dirfd, const char *name, int depth, struct err *err)
{
    int dir, r;

    if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return err_set(err, errno, "remove '%s': %m", name);
    if (depth > TREE_MAX_DEPTH)
        return err_set(err, ELOOP, "remove '%s': more than %d directories deep", name,
                       TREE_MAX_DEPTH);
    dir = resolve(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
                  RESOLVE_NO_XDEV | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (dir < 0 && errno == ENOENT)
        return 0;
    if (dir < 0)
        return err_set(err, errno, "remove '%s': %s%m", name,
                       errno == EXDEV ? "something is mounted there: " : "");
    if ((r = empty_directory(dir, name, depth, err)) < 0)
        return r;
    if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        return err_set(err, errno, "remove directory '%s': %m", name);
    return 0;
}

int path_remove_tree(int dirfd, const char *name, struct err *err)
{
    cleanup_free char *path = xstrdup(name);
    cleanup_fd int parent = -1;
    size_t len = strlen(path);
    char *slash;

    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    slash = strrchr(path, '/');
    if (!slash)
        return remove_entry(dirfd, path, 0, err);
    *slash = '\0';
    parent = openat(dirfd, slash == path ? "/" : path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (parent < 0 && errno == ENOENT)
        return 0;
    if (parent < 0)
        return err_set(err, errno, "open '%s': %m", path);
    return remove_entry(parent, slash + 1, 0, err);
}
