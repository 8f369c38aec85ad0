/* SPDX-License-Identifier: Apache-2.0 */
#include "state/state.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/timing.h"

#define CREATE_LOCK_MS 2000
#define CREATE_TRIES 20
#define REMOVE_TRIES 20 /* a monitor writes once or twice, a file and its new version */

void state_dir_close(struct state_dir *d)
{
    close_fd(&d->fd);
    free(d->path);
    d->path = NULL;
}

static int open_dir(const char *path, int *ret)
{
    *ret = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return *ret < 0 ? -errno : 0;
}

int state_dir_open(const char *root, const char *id, struct state_dir *ret, struct err *err)
{
    cleanup_free char *path = NULL;
    int fd, r;

    if ((r = str_check_id(id, err)) < 0)
        return r;
    path = path_join(root, id);
    if ((r = open_dir(path, &fd)) == -ENOENT)
        return err_set(err, ENOENT, "container '%s' does not exist", id);
    if (r < 0)
        return err_set(err, -r, "open state directory '%s': %m", path);
    *ret = (struct state_dir){fd, steal_ptr(&path)};
    return 0;
}

/* Whether the path still leads to this very directory. */
static int still_linked(const struct state_dir *d)
{
    struct stat by_path, by_fd;

    return fstat(d->fd, &by_fd) == 0 && lstat(d->path, &by_path) == 0 &&
           by_fd.st_dev == by_path.st_dev && by_fd.st_ino == by_path.st_ino;
}

int state_dir_lock(struct state_dir *d, uint64_t deadline_ns, struct err *err)
{
    int r = fd_lock(d->fd, LOCK_EX, deadline_ns);

    if (r == -ETIMEDOUT)
        return err_set(err, ETIMEDOUT,
                       "state directory '%s' is locked: another anyvisor command (create, start or "
                       "delete) is at work on this container",
                       d->path);
    if (r < 0)
        return err_set(err, -r, "lock '%s': %m", d->path);
    if (!still_linked(d))
        return err_set(err, ENOENT, "container '%s' does not exist", strrchr(d->path, '/') + 1);
    return 0;
}

static int make_and_lock(const char *root, const char *id, struct state_dir *ret, struct err *err)
{
    cleanup_call(state_dir_close) struct state_dir d = {-1, NULL};
    cleanup_free char *path = path_join(root, id);
    int r;

    if (mkdir(path, 0700) < 0)
        return errno == EEXIST ? err_set(err, EEXIST, "container with id '%s' already exists", id)
                               : err_set(err, errno, "make state directory '%s': %m", path);
    if ((r = state_dir_open(root, id, &d, err)) < 0 ||
        (r = state_dir_lock(&d, deadline_in_ms(CREATE_LOCK_MS), err)) < 0) {
        if (r != -ENOENT) /* then somebody has removed it, and may have made another */
            (void)rmdir(path);
        return r;
    }
    *ret = (struct state_dir){steal_fd(&d.fd), steal_ptr(&d.path)};
    return 0;
}

int state_dir_create(const char *root, const char *id, struct state_dir *ret, struct err *err)
{
    int r;

    if ((r = str_check_id(id, err)) < 0 || (r = path_mkdirs(root, 0700, err)) < 0)
        return r;
    /* Before it is locked, gc may take the empty directory for what a crash left. */
    for (int tries = 0; tries < CREATE_TRIES; tries++)
        if ((r = make_and_lock(root, id, ret, err)) != -ENOENT)
            break;
    return r;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int state_list(const char *root, struct strv *ret, struct err *err)
{
    cleanup_dir DIR *d = opendir(root);
    struct strv ids = {0};
    struct dirent *e;

    if (!d && errno == ENOENT) {
        *ret = ids;
        return 0;
    }
    if (!d)
        return err_set(err, errno, "read directory '%s': %m", root);
    while ((e = readdir(d)))
        if ((e->d_type == DT_DIR || e->d_type == DT_UNKNOWN) && str_check_id(e->d_name, NULL) == 0)
            strv_add(&ids, e->d_name);
    if (ids.n > 1)
        qsort(ids.v, ids.n, sizeof(*ids.v), by_name);
    *ret = ids;
    return 0;
}

int state_dir_remove(const char *root, const char *id, struct err *err)
{
    cleanup_free char *path = NULL;
    int r = str_check_id(id, err);

    if (r < 0)
        return r;
    path = path_join(root, id);
    /* The monitor of a pod, on its way out, may still write how a member of it has ended. */
    for (int tries = 1; tries < REMOVE_TRIES; tries++)
        if ((r = path_remove_tree(AT_FDCWD, path, NULL)) != -ENOTEMPTY)
            break;
    return r < 0 ? path_remove_tree(AT_FDCWD, path, err) : 0;
}
