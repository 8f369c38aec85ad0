/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KEY.erofs is an image, KEY.sum its size, time and checksum; "build-KEY" is one in the making and
 * "lock-X" is held meanwhile. Keys are spread over the locks by their first digit.
 */
#include "storage/images.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/path.h"
#include "storage/disk.h"
#include "storage/evict.h"
#include "base/tool.h"

#define SUM_MAX 256
#define BUILD "build-"

static const char *const mkfs[] = {"mkfs.erofs", NULL};

struct job {
    const struct storage_cache *cache;
    const char *tree;
    char key[SHA256_HEX];
    char *image, *sum, *build; /* paths */
    int dir;
};

static void job_done(struct job *j)
{
    free(j->image);
    free(j->sum);
    free(j->build);
    close_fd(&j->dir);
}

static int job_init(struct job *j, struct err *err)
{
    int r = storage_tree_identity(j->tree, j->key, err);

    if (r < 0 || (r = path_mkdirs(j->cache->dir, 0700, err)) < 0)
        return err_in_phase(err, PHASE_STORAGE);
    j->image = xasprintf("%s/%s.erofs", j->cache->dir, j->key);
    j->sum = xasprintf("%s.sum", j->key);
    j->build = xasprintf("%s/" BUILD "%s", j->cache->dir, j->key);
    j->dir = open(j->cache->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return j->dir < 0 ? err_set_phase(err, PHASE_STORAGE, errno, "open '%s': %m", j->cache->dir)
                      : 0;
}

/* Checksum of the whole file from its start. */
static int checksum(int fd, char ret[SHA256_HEX], struct err *err)
{
    cleanup_free char *buf = xcalloc(1, 1 << 20);
    struct sha256 s;
    off_t at = 0;
    ssize_t n;

    sha256_init(&s);
    while ((n = pread(fd, buf, 1 << 20, at)) > 0) {
        sha256_add(&s, buf, (size_t)n);
        at += n;
    }
    if (n < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "read a cached image: %m");
    sha256_hex(&s, ret);
    return 0;
}

/* A change of the file that nobody made on purpose shows in these, or else in the checksum. */
static char *quick_facts(const struct stat *st)
{
    return xasprintf("%llu %llu %lld.%09ld", (unsigned long long)st->st_size,
                     (unsigned long long)st->st_ino, (long long)st->st_mtim.tv_sec,
                     st->st_mtim.tv_nsec);
}

static int write_sum(const struct job *j, int fd, const char *sum, struct err *err)
{
    cleanup_free char *facts = NULL;
    cleanup_free char *text = NULL;
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "stat a cached image: %m");
    facts = quick_facts(&st);
    text = xasprintf("%s\n%s\n", sum, facts);
    return path_replace(j->dir, j->sum, text, strlen(text), 0600, err);
}

/* 1: as it was made; 0: it is not, and *ret_note says so. */
static int verify(const struct job *j, int fd, char **ret_note, struct err *err)
{
    cleanup_free char *text = NULL;
    cleanup_free char *facts = NULL;
    char sum[SHA256_HEX];
    struct stat st;
    int r;

    if (fstat(fd, &st) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "stat '%s': %m", j->image);
    facts = quick_facts(&st);
    if (path_read(j->dir, j->sum, SUM_MAX, &text, NULL, NULL) == 0 && strlen(text) > SHA256_HEX &&
        text[SHA256_HEX - 1] == '\n') {
        if (strncmp(text + SHA256_HEX, facts, strlen(facts)) == 0)
            return 1;
        if ((r = checksum(fd, sum, err)) < 0)
            return r;
        if (strncmp(text, sum, SHA256_HEX - 1) == 0) /* copied, with the whole cache */
            return (r = write_sum(j, fd, sum, err)) < 0 ? r : 1;
    }
    *ret_note = xasprintf("the cached image '%s' is damaged, making it anew", j->image);
    return 0;
}

/* 1: *ret has it; 0: the cache does not. */
static int take_cached(const struct job *j, struct storage_tree_image *ret, struct err *err)
{
    cleanup_fd int fd = open(j->image, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int r;

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "open '%s': %m", j->image);
    free(steal_ptr(&ret->note));
    if ((r = verify(j, fd, &ret->note, err)) <= 0)
        return r;
    (void)futimens(fd, (struct timespec[]){{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}});
    r = storage_clone_file(j->image, true, &ret->fd, err);
    if (r == -ENOENT) /* dropped in between */
        return 0;
    return r < 0 ? r : 1;
}

/* The lock that belongs to a key, not taken yet, or -1 and errno. */
static int open_lock(int dir, const char *key)
{
    cleanup_free char *name = xasprintf("lock-%c", key[0]);

    return openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* A lock is the open file's, whoever asks for it: a program waits, and we can stop it. */
static int wait_for_lock(const struct job *j, int fd, struct err *err)
{
    static const char *const names[] = {"flock", NULL}, *const argv[] = {"flock", "3", NULL};
    const struct tool t = {
        .names = names,
        .argv = argv,
        .file = fd,
        .package = "util-linux",
        .cancel_fd = j->cache->cancel_fd,
    };

    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return tool_run(&t, err) < 0 ? err_in_phase(err, PHASE_STORAGE) : 0;
}

static int lock(const struct job *j, int *ret_fd, struct err *err)
{
    cleanup_fd int fd = open_lock(j->dir, j->key);
    int r = fd < 0 ? err_set_phase(err, PHASE_STORAGE, errno, "open its lock: %m")
                   : wait_for_lock(j, fd, err);

    if (r < 0)
        return err_wrap(err, "lock the image cache '%s'", j->cache->dir);
    *ret_fd = steal_fd(&fd);
    return 0;
}

static int run_mkfs(const struct job *j, int file, struct err *err)
{
    cleanup_free char *uuid = xasprintf("%.8s-%.4s-%.4s-%.4s-%.12s", j->key, j->key + 8,
                                        j->key + 12, j->key + 16, j->key + 20);
    const char *const argv[] = {"mkfs.erofs", "--quiet", "-U", uuid, TOOL_FILE, j->tree, NULL};
    const struct tool t = {mkfs, argv, file, j->tree, "erofs-utils", j->cache->cancel_fd};

    return tool_run(&t, err) < 0 ? err_in_phase(err, PHASE_STORAGE) : 0;
}

static int fill(const struct job *j, int fd, struct err *err)
{
    char sum[SHA256_HEX];
    int r = run_mkfs(j, fd, err);

    if (r < 0)
        return err_wrap(err, "make an image of '%s' in '%s'", j->tree, j->cache->dir);
    if (fault_point("storage.image-made") < 0)
        return err_set_phase(err, PHASE_STORAGE, EIO, "fault storage.image-made");
    if (fsync(fd) < 0 || fchmod(fd, 0400) < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "write '%s': %m", j->build);
    if ((r = checksum(fd, sum, err)) < 0)
        return r;
    return write_sum(j, fd, sum, err);
}

static int build(const struct job *j, struct err *err)
{
    cleanup_fd int fd = -1;
    int r;

    (void)unlink(j->build); /* of a maker that was killed: the lock is ours */
    fd = open(j->build, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set_phase(err, PHASE_STORAGE, errno, "make '%s': %m", j->build);
    r = fill(j, fd, err);
    if (r == 0 && (rename(j->build, j->image) < 0 || fsync(j->dir) < 0))
        r = err_set_phase(err, PHASE_STORAGE, errno, "name '%s': %m", j->image);
    if (r < 0)
        (void)unlink(j->build);
    return r;
}

static int get(struct job *j, struct storage_tree_image *ret, struct err *err)
{
    cleanup_fd int held = -1;
    int r = job_init(j, err);

    if (r < 0 || (r = take_cached(j, ret, err)) != 0)
        return r;
    if ((r = lock(j, &held, err)) < 0 || (r = take_cached(j, ret, err)) != 0)
        return r;
    if ((r = build(j, err)) < 0)
        return r;
    ret->built = true;
    if ((r = storage_clone_file(j->image, true, &ret->fd, err)) < 0)
        return r;
    storage_evict(j->dir, j->cache->max_size, j->key);
    return 1;
}

int storage_tree_image_get(const struct storage_cache *cache, const char *tree,
                           struct storage_tree_image *ret, struct err *err)
{
    struct job j = {.cache = cache, .tree = tree, .dir = -1};
    struct storage_tree_image image = {.fd = -1};
    int r = get(&j, &image, err);

    job_done(&j);
    if (r < 0) {
        free(image.note);
        return r;
    }
    *ret = image;
    return 0;
}

void storage_cache_sweep(const char *dir)
{
    cleanup_dir DIR *d = opendir(dir);
    struct dirent *e;

    storage_scratch_sweep(dir);
    while (d && (e = readdir(d))) {
        cleanup_fd int held = -1;

        if (!str_starts_with(e->d_name, BUILD) || strlen(e->d_name) == strlen(BUILD))
            continue;
        held = open_lock(dirfd(d), e->d_name + strlen(BUILD));
        if (held >= 0 && flock(held, LOCK_EX | LOCK_NB) == 0)
            (void)unlinkat(dirfd(d), e->d_name, 0);
    }
}

bool storage_tree_image_possible(void)
{
    return tool_there(mkfs);
}
