/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup/cgroup.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/timing.h"

#define NESTING_MAX 32

/* Who is asked to go, and until when. */
struct removal {
    const char *owner;
    uint64_t deadline_ns;
};

/* Monitor and proxies name their state directory; a VMM dies with its monitor or by its plug-in. */
static bool is_ours(pid_t pid, const char *owner)
{
    cleanup_free char *file = xasprintf("/proc/%d/cmdline", (int)pid);
    cleanup_free char *args = NULL;
    size_t len = 0;

    if (path_read(AT_FDCWD, file, 1 << 20, &args, &len, NULL) < 0)
        return false;
    for (const char *arg = args; arg < args + len; arg += strlen(arg) + 1)
        if (strcmp(arg, owner) == 0)
            return true;
    return false;
}

/* The first process in the cgroup; 0 = none (any more). */
static pid_t first_process(const char *dir)
{
    cleanup_free char *file = path_join(dir, "cgroup.procs"), *text = NULL;
    uint64_t pid = 0;

    if (path_read(AT_FDCWD, file, 1 << 20, &text, NULL, NULL) < 0)
        return 0;
    text[strcspn(text, "\n")] = '\0';
    return str_to_u64(text, 1, INT32_MAX, &pid) == 0 ? (pid_t)pid : 0;
}

/* Wait until some process has left, so that the next rmdir has a chance. */
static int wait_for_departure(const char *dir, const struct removal *how, struct err *err)
{
    struct proc_id id;
    pid_t pid = first_process(dir);
    cleanup_fd int pidfd = -1;

    if (pid == 0 || proc_id_of(pid, &id, NULL) < 0) {
        /* Empty and still busy: the kernel is letting go and tells nobody when it has. */
        (void)poll(NULL, 0, 1);
        return deadline_left_ms(how->deadline_ns)
                   ? 0
                   : err_set(err, EBUSY, "remove cgroup '%s': busy", dir);
    }
    pidfd = proc_open(&id, NULL);
    if (pidfd >= 0 && is_ours(pid, how->owner))
        (void)proc_kill(&id, SIGKILL, NULL);
    if (pidfd >= 0 && proc_wait_gone(pidfd, deadline_left_ms(how->deadline_ns)) == -ETIMEDOUT)
        return err_set(err, EBUSY, "remove cgroup '%s': process %d is still in it", dir, (int)pid);
    return 0;
}

static int remove_children(const char *dir, int depth, const struct removal *how, struct err *err);

static int remove_one(const char *dir, int depth, const struct removal *how, struct err *err)
{
    int r = remove_children(dir, depth, how, err);

    if (r < 0)
        return r;
    while (rmdir(dir) < 0) {
        if (errno == ENOENT)
            return 0;
        if (errno != EBUSY)
            return err_set(err, errno, "remove cgroup '%s': %m", dir);
        r = wait_for_departure(dir, how, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int remove_children(const char *dir, int depth, const struct removal *how, struct err *err)
{
    cleanup_dir DIR *d = opendir(dir);
    struct dirent *e;

    if (!d)
        return errno == ENOENT ? 0 : err_set(err, errno, "open cgroup '%s': %m", dir);
    if (depth == NESTING_MAX)
        return err_set(err, ELOOP, "remove cgroup '%s': nested too deeply", dir);
    while ((e = readdir(d))) {
        cleanup_free char *child = NULL;
        int r;

        if (e->d_type != DT_DIR || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        child = path_join(dir, e->d_name);
        r = remove_one(child, depth + 1, how, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static bool is_innermost(const struct strv *made, size_t i)
{
    size_t len = strlen(made->v[i]);

    for (size_t j = 0; j < made->n; j++)
        if (strncmp(made->v[j], made->v[i], len) == 0 && made->v[j][len] == '/')
            return false;
    return true;
}

int cgroup_remove(const struct strv *made, const char *owner, uint64_t deadline_ns, struct err *err)
{
    const struct removal how = {owner, deadline_ns};
    struct err first = ERR_INIT;

    for (size_t i = made->n; i-- > 0;) {
        struct err e = ERR_INIT;

        if (!is_innermost(made, i))
            (void)rmdir(made->v[i]); /* others may use it: then it is theirs from now on */
        else if (remove_one(made->v[i], 0, &how, &e) < 0 && first.code == 0)
            first = e;
    }
    if (first.code == 0)
        return 0;
    if (err)
        *err = first;
    return -first.code;
}
