/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/streams.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "shim/logger.h"
#include "shim/relay.h"

void streams_done(struct streams *io)
{
    for (int i = 0; i < 3; i++)
        close_fd(&io->fds[i]);
    close_fd(&io->listener);
    if (io->console)
        (void)unlink(io->console);
    free(io->console);
    io->console = NULL;
}

/* A path, "fifo:PATH" or "file:PATH", as a URI with or without "//". */
static int path_of(const char *name, const char **ret, struct err *err)
{
    const char *colon = strstr(name, ":/");

    if (name[0] == '/') {
        *ret = name;
        return 0;
    }
    if (!str_starts_with(name, "fifo:/") && !str_starts_with(name, "file:/"))
        return err_set(err, ENOTSUP,
                       "cannot write a stream to '%s': it is neither a path nor a "
                       "fifo:, file: or binary: URI",
                       name);
    *ret = str_starts_with(colon, ":///") ? colon + 3 : colon + 1;
    return 0;
}

static int open_stream(const char *name, int flags, struct err *err)
{
    const char *path = name;
    int r = path_of(name, &path, err);
    int fd;

    if (r < 0)
        return r;
    fd = open(path, flags | O_NOCTTY | O_CLOEXEC, 0600);
    return fd < 0 ? err_set(err, errno, "open '%s': %m", path) : fd;
}

static bool is_fifo(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* A FIFO waits at open for its other end, unless there is one: ours, which stays, so that output
 * also waits for a client that comes back. */
static int open_output(const char *name, int *ret_keep, struct err *err)
{
    cleanup_fd int keep = -1;
    int fd;

    if (!str_starts_with(name, "file:")) {
        keep = open_stream(name, O_RDONLY | O_NONBLOCK, err);
        if (keep < 0)
            return keep;
    }
    fd = open_stream(name, O_WRONLY | O_APPEND | (keep < 0 ? O_CREAT : 0), err);
    if (fd < 0)
        return fd;
    close_fd(ret_keep);
    if (keep >= 0 && is_fifo(keep))
        *ret_keep = steal_fd(&keep);
    return fd;
}

static int open_stdin(struct process *p, int *ret, struct err *err)
{
    cleanup_fd int fifo = open_stream(p->in, O_RDONLY | O_NONBLOCK, err);
    int ends[2];

    if (fifo < 0)
        return fifo;
    if (!is_fifo(fifo)) {
        *ret = steal_fd(&fifo);
        return 0;
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, errno, "pipe2: %m");
    *ret = ends[0];
    (void)fd_nonblock(ends[1], 1, NULL);
    p->stdin_relay = relay_start(p->t->s, steal_fd(&fifo), ends[1]);
    p->stdin_relay->stdin_of = p;
    return 0;
}

static int open_console(struct process *p, struct streams *io, struct err *err)
{
    io->console = xasprintf("%s/console.%u", p->t->bundle, ++p->t->s->number);
    io->listener = fd_unix_listen(io->console, err);
    return io->listener < 0 ? io->listener : 0;
}

int streams_open(struct process *p, struct streams *ret, struct err *err)
{
    const char *const outputs[] = {p->out, p->err};
    int r;

    if (p->terminal)
        return open_console(p, ret, err);
    if (*p->in && (r = open_stdin(p, &ret->fds[0], err)) < 0)
        return r;
    if (str_starts_with(p->out, LOGGER_SCHEME))
        return logger_start(p, p->out, &ret->fds[1], err);
    for (int i = 0; i < 2; i++)
        if (*outputs[i] && (ret->fds[i + 1] = open_output(outputs[i], &p->keep[i], err)) < 0)
            return -err->code;
    return 0;
}

/* A terminal has one output. */
static int open_terminal_output(struct process *p, struct err *err)
{
    int fds[2] = {-1, -1}, r;

    if (!str_starts_with(p->out, LOGGER_SCHEME))
        return open_output(p->out, &p->keep[0], err);
    r = logger_start(p, p->out, fds, err);
    close_fd(&fds[1]);
    return r < 0 ? r : fds[0];
}

/* Both directions need a description of their own in epoll, not of the terminal. */
static int relay_terminal(struct process *p, struct err *err)
{
    cleanup_fd int out = -1, in = -1, to = -1, from = -1;

    if (fd_nonblock(p->master, 1, err) < 0)
        return -err->code;
    if (*p->out) {
        out = open_terminal_output(p, err);
        from = fcntl(p->master, F_DUPFD_CLOEXEC, 3);
        if (out < 0 || from < 0)
            return out < 0 ? out : err_set(err, errno, "dup: %m");
        (void)fd_nonblock(out, 1, NULL);
        (void)relay_start(p->t->s, steal_fd(&from), steal_fd(&out));
    }
    if (*p->in) {
        in = open_stream(p->in, O_RDONLY | O_NONBLOCK, err);
        to = fcntl(p->master, F_DUPFD_CLOEXEC, 3);
        if (in < 0 || to < 0)
            return in < 0 ? in : err_set(err, errno, "dup: %m");
        p->stdin_relay = relay_start(p->t->s, steal_fd(&in), steal_fd(&to));
        p->stdin_relay->stdin_of = p;
    }
    return 0;
}

int streams_take_terminal(struct process *p, int listener, struct err *err)
{
    cleanup_fd int sock = -1;
    char name[64];
    size_t n = 1;
    ssize_t r;

    /* It was sent before the runtime ended: there is nothing to wait for. */
    if (fd_nonblock(listener, 1, err) < 0)
        return -err->code;
    sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (sock < 0)
        return err_set(err, errno, "the runtime has sent no terminal: accept: %m");
    r = fd_recv(sock, name, sizeof(name), &p->master, &n, err);
    if (r < 0 || n == 0 || p->master < 0)
        return err_set(err, EPROTO, "the runtime has sent no terminal");
    return relay_terminal(p, err);
}

int streams_resize(const struct process *p, unsigned width, unsigned height, struct err *err)
{
    struct winsize size = {.ws_row = (unsigned short)height, .ws_col = (unsigned short)width};

    if (p->master < 0)
        return err_set(err, ENOTTY, "the process has no terminal");
    if (ioctl(p->master, TIOCSWINSZ, &size) < 0)
        return err_set(err, errno, "set the size of the terminal: %m");
    return 0;
}

void streams_end_of_input(struct process *p)
{
    if (p->stdin_relay)
        relay_finish(p->stdin_relay);
}

void streams_close_stdin(struct process *p)
{
    if (p->stdin_relay)
        relay_end(p->stdin_relay);
}

void streams_forget(struct process *p)
{
    streams_close_stdin(p);
    close_fd(&p->keep[0]);
    close_fd(&p->keep[1]);
    close_fd(&p->master);
}

bool streams_idle(const struct shim *s)
{
    for (const struct relay *r = s->relays; r; r = r->next)
        if (!r->dead)
            return false;
    return true;
}

void streams_sweep(struct shim *s)
{
    struct relay **p = &s->relays;

    while (*p) {
        struct relay *r = *p;

        if (!r->dead) {
            p = &r->next;
            continue;
        }
        *p = r->next;
        free(r);
    }
}
