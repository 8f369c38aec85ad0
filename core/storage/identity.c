/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "storage/disk.h"
#include "storage/images.h"

#define DEPTH_MAX 128
#define MOUNTINFO_MAX (16u << 20)

static void add_text(struct sha256 *s, const char *text)
{
    sha256_add(s, text, strlen(text) + 1);
}

/* ctime as well: nobody can set it back. */
static void add_stat(struct sha256 *s, const struct stat *st)
{
    const uint64_t v[] = {
        st->st_mode,
        st->st_uid,
        st->st_gid,
        st->st_ino,
        st->st_nlink,
        st->st_rdev,
        (uint64_t)st->st_size,
        (uint64_t)st->st_mtim.tv_sec,
        (uint64_t)st->st_mtim.tv_nsec,
        (uint64_t)st->st_ctim.tv_sec,
        (uint64_t)st->st_ctim.tv_nsec,
    };

    sha256_add(s, v, sizeof(v));
}

static int by_name(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

static int list(int dir, struct strv *ret, struct err *err)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!d)
        return err_set_phase(err, PHASE_STORAGE, errno, "list a directory of the rootfs: %m");
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            strv_add(ret, e->d_name);
    if (ret->n)
        qsort(ret->v, ret->n, sizeof(*ret->v), by_name);
    return 0;
}

static int add_tree(struct sha256 *s, int dir, dev_t dev, int depth, struct err *err);

static int add_entry(struct sha256 *s, int dir, const char *name, dev_t dev, int depth,
                     struct err *err)
{
    cleanup_fd int sub = -1;
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "stat '%s' of the rootfs: %m", name);
    add_text(s, name);
    add_stat(s, &st);
    if (!S_ISDIR(st.st_mode) || st.st_dev != dev)
        return 0;
    sub = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (sub < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "open '%s' of the rootfs: %m", name);
    return add_tree(s, sub, dev, depth + 1, err);
}

static int add_tree(struct sha256 *s, int dir, dev_t dev, int depth, struct err *err)
{
    cleanup_call(strv_done) struct strv names = {0};
    int r = list(dir, &names, err);

    if (r == 0 && depth > DEPTH_MAX)
        return err_set_phase(err, PHASE_STORAGE, ELOOP,
                             "the rootfs has directories more than %d deep", DEPTH_MAX);
    for (size_t i = 0; i < names.n && r == 0; i++)
        r = add_entry(s, dir, names.v[i], dev, depth, err);
    add_text(s, "/"); /* the directory's end */
    return r;
}

static int add_directory(struct sha256 *s, const char *path, struct err *err)
{
    cleanup_fd int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "open '%s': %m", path);
    return add_tree(s, fd, st.st_dev, 0, err);
}

/* "a:b": each is a directory that the engine made once. False: one cannot be found from here. */
static bool add_lowers(struct sha256 *s, const char *lowers)
{
    for (const char *p = lowers; *p; p += strcspn(p, ":"), p += *p == ':') {
        cleanup_free char *dir = xstrndup(p, strcspn(p, ":"));
        cleanup_free char *real = *dir == '/' ? realpath(dir, NULL) : NULL;
        struct stat st;

        if (!real || stat(real, &st) < 0 || strchr(dir, '\\'))
            return false;
        add_text(s, real);
        sha256_add(s, &st.st_dev, sizeof(st.st_dev));
        sha256_add(s, &st.st_ino, sizeof(st.st_ino));
        sha256_add(s, &st.st_ctim.tv_sec, sizeof(st.st_ctim.tv_sec));
        sha256_add(s, &st.st_ctim.tv_nsec, sizeof(st.st_ctim.tv_nsec));
    }
    return true;
}

/* 1: the tree is an overlay whose layers tell all; 0: it is not. */
static int add_overlay(struct sha256 *s, const char *mountinfo, const char *tree, struct err *err)
{
    cleanup_free char *lower = storage_mount_option(mountinfo, tree, "lowerdir");
    cleanup_free char *upper = storage_mount_option(mountinfo, tree, "upperdir");
    int r;

    if (!lower || !add_lowers(s, lower))
        return 0;
    r = upper ? add_directory(s, upper, err) : 0;
    return r < 0 ? r : 1;
}

int storage_tree_identity(const char *tree, char ret[SHA256_HEX], struct err *err)
{
    cleanup_free char *real = realpath(tree, NULL);
    cleanup_free char *mountinfo = NULL;
    struct sha256 s;
    int r;

    if (!real)
        return err_set_phase(err, PHASE_STORAGE, errno, "resolve '%s': %m", tree);
    if ((r = path_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &mountinfo, NULL, err)) < 0)
        return r;
    sha256_init(&s);
    add_text(&s, "overlay");
    if ((r = add_overlay(&s, mountinfo, real, err)) == 0) {
        sha256_init(&s);
        add_text(&s, "tree");
        r = add_directory(&s, real, err);
    }
    if (r < 0)
        return r;
    sha256_hex(&s, ret);
    return 0;
}
