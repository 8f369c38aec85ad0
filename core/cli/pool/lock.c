/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process at a time makes members for a class: it has the lock of a file that has its name for
 * content. Whoever has the lock may remove that file; a lock of one that was removed is none.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "cli/pool/pool.h"

#define FILL "@fill."
#define LOCK_TRIES 20
#define STOP_MS 60000
#define LOOK_MS 500 /* then its name is there, or it is another's */

char *pool_file(const struct pool *p, const char *kind, const char *cls)
{
    cleanup_call(kvs_done) struct kvs name = {0};
    char hash[TEMPLATE_NAME];

    kvs_add(&name, "class", cls ? cls : "");
    template_name(&name, hash);
    return xasprintf("%s/@%s.%s", p->dir, kind, hash);
}

static bool still_linked(int fd, const char *file)
{
    struct stat by_path, by_fd;

    return fstat(fd, &by_fd) == 0 && lstat(file, &by_path) == 0 && by_fd.st_dev == by_path.st_dev &&
           by_fd.st_ino == by_path.st_ino;
}

int pool_lock_again(const struct pool *p, const char *cls, int fd, struct err *err)
{
    cleanup_free char *file = pool_file(p, "fill", cls), *text = NULL;
    struct proc_id self;
    int r = proc_id_of(getpid(), &self, err);

    if (r < 0)
        return r;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return err_set(err, EAGAIN, "another process fills the pool of class '%s' just now", cls);
    if (!still_linked(fd, file))
        return err_set(err, ENOENT, "the pool of class '%s' was drained meanwhile", cls);
    text = xasprintf("%d %" PRIu64 "\n", (int)self.pid, self.start_time);
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
        return err_set(err, errno, "write '%s': %m", file);
    return 0;
}

int pool_lock(const struct pool *p, const char *cls, int *ret_fd, struct err *err)
{
    cleanup_free char *file = pool_file(p, "fill", cls);
    int r = -ENOENT;

    /* A drain or gc may remove file and directory until we have the lock. */
    for (int tries = 0; r == -ENOENT && tries < LOCK_TRIES; tries++) {
        cleanup_fd int fd = -1;

        if ((r = path_mkdirs(p->dir, 0700, err)) < 0)
            return r;
        fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        r = fd < 0 ? err_set(err, errno, "open '%s': %m", file) : pool_lock_again(p, cls, fd, err);
        if (r == 0)
            *ret_fd = steal_fd(&fd);
    }
    return r;
}

void pool_unlock(int fd)
{
    (void)ftruncate(fd, 0);
    (void)flock(fd, LOCK_UN);
}

/* Nobody is named when it has just begun or is about to end. */
static void tell(int fd, struct proc_id *told)
{
    char text[64] = "";
    struct proc_id id = {0};
    int pid;

    if (pread(fd, text, sizeof(text) - 1, 0) <= 0 ||
        sscanf(text, "%d %" SCNu64, &pid, &id.start_time) != 2)
        return;
    id.pid = pid;
    if (id.pid == told->pid && id.start_time == told->start_time)
        return;
    (void)proc_kill(&id, SIGTERM, NULL);
    *told = id;
}

/* -1 if it is gone. */
static int stop_filler(const char *file, int *ret_fd, struct err *err)
{
    cleanup_fd int fd = open(file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    uint64_t deadline = deadline_in_ms(STOP_MS);
    struct proc_id told = {0};
    int r = fd < 0 ? 0 : fd_lock(fd, LOCK_EX, 0);

    while (r == -ETIMEDOUT && deadline_left_ms(deadline) > 0) {
        tell(fd, &told);
        r = fd_lock(fd, LOCK_EX, deadline_in_ms(LOOK_MS));
    }
    if (r < 0)
        return err_set(err, -r, "process %d, which fills the pool, does not end: %m",
                       (int)told.pid);
    *ret_fd = fd >= 0 && still_linked(fd, file) ? steal_fd(&fd) : -1;
    return 0;
}

int pool_stop_fillers(const struct pool *p, struct pool_locks *ret, struct err *err)
{
    cleanup_dir DIR *d = opendir(p->dir);
    struct dirent *e;
    int r = 0;

    while (d && r == 0 && (e = readdir(d))) {
        cleanup_free char *file = path_join(p->dir, e->d_name);
        int fd = -1;

        if (!str_starts_with(e->d_name, FILL) || (r = stop_filler(file, &fd, err)) < 0 || fd < 0)
            continue;
        strv_add(&ret->names, e->d_name + strlen(FILL));
        ret->fds = xreallocarray(ret->fds, ret->names.n, sizeof(*ret->fds));
        ret->fds[ret->names.n - 1] = fd;
    }
    return r;
}

/* The lock's file goes last: from then on another one may fill. */
void pool_locks_remove(const struct pool *p, const struct pool_locks *l)
{
    for (size_t i = 0; i < l->names.n; i++) {
        cleanup_free char *bundle = xasprintf("%s/@bundle.%s", p->dir, l->names.v[i]);
        cleanup_free char *file = xasprintf("%s/" FILL "%s", p->dir, l->names.v[i]);

        (void)path_remove_tree(AT_FDCWD, bundle, NULL);
        (void)unlink(file);
    }
}

void pool_locks_done(struct pool_locks *l)
{
    for (size_t i = 0; i < l->names.n; i++)
        close_fd(&l->fds[i]);
    free(l->fds);
    strv_done(&l->names);
    *l = (struct pool_locks){0};
}
