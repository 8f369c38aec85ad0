/* SPDX-License-Identifier: Apache-2.0 */
/* All templates below a directory. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/path.h"
#include "template/template.h"

struct found {
    char *name;
    uint64_t size;
    struct timespec used;
};

struct found_list {
    struct found *v;
    size_t n;
    uint64_t size;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_name(const char *name)
{
    return strlen(name) == TEMPLATE_NAME - 1 &&
           strspn(name, "0123456789abcdef") == TEMPLATE_NAME - 1;
}

int template_list(const char *dir, struct strv *ret, struct err *err)
{
    cleanup_dir DIR *d = opendir(dir);
    struct strv names = {0};
    struct dirent *e;

    if (!d && errno != ENOENT)
        return err_set(err, errno, "read '%s': %m", dir);
    while (d && (e = readdir(d)))
        if (is_name(e->d_name))
            strv_add(&names, e->d_name);
    if (names.n > 1)
        qsort(names.v, names.n, sizeof(*names.v), by_text);
    *ret = names;
    return 0;
}

static struct timespec last_use(const struct template *t)
{
    struct timespec never = {0};
    struct stat st;

    return fstatat(t->dir, "uses", &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_mtim : never;
}

/* Of one that failed, the reason is worth keeping for as long as it is true. */
static bool is_dead(struct template *t, const struct template_limits *limits)
{
    switch (template_look(t, limits)) {
    case TEMPLATE_READY:
        return !template_facts_hold(&t->facts);
    case TEMPLATE_FAILED:
        return false;
    default:
        return true;
    }
}

/* Look at one that nobody is at work on; true: it was dead, and is gone. */
static bool sweep_one(const char *dir, const char *name, const struct template_limits *limits,
                      struct found_list *left)
{
    cleanup_call(template_close) struct template t = TEMPLATE_INIT;

    if (template_open_name(dir, name, LOCK_EX, 0, &t, NULL) < 0)
        return false;
    if (is_dead(&t, limits))
        return template_remove(&t, NULL) == 0;
    left->v = xreallocarray(left->v, left->n + 1, sizeof(*left->v));
    left->v[left->n++] = (struct found){xstrdup(name), t.size, last_use(&t)};
    left->size += t.size;
    return false;
}

static int by_use(const void *x, const void *y)
{
    const struct timespec *a = &((const struct found *)x)->used;
    const struct timespec *b = &((const struct found *)y)->used;

    if (a->tv_sec != b->tv_sec)
        return a->tv_sec < b->tv_sec ? -1 : 1;
    return (a->tv_nsec > b->tv_nsec) - (a->tv_nsec < b->tv_nsec);
}

static bool drop(const char *dir, const char *name)
{
    cleanup_call(template_close) struct template t = TEMPLATE_INIT;

    return template_open_name(dir, name, LOCK_EX, 0, &t, NULL) == 0 &&
           template_remove(&t, NULL) == 0;
}

static void sweep_gone(const char *dir)
{
    cleanup_dir DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (str_starts_with(e->d_name, TEMPLATE_GONE))
            (void)path_remove_tree(dirfd(d), e->d_name, NULL);
}

unsigned template_sweep(const char *dir, const struct template_limits *limits, const char *keep)
{
    cleanup_call(strv_done) struct strv names = {0};
    struct found_list left = {0};
    unsigned gone = 0;

    sweep_gone(dir);
    if (template_list(dir, &names, NULL) < 0)
        return 0;
    for (size_t i = 0; i < names.n; i++)
        if (!keep || strcmp(names.v[i], keep) != 0)
            gone += sweep_one(dir, names.v[i], limits, &left);
    if (left.n)
        qsort(left.v, left.n, sizeof(*left.v), by_use);
    for (size_t i = 0; i < left.n; i++) {
        if (left.size > limits->max_size && left.v[i].size && drop(dir, left.v[i].name)) {
            left.size -= left.v[i].size;
            gone++;
        }
        free(left.v[i].name);
    }
    free(left.v);
    if (gone)
        log_info("dropped %u templates below '%s'", gone, dir);
    return gone;
}
