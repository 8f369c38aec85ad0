/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's cgroup v2: one directory per container. All by descriptor of a detached mount, so
 * that nothing needs to be mounted where the agent runs. On a host (fake) limits may be impossible:
 * the controllers belong to cgroup v1 there; freezing and killing work all the same.
 */
#include "agent/container/container.h"
#include "agent/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"

int cgroup_read(int dir, const char *file, char *buf, size_t size)
{
    cleanup_fd int fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
    size_t len = 0;

    if (fd < 0)
        return -errno;
    while (len < size - 1) {
        ssize_t n = read(fd, buf + len, size - 1 - len);

        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    buf[len] = '\0';
    return (int)len;
}

int cgroup_write(int dir, const char *file, const char *text)
{
    cleanup_fd int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(text);

    if (fd < 0)
        return -errno;
    return write(fd, text, len) == (ssize_t)len ? 0 : -errno;
}

uint64_t cgroup_key(int dir, const char *file, const char *key)
{
    char buf[8192], *save = NULL;
    size_t len = strlen(key);

    if (cgroup_read(dir, file, buf, sizeof(buf)) < 0)
        return PLAN_UNSET;
    for (char *l = strtok_r(buf, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
        if (strncmp(l, key, len) == 0 && l[len] == ' ')
            return strtoull(l + len + 1, NULL, 10);
    return PLAN_UNSET;
}

uint64_t cgroup_number(int dir, const char *file)
{
    char buf[64];

    if (cgroup_read(dir, file, buf, sizeof(buf)) <= 0 || buf[0] < '0' || buf[0] > '9')
        return PLAN_UNSET;
    return strtoull(buf, NULL, 10);
}

/* The controllers one by one: one that can't be enabled must not cost the others. */
static void enable_controllers(int dir)
{
    char buf[512], word[64], *save = NULL;

    if (cgroup_read(dir, "cgroup.controllers", buf, sizeof(buf)) < 0)
        return;
    for (char *w = strtok_r(buf, " \n", &save); w; w = strtok_r(NULL, " \n", &save)) {
        snprintf(word, sizeof(word), "+%s", w);
        (void)cgroup_write(dir, "cgroup.subtree_control", word);
    }
}

static int remove_tree(int parent, const char *name, int depth);

/* The containers' cgroups that a killed agent left in a directory. */
static void remove_remains(int dir)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_dir DIR *d = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            (void)remove_tree(dir, e->d_name, 0);
}

/* Ours as long as we hold its lock, which ends with us however we end: the next one takes it over.
 */
static int claim(int own, const char *name)
{
    cleanup_fd int fd = -1;
    struct stat st, now;

    if (mkdirat(own, name, 0755) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(own, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -EBUSY;
    if (fstat(fd, &st) < 0 || fstatat(own, name, &now, 0) < 0 || st.st_ino != now.st_ino)
        return -EBUSY; /* its last owner has just removed it */
    remove_remains(fd);
    return steal_fd(&fd);
}

/* On a host: a directory below the cgroup v2 that we are in. */
static int own_directory(struct agent *a, int root, struct err *err)
{
    char buf[4096], *line, name[64];
    cleanup_fd int own = -1;
    int fd = -EBUSY;

    if (cgroup_read(a->proc_fd, "self/cgroup", buf, sizeof(buf)) < 0 ||
        !(line = strstr(buf, "0::/")))
        return err_set(err, ENOENT, "no cgroup v2");
    line += 4;
    line[strcspn(line, "\n")] = '\0';
    own = openat(root, *line ? line : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (own < 0)
        return err_set(err, errno, "open own cgroup '%s': %m", line);
    for (unsigned i = 0; i < 1000 && fd == -EBUSY; i++) {
        snprintf(name, sizeof(name), "anyvisor-guest-%u", i);
        fd = claim(own, name);
    }
    if (fd < 0)
        return err_set(err, -fd, "make cgroup '%s': %m", name);
    a->cgroup_fd = fd;
    a->cgroup_made = strdup(name);
    return 0;
}

/* Of cgroup.events only what somebody waits for: to look costs a round of files. */
static bool is_news(const struct agent *a, const struct container *c, int wd)
{
    return wd == c->watch_memory || c->owes_freeze || c->deleting || a->powering_off;
}

static void on_inotify(struct agent *a, struct source *s, uint32_t events)
{
    char buf[4096] __attribute__((aligned(8)));
    ssize_t n = read(s->fd, buf, sizeof(buf));

    (void)events;
    for (ssize_t at = 0; at + (ssize_t)sizeof(struct inotify_event) <= n;) {
        const struct inotify_event *e = (const void *)(buf + at);
        struct container *c = a->containers;

        while (c && c->watch_memory != e->wd && c->watch_events != e->wd)
            c = c->next;
        if (c && is_news(a, c, e->wd))
            container_changed(a, c);
        at += (ssize_t)(sizeof(*e) + e->len);
    }
}

/* inotify knows only paths; the detached mount has none but from within. */
static int watch(struct agent *a, int dir, const char *file)
{
    int wd = fchdir(dir) < 0 ? -1 : inotify_add_watch(a->inotify.fd, file, IN_MODIFY);

    (void)!chdir("/");
    return wd;
}

int cgroup_make(struct agent *a, struct container *c, struct err *err)
{
    snprintf(c->cgroup_name, sizeof(c->cgroup_name), "c%u", c->id);
    if (mkdirat(a->cgroup_fd, c->cgroup_name, 0755) < 0)
        return err_set(err, errno, "make cgroup '%s': %m", c->cgroup_name);
    c->cgroup_fd = openat(a->cgroup_fd, c->cgroup_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->cgroup_fd < 0)
        return err_set(err, errno, "open cgroup '%s': %m", c->cgroup_name);
    c->watch_events = watch(a, c->cgroup_fd, "cgroup.events");
    c->watch_memory = watch(a, c->cgroup_fd, "memory.events");
    return 0;
}

int cgroup_open(struct agent *a, struct err *err)
{
    cleanup_fd int root = -1, in = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int r = loop_watch(a, &a->inotify, in, EPOLLIN, on_inotify, err);

    if (r < 0)
        return r;
    (void)steal_fd(&in);
    r = mountapi_new("cgroup2", "cgroup2", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, &root, err);
    if (r == 0 && a->at.machine) {
        a->cgroup_fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        enable_controllers(a->cgroup_fd);
    } else if (r == 0) {
        r = own_directory(a, root, err);
    }
    if (r < 0 && !a->at.machine) {
        agent_debug(a, "%s: containers have no cgroup", err->msg);
        r = 0;
    }
    if (r == 0)
        spare_make(a);
    return r;
}

int cgroup_create(struct agent *a, struct container *c, struct err *err)
{
    int r;

    if (a->cgroup_fd < 0)
        return 0;
    if (!spare_take(a, c) && (r = cgroup_make(a, c, err)) < 0)
        return r;
    return cgroup_apply(a, c, &c->plan.cgroup, err);
}

int cgroup_apply(struct agent *a, struct container *c, const struct plan_cgroup *plan,
                 struct err *err)
{
    int r;

    if (c->cgroup_fd < 0)
        return 0;
    for (size_t i = 0; i < plan->n_files; i++) {
        const struct plan_pair *f = &plan->files[i];

        if (strchr(f->key, '/') || strncmp(f->key, "cgroup.", 7) == 0)
            return err_set(err, EINVAL, "cgroup file '%s' is not a limit", f->key);
        r = cgroup_write(c->cgroup_fd, f->key, f->value);
        if (r < 0 && !a->at.machine)
            agent_debug(a, "cgroup %s: %s, ignoring", f->key, strerror(-r));
        else if (r < 0)
            return err_set(err, -r, "write '%s' to cgroup file '%s': %m", f->value, f->key);
    }
    if (plan->n_rules == 0) {
        devfilter_drop_plain(c);
        return 0;
    }
    r = devfilter_attach(a, c, plan->rules, plan->n_rules, err);
    return r < 0 && a->at.machine ? r : 0;
}

/* A container that made cgroups of its own may have no place for processes in its root: then where
 * its init process is. */
static int enter_beside_init(struct agent *a, struct container *c, const char *pid)
{
    cleanup_fd int dir = -1;
    char path[64], buf[4096], *at;

    if (!c->init)
        return -EBUSY;
    snprintf(path, sizeof(path), "%d/cgroup", (int)c->init->pid);
    if (cgroup_read(a->proc_fd, path, buf, sizeof(buf)) < 0)
        return -ESRCH;
    at = strstr(buf, c->cgroup_name);
    if (!at)
        return -ENOENT;
    at[strcspn(at, "\n")] = '\0';
    dir = openat(a->cgroup_fd, at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? -errno : cgroup_write(dir, "cgroup.procs", pid);
}

int cgroup_enter(struct agent *a, struct container *c, pid_t pid, struct err *err)
{
    char text[16];
    int r;

    if (c->cgroup_fd < 0)
        return 0;
    snprintf(text, sizeof(text), "%d", (int)pid);
    r = cgroup_write(c->cgroup_fd, "cgroup.procs", text);
    if (r == -EBUSY)
        r = enter_beside_init(a, c, text);
    return r < 0 ? err_set(err, -r, "enter cgroup: %m") : 0;
}

static int each_pid_of(int dir, int (*each)(void *, pid_t), void *arg)
{
    int fd = openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC), r = 0;
    cleanup_file FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    char line[32];

    while (f && r == 0 && fgets(line, sizeof(line), f))
        r = each(arg, (pid_t)strtol(line, NULL, 10));
    return r;
}

static int each_dir(int dir, int depth, int (*each)(void *, pid_t), void *arg)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_dir DIR *d = copy < 0 ? NULL : fdopendir(copy);
    int r = each_pid_of(dir, each, arg);
    struct dirent *e;

    while (d && depth < 32 && r == 0 && (e = readdir(d))) {
        cleanup_fd int sub = -1;

        if (e->d_name[0] == '.' || e->d_type != DT_DIR)
            continue;
        sub = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (sub >= 0)
            r = each_dir(sub, depth + 1, each, arg);
    }
    return r;
}

int cgroup_each_pid(int dir, int (*each)(void *arg, pid_t pid), void *arg)
{
    return each_dir(dir, 0, each, arg);
}

static int kill_one(void *arg, pid_t pid)
{
    if (pid > 1)
        (void)kill(pid, *(int *)arg);
    return 0;
}

void cgroup_kill(struct container *c, int signo)
{
    if (c->cgroup_fd < 0) {
        if (c->init && c->init->pidfd.fd >= 0)
            (void)sys_pidfd_send_signal(c->init->pidfd.fd, signo);
        return;
    }
    if (signo == SIGKILL && cgroup_write(c->cgroup_fd, "cgroup.kill", "1") == 0)
        return;
    (void)cgroup_each_pid(c->cgroup_fd, kill_one, &signo);
}

bool cgroup_populated(const struct container *c)
{
    return c->cgroup_fd >= 0 && cgroup_key(c->cgroup_fd, "cgroup.events", "populated") == 1;
}

bool cgroup_is_frozen(const struct container *c)
{
    return cgroup_key(c->cgroup_fd, "cgroup.events", "frozen") == 1;
}

/* Cgroups that the container made inside its own go first. */
static int remove_tree(int parent, const char *name, int depth)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    cleanup_dir DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    while (d && depth < 32 && (e = readdir(d)))
        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            (void)remove_tree(dirfd(d), e->d_name, depth + 1);
    return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_remove(struct agent *a, struct container *c)
{
    if (c->cgroup_fd < 0)
        return 0;
    if (c->watch_events >= 0)
        (void)inotify_rm_watch(a->inotify.fd, c->watch_events);
    if (c->watch_memory >= 0)
        (void)inotify_rm_watch(a->inotify.fd, c->watch_memory);
    close_fd(&c->cgroup_fd);
    return remove_tree(a->cgroup_fd, c->cgroup_name, 0);
}

void cgroup_done(struct agent *a)
{
    char path[64];

    if (a->at.machine || a->cgroup_fd < 0)
        return;
    for (struct container *c = a->containers; c; c = c->next) {
        struct process *p = a->processes;

        for (; p; p = p->next)
            if (p->container == c && p->pidfd.fd >= 0)
                (void)waitid(P_PID, (id_t)p->pid, NULL, WEXITED);
        (void)cgroup_remove(a, c);
    }
    spare_drop(a);
    /* By way of its parent, while we hold its lock. */
    snprintf(path, sizeof(path), "../%s", a->cgroup_made ? a->cgroup_made : "");
    (void)unlinkat(a->cgroup_fd, path, AT_REMOVEDIR);
    free(steal_ptr(&a->cgroup_made));
}
