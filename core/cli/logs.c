/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "cli/cli.h"
#include "cli/logs.h"

#define FILES 2
#define WATCHED (IN_MODIFY | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct logs_options {
    bool follow, console, monitor;
};

static const struct option_row rows[] = {
    {"follow", 'f', OPTION_FLAG, offsetof(struct logs_options, follow), NULL,
     "go on printing what is added, until the container is deleted"},
    {"console", 0, OPTION_FLAG, offsetof(struct logs_options, console), NULL,
     "only the console of the guest"},
    {"monitor", 0, OPTION_FLAG, offsetof(struct logs_options, monitor), NULL,
     "only the log of the monitor"},
};

/* One file of the sandbox's state directory, and how far it has been printed. */
struct source {
    const char *name;
    int fd;
};

struct printer {
    struct source sources[FILES];
    size_t n;
    const char *last; /* whose bytes came last: headings only at a change */
    bool headings, safe;
};

static void printer_done(struct printer *p)
{
    for (size_t i = 0; i < p->n; i++)
        close_fd(&p->sources[i].fd);
}

size_t logs_make_safe(char *text, size_t len)
{
    size_t kept = 0;

    for (size_t i = 0; i < len; i++) {
        unsigned char b = (unsigned char)text[i];

        if (b == '\r')
            continue;
        text[kept++] = (b < ' ' && b != '\n' && b != '\t') || b == 0x7f ? '?' : text[i];
    }
    return kept;
}

static int print_some(struct printer *p, const struct source *s, char *text, size_t len,
                      struct err *err)
{
    if (p->safe)
        len = logs_make_safe(text, len);
    if (p->headings && p->last != s->name)
        printf("%s==> %s <==\n", p->last ? "\n" : "", s->name);
    p->last = s->name;
    if (fwrite(text, 1, len, stdout) != len || fflush(stdout) != 0)
        return err_set(err, errno, "write to stdout: %m");
    return 0;
}

/* What has been added to one file; the file may not be there yet. */
static int print_new(struct printer *p, struct source *s, int dirfd, struct err *err)
{
    char buf[16384];
    struct stat st;
    ssize_t n;
    int r;

    if (s->fd < 0)
        s->fd = openat(dirfd, s->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (s->fd < 0)
        return errno == ENOENT ? 0 : err_set(err, errno, "open '%s': %m", s->name);
    /* The monitor empties what a guest has filled. */
    if (fstat(s->fd, &st) == 0 && lseek(s->fd, 0, SEEK_CUR) > st.st_size)
        (void)lseek(s->fd, 0, SEEK_SET);
    while ((n = read(s->fd, buf, sizeof(buf))) > 0)
        if ((r = print_some(p, s, buf, (size_t)n, err)) < 0)
            return r;
    return n < 0 ? err_set(err, errno, "read '%s': %m", s->name) : 0;
}

static int print_all(struct printer *p, int dirfd, struct err *err)
{
    int r = 0;

    for (size_t i = 0; i < p->n && r == 0; i++)
        r = print_new(p, &p->sources[i], dirfd, err);
    return r;
}

/*
 * 1 when the container is deleted, 0 when something has changed. Our own open files keep the
 * directory's inode alive, so the end shows in what happens to its entries.
 */
static int wait_for_change(int watch, struct err *err)
{
    char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t n;

    do
        n = read(watch, buf, sizeof(buf));
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return err_set(err, n < 0 ? errno : EIO, "wait for changes of the logs: %m");
    for (char *at = buf; at < buf + n;) {
        const struct inotify_event *e = (const struct inotify_event *)at;

        if (e->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF) ||
            (e->mask & IN_DELETE && e->len && strcmp(e->name, "state.json") == 0))
            return 1;
        at += sizeof(*e) + e->len;
    }
    return 0;
}

/* Watching begins before the first look: nothing is added in between unseen. */
static int show(struct printer *p, const char *dir, bool follow, struct err *err)
{
    cleanup_fd int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int watch = -1;
    int r;

    if (dirfd < 0)
        return err_set(err, errno, "open '%s': %m", dir);
    if (follow) {
        watch = inotify_init1(IN_CLOEXEC);
        if (watch < 0 || inotify_add_watch(watch, dir, WATCHED) < 0)
            return err_set(err, errno, "watch '%s': %m", dir);
    }
    do
        if ((r = print_all(p, dirfd, err)) < 0)
            return r;
    while (follow && (r = wait_for_change(watch, err)) == 0);
    return r < 0 ? r : 0;
}

/* The directory of the container that owns the VM: the logs are there. */
static int sandbox_dir(const struct cli *cli, const char *id, char **ret, struct err *err)
{
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    int r = container_open(cli, id, &c, err);

    if (r < 0)
        return r;
    if (c.state.sandbox && (r = str_check_id(c.state.sandbox, err)) < 0)
        return err_wrap(err, "state of container '%s': sandbox", id);
    *ret = path_join(cli->root, c.state.sandbox ? c.state.sandbox : id);
    return 0;
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct logs_options *o = options;
    bool both = o->console == o->monitor;
    cleanup_call(printer_done) struct printer p = {.headings = both, .safe = isatty(STDOUT_FILENO)};
    cleanup_free char *dir = NULL;
    int r;

    (void)argc;
    if ((r = sandbox_dir(cli, argv[0], &dir, err)) < 0)
        return r;
    if (both || o->monitor)
        p.sources[p.n++] = (struct source){"monitor.log", -1};
    if (both || o->console)
        p.sources[p.n++] = (struct source){"console.log", -1};
    return show(&p, dir, o->follow, err);
}

const struct verb verb_logs = {
    .name = "logs",
    .arguments = "ID",
    .summary = "print the guest's console and the monitor's log",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct logs_options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
