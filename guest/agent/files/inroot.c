/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths within a root file system that its owner may have filled with malice: every step is
 * resolved by the kernel with the root as "/", so no symlink and no race leads out.
 */
#include "agent/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/sys.h"
#include "base/cleanup.h"

#define LINKS_MAX 40 /* as the kernel: dangling links that point to each other */

static int dir_at(int root, const char *path, unsigned depth, struct err *err);

int inroot_open(int root, const char *path, uint64_t flags)
{
    int fd;

    do
        fd = sys_openat2(root, *path ? path : ".", flags | O_CLOEXEC,
                         RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN)); /* EAGAIN: a rename went by */
    return fd < 0 ? -errno : fd;
}

/* Where a link leads that nothing is behind, as a path in the root; NULL: it is no link. */
static char *dangling(int parent, const char *up, const char *name)
{
    char target[4096], *path = NULL;
    ssize_t n = readlinkat(parent, name, target, sizeof(target) - 1);

    if (n <= 0)
        return NULL;
    target[n] = '\0';
    if (target[0] == '/')
        return strdup(target);
    return asprintf(&path, "%s/%s", up ? up : "", target) < 0 ? NULL : path;
}

/* What an image links to and does not have is made where the link says, as runc does. */
static int step(int root, const char *prefix, unsigned depth, struct err *err)
{
    const char *name = strrchr(prefix, '/');
    cleanup_free char *up = name && name > prefix ? strndup(prefix, (size_t)(name - prefix)) : NULL;
    int fd = inroot_open(root, prefix, O_PATH | O_DIRECTORY);
    cleanup_free char *behind = NULL;
    cleanup_fd int parent = -1;

    if (fd != -ENOENT)
        return fd < 0 ? err_set(err, -fd, "open '%s' in the container: %m", prefix) : fd;
    name = name ? name + 1 : prefix;
    parent = inroot_open(root, up ? up : "/", O_PATH | O_DIRECTORY);
    if (parent < 0)
        return err_set(err, -parent, "open parent of '%s' in the container: %m", prefix);
    behind = dangling(parent, up, name);
    if (behind)
        return depth == LINKS_MAX ? err_set(err, ELOOP, "open '%s' in the container: %m", prefix)
                                  : dir_at(root, behind, depth + 1, err);
    if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
        return err_set(err, errno, "make directory '%s' in the container: %m", prefix);
    fd = inroot_open(root, prefix, O_PATH | O_DIRECTORY);
    return fd < 0 ? err_set(err, -fd, "open new '%s' in the container: %m", prefix) : fd;
}

static int dir_at(int root, const char *path, unsigned depth, struct err *err)
{
    cleanup_free char *copy = strdup(path);
    size_t len = strlen(path);
    int fd = -1;

    if (!copy)
        return err_set(err, ENOMEM, "'%s': %m", path);
    while (len > 0 && copy[len - 1] == '/')
        copy[--len] = '\0';
    fd = inroot_open(root, copy, O_PATH | O_DIRECTORY);
    if (fd >= 0 || len == 0)
        return fd;
    fd = -1;
    for (char *p = copy + 1; p <= copy + len; p++) {
        char was = *p;

        if (was != '/' && was != '\0')
            continue;
        if (p[-1] == '/')
            continue;
        *p = '\0';
        close_fd(&fd);
        fd = step(root, copy, depth, err);
        *p = was;
        if (fd < 0)
            return fd;
    }
    return fd;
}

int inroot_dir(int root, const char *path, struct err *err)
{
    return dir_at(root, path, 0, err);
}

int inroot_parent(int root, const char *path, char **ret_name, struct err *err)
{
    cleanup_free char *copy = strdup(path);
    char *slash, *name;
    int fd;

    if (!copy)
        return err_set(err, ENOMEM, "'%s': %m", path);
    for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--)
        copy[n - 1] = '\0';
    slash = strrchr(copy, '/');
    name = strdup(slash ? slash + 1 : copy);
    if (slash)
        *slash = '\0';
    if (!name || !*name || strcmp(name, "..") == 0 || strcmp(name, ".") == 0) {
        free(name);
        return err_set(err, EINVAL, "'%s' names no file", path);
    }
    fd = inroot_dir(root, slash ? copy : "/", err);
    if (fd < 0) {
        free(name);
        return fd;
    }
    *ret_name = name;
    return fd;
}

static int file_at(int root, const char *path, unsigned depth, struct err *err)
{
    cleanup_free char *name = NULL, *behind = NULL, *up = NULL;
    cleanup_fd int parent = -1, made = -1;
    int fd = inroot_open(root, path, O_PATH);

    if (fd != -ENOENT)
        return fd < 0 ? err_set(err, -fd, "open '%s' in the container: %m", path) : fd;
    parent = inroot_parent(root, path, &name, err);
    if (parent < 0)
        return parent;
    up = strndup(path, (size_t)(strrchr(path, '/') ? strrchr(path, '/') - path : 0));
    behind = dangling(parent, up, name);
    if (behind)
        return depth == LINKS_MAX ? err_set(err, ELOOP, "open '%s' in the container: %m", path)
                                  : file_at(root, behind, depth + 1, err);
    made = openat(parent, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (made < 0)
        return err_set(err, errno, "make file '%s' in the container: %m", path);
    fd = inroot_open(root, path, O_PATH);
    return fd < 0 ? err_set(err, -fd, "open new '%s' in the container: %m", path) : fd;
}

int inroot_file(int root, const char *path, struct err *err)
{
    return file_at(root, path, 0, err);
}
