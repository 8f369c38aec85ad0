/* SPDX-License-Identifier: Apache-2.0 */
/* One template: its directory, its lock, what became of it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/timing.h"
#include "template/template.h"

#define LOCK "lock"
#define LIVE "live"
#define BUILD "build"
#define FAILED "failed"
#define USES "uses"
#define FACTS "facts"
#define KEY "key"
#define TEXT_MAX (256u << 10)
#define FAILURES_MAX 2 /* of one after the other, then it is left alone for a while */
#define FAILED_FOR_S 600

const char *template_state_name(enum template_state s)
{
    static const char *const names[] = {
        [TEMPLATE_MISSING] = "missing",
        [TEMPLATE_READY] = "ready",
        [TEMPLATE_EXPIRED] = "expired",
        [TEMPLATE_FAILED] = "failed",
    };

    return (unsigned)s < ARRAY_SIZE(names) ? names[s] : "unknown";
}

/* Whoever could write here could write into the memory of VMs. */
static int check_owner(int fd, const char *path, struct err *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_set(err, errno, "look at '%s': %m", path);
    if (st.st_uid != geteuid() || st.st_mode & (S_IRWXG | S_IRWXO))
        return err_set(err, EPERM,
                       "'%s' is not ours alone (owner %u, mode %04o): remove it or set "
                       "templates.dir",
                       path, (unsigned)st.st_uid, (unsigned)(st.st_mode & 07777));
    return 0;
}

static int open_dir(int at, const char *name, const char *path, struct err *err)
{
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), r;

    if (fd < 0)
        return err_set(err, errno, "open '%s': %m", path);
    if ((r = check_owner(fd, path, err)) < 0) {
        close(fd);
        return r;
    }
    return fd;
}

static int still_linked(const struct template *t)
{
    struct stat by_path, by_fd;

    return fstat(t->dir, &by_fd) == 0 && lstat(t->path, &by_path) == 0 &&
           by_fd.st_dev == by_path.st_dev && by_fd.st_ino == by_path.st_ino;
}

int template_relock(struct template *t, int lock, uint64_t deadline_ns, struct err *err)
{
    int r = fd_lock(t->lock, lock, deadline_ns);

    if (r == -ETIMEDOUT)
        return err_set(err, ETIMEDOUT, "template '%s' is being made or cloned by others", t->name);
    if (r < 0)
        return err_set(err, -r, "lock template '%s': %m", t->name);
    return still_linked(t) ? 0 : err_set(err, ENOENT, "template '%s' was removed", t->name);
}

int template_open_name(const char *dir, const char *name, int lock, uint64_t deadline_ns,
                       struct template *ret, struct err *err)
{
    cleanup_call(template_close) struct template t = TEMPLATE_INIT;
    int r;

    t.path = path_join(dir, name);
    (void)snprintf(t.name, sizeof(t.name), "%s", name);
    if ((t.dir = open_dir(AT_FDCWD, t.path, t.path, err)) < 0)
        return t.dir;
    t.lock = openat(t.dir, LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (t.lock < 0)
        return err_set(err, errno, "open '%s/" LOCK "': %m", t.path);
    if ((r = template_relock(&t, lock, deadline_ns, err)) < 0)
        return r;
    *ret = t;
    t = (struct template)TEMPLATE_INIT;
    return 0;
}

int template_open(const char *dir, const struct kvs *facts, int lock, uint64_t deadline_ns,
                  struct template *ret, struct err *err)
{
    cleanup_free char *path = NULL;
    cleanup_fd int store = -1;
    char name[TEMPLATE_NAME];
    int r;

    template_name(facts, name);
    path = path_join(dir, name);
    if ((r = path_mkdirs(dir, 0700, err)) < 0 ||
        (r = store = open_dir(AT_FDCWD, dir, dir, err)) < 0)
        return r;
    do { /* a sweep may take the empty one away before it is locked */
        if (mkdirat(store, name, 0700) < 0 && errno != EEXIST)
            return err_set(err, errno, "make '%s': %m", path);
        r = template_open_name(dir, name, lock, deadline_ns, ret, err);
    } while (r == -ENOENT);
    return r;
}

void template_close(struct template *t)
{
    close_fd(&t->lock);
    close_fd(&t->dir);
    kvs_done(&t->facts);
    free(t->path);
    free(t->key);
    free(t->reason);
    *t = (struct template)TEMPLATE_INIT;
}

static unsigned read_failures(struct template *t, uint64_t *ret_when)
{
    cleanup_free char *text = NULL;
    unsigned count = 0;
    int used = 0;

    *ret_when = 0;
    if (path_read(t->dir, FAILED, TEXT_MAX, &text, NULL, NULL) < 0 ||
        sscanf(text, "%u %" SCNu64 " %n", &count, ret_when, &used) < 2)
        return 0;
    free(t->reason);
    t->reason = xstrdup(text + used);
    return count;
}

static uint64_t size_of_tree(int dir)
{
    int fd = openat(dir, LIVE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cleanup_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
    uint64_t size = 0;
    struct dirent *e;
    struct stat st;

    while (d && (e = readdir(d)))
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            size += (uint64_t)st.st_blocks * 512;
    return size;
}

static bool read_live(struct template *t)
{
    cleanup_free char *facts = NULL;
    struct stat st;

    free(t->key);
    t->key = NULL;
    if (fstatat(t->dir, LIVE "/" KEY, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        path_read(t->dir, LIVE "/" KEY, TEXT_MAX, &t->key, NULL, NULL) < 0 ||
        path_read(t->dir, LIVE "/" FACTS, TEXT_MAX, &facts, NULL, NULL) < 0)
        return false;
    template_facts_parse(facts, &t->facts);
    t->made = (uint64_t)st.st_mtim.tv_sec;
    t->uses = fstatat(t->dir, USES, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
    return true;
}

enum template_state template_look(struct template *t, const struct template_limits *limits)
{
    uint64_t when, now = realtime_s();
    unsigned failures = read_failures(t, &when);

    if (read_live(t)) {
        t->size = size_of_tree(t->dir);
        /* A clock that was set back makes nothing younger. */
        return now >= t->made && now - t->made <= limits->max_age_s && t->uses < limits->max_uses
                   ? TEMPLATE_READY
                   : TEMPLATE_EXPIRED;
    }
    t->size = 0;
    return failures >= FAILURES_MAX && now >= when && now - when < FAILED_FOR_S ? TEMPLATE_FAILED
                                                                                : TEMPLATE_MISSING;
}

char *template_live(const struct template *t)
{
    return path_join(t->path, LIVE);
}

int template_begin(struct template *t, char **ret_dir, struct err *err)
{
    int r;

    if ((r = path_remove_tree(t->dir, BUILD, err)) < 0)
        return r;
    if (mkdirat(t->dir, BUILD, 0700) < 0)
        return err_set(err, errno, "make '%s/" BUILD "': %m", t->path);
    *ret_dir = path_join(t->path, BUILD);
    return 0;
}

int template_publish(struct template *t, const struct kvs *facts, const char *key, struct err *err)
{
    cleanup_fd int build = openat(t->dir, BUILD, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cleanup_free char *text = template_facts_text(facts);
    int r;

    if (build < 0)
        return err_set(err, errno, "open '%s/" BUILD "': %m", t->path);
    if ((r = path_replace(build, FACTS, text, strlen(text), 0400, err)) < 0 ||
        (r = path_replace(build, KEY, key, strlen(key), 0400, err)) < 0 ||
        (r = template_contents_write(build, err)) < 0 ||
        (r = path_remove_tree(t->dir, LIVE, err)) < 0)
        return r;
    (void)unlinkat(t->dir, USES, 0);
    if (renameat(t->dir, BUILD, t->dir, LIVE) < 0)
        return err_set(err, errno, "publish '%s/" LIVE "': %m", t->path);
    return 0;
}

void template_fail(struct template *t, const char *reason, bool for_good)
{
    cleanup_free char *line = NULL;
    uint64_t when;
    unsigned count = read_failures(t, &when) + 1;
    int n = (int)strcspn(reason, "\n");

    line =
        xasprintf("%u %" PRIu64 " %.*s", for_good ? FAILURES_MAX : count, realtime_s(), n, reason);
    (void)path_replace(t->dir, FAILED, line, strlen(line), 0600, NULL);
    (void)path_remove_tree(t->dir, BUILD, NULL);
    (void)path_remove_tree(t->dir, LIVE, NULL);
}

void template_used(struct template *t)
{
    cleanup_fd int fd = openat(t->dir, USES, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

    if (fd >= 0 && write(fd, ".", 1) < 0)
        log_debug("count a use of template '%s': %m, ignoring", t->name);
    if (t->reason)
        (void)unlinkat(t->dir, FAILED, 0);
}

/* Out of the way first: who waits for the lock may make a file in what is being removed. */
int template_remove(struct template *t, struct err *err)
{
    cleanup_free char *gone =
        xasprintf("%.*s/" TEMPLATE_GONE "%s.%d", (int)(strrchr(t->path, '/') - t->path), t->path,
                  t->name, (int)getpid());

    if (rename(t->path, gone) < 0)
        return err_set(err, errno, "remove template '%s': %m", t->name);
    (void)path_remove_tree(AT_FDCWD, gone, NULL); /* else the next sweep does */
    return 0;
}
