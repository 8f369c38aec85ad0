/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/evict.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/str.h"

struct image {
    char *name;
    uint64_t size;
    struct timespec used;
};

struct images {
    struct image *v;
    size_t n;
    uint64_t size;
};

static int by_use(const void *x, const void *y)
{
    const struct timespec *a = &((const struct image *)x)->used;
    const struct timespec *b = &((const struct image *)y)->used;

    if (a->tv_sec != b->tv_sec)
        return a->tv_sec < b->tv_sec ? -1 : 1;
    return (a->tv_nsec > b->tv_nsec) - (a->tv_nsec < b->tv_nsec);
}

static void gather(int dir, struct images *ret)
{
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    struct stat st;

    while (d && (e = readdir(d))) {
        if (!str_ends_with(e->d_name, ".erofs") ||
            fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        ret->v = xreallocarray(ret->v, ret->n + 1, sizeof(*ret->v));
        ret->v[ret->n++] =
            (struct image){xstrdup(e->d_name), (uint64_t)st.st_blocks * 512, st.st_atim};
        ret->size += (uint64_t)st.st_blocks * 512;
    }
}

static void drop(int dir, const char *name)
{
    cleanup_free char *sum = xasprintf("%.*s.sum", (int)(strlen(name) - strlen(".erofs")), name);

    (void)unlinkat(dir, name, 0);
    (void)unlinkat(dir, sum, 0);
}

void storage_evict(int dir, uint64_t max_size, const char *key)
{
    struct images all = {0};

    gather(dir, &all);
    if (all.n)
        qsort(all.v, all.n, sizeof(*all.v), by_use);
    for (size_t i = 0; i < all.n; i++) {
        if (all.size > max_size && !str_starts_with(all.v[i].name, key)) {
            drop(dir, all.v[i].name);
            all.size -= all.v[i].size;
        }
        free(all.v[i].name);
    }
    free(all.v);
}
