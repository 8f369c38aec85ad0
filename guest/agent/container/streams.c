/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stdio of processes, both ways with credit: nobody's full pipe or slow reader stops anything but
 * its own stream. EXITED says how many bytes that a process wrote before its death are to follow.
 */
#include "agent/container/container.h"
#include "agent/network/network.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macros.h"

static void on_output(struct agent *a, struct source *s, uint32_t events);
static void on_stdin(struct agent *a, struct source *s, uint32_t events);

static void send_stream(struct agent *a, const struct stream *s, uint16_t type, const void *p,
                        size_t n)
{
    channel_send(a, type, s->process->id, s->which, p, n);
}

static void send_credit(struct agent *a, const struct stream *s, size_t n)
{
    uint8_t b[4];

    le32_put(b, (uint32_t)n);
    if (n)
        send_stream(a, s, FRAME_CREDIT, b, sizeof(b));
}

static int pipe_for(struct stream *s, bool input, int *ret_child, struct err *err)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return err_set(err, errno, "pipe: %m");
    s->source.fd = fds[input ? 1 : 0];
    *ret_child = fds[input ? 0 : 1];
    (void)fcntl(s->source.fd, F_SETFL, O_NONBLOCK | (input ? O_WRONLY : O_RDONLY));
    return 0;
}

void streams_init(struct process *p)
{
    for (uint8_t i = 0; i < 3; i++) {
        p->streams[i].source.fd = -1;
        p->streams[i].process = p;
        p->streams[i].which = i;
        p->streams[i].credit = STREAM_WINDOW;
    }
}

/* The ends that stay here go into p->streams, those of the child to ret_child (the caller's). */
int streams_pipes(struct process *p, const struct plan_process *plan, int null_fd, int ret_child[3],
                  struct err *err)
{
    int r;

    for (int i = 0; i < 3; i++)
        ret_child[i] = -1;
    if (plan->flags & PLAN_P_TERMINAL)
        return 0;
    if (plan->flags & PLAN_P_STDIN)
        r = pipe_for(&p->streams[0], true, &ret_child[0], err);
    else
        r = (ret_child[0] = fcntl(null_fd, F_DUPFD_CLOEXEC, 3)) < 0
                ? err_set(err, errno, "duplicate null: %m")
                : 0;
    if (r == 0)
        r = pipe_for(&p->streams[1], false, &ret_child[1], err);
    if (r == 0)
        r = pipe_for(&p->streams[2], false, &ret_child[2], err);
    return r;
}

static int watch_one(struct agent *a, struct stream *s, struct err *err)
{
    int fd = s->source.fd;

    if (fd < 0)
        return 0;
    /* EPOLLERR on stdin: the reader has gone, and the host should know without writing. */
    return loop_watch(a, &s->source, fd, s->which == STREAM_STDIN ? EPOLLERR : EPOLLIN,
                      s->which == STREAM_STDIN ? on_stdin : on_output, err);
}

int streams_watch(struct agent *a, struct process *p, struct err *err)
{
    int r = 0;

    for (int i = 0; i < 3 && r == 0; i++)
        r = watch_one(a, &p->streams[i], err);
    return r;
}

int streams_adopt(struct agent *a, struct process *p, int fd, struct err *err)
{
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
    p->streams[STREAM_STDOUT].source.fd = fd;
    p->streams[STREAM_STDIN].source.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    return streams_watch(a, p, err);
}

static bool may_read(const struct agent *a, const struct stream *s)
{
    return s->credit > 0 && a->channel.connected && !channel_congested(a);
}

static void output_ended(struct agent *a, struct stream *s)
{
    struct process *p = s->process;

    loop_close(a, &s->source);
    if (!s->eof)
        send_stream(a, s, FRAME_EOF, NULL, 0);
    s->eof = true;
    if (p->port)
        connect_try_end(a, p);
    else
        process_try_report(a, p);
}

static void on_output(struct agent *a, struct source *src, uint32_t events)
{
    struct stream *s = (struct stream *)src; /* source is its first member */
    uint8_t buf[STREAM_DATA_MAX];
    ssize_t n;

    (void)events;
    if (!may_read(a, s)) {
        loop_events(a, src, 0);
        return;
    }
    n = read(src->fd, buf, MIN(sizeof(buf), s->credit));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) { /* EIO: nobody has the terminal open any more */
        output_ended(a, s);
        return;
    }
    s->credit -= (size_t)n;
    send_stream(a, s, FRAME_DATA, buf, (size_t)n);
    if (!may_read(a, s))
        loop_events(a, src, 0);
}

/* May free the stream, that of a connection. */
static void stdin_done(struct agent *a, struct stream *s, bool tell)
{
    size_t dropped = s->queue_len;

    if (s->source.fd >= 0 && tell)
        send_stream(a, s, FRAME_CLOSE, NULL, 0);
    if (s->process->port) /* its other half is open still */
        (void)shutdown(s->source.fd, SHUT_WR);
    loop_close(a, &s->source);
    free(steal_ptr(&s->queue));
    s->queue_at = s->queue_len = 0;
    send_credit(a, s, dropped);
    if (s->process->port)
        connect_try_end(a, s->process);
}

static void stdin_write(struct agent *a, struct stream *s)
{
    size_t written = 0;

    while (s->queue_len) {
        ssize_t n = write(s->source.fd, s->queue + s->queue_at, s->queue_len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) {
            send_credit(a, s, written);
            stdin_done(a, s, true);
            return;
        }
        if (n <= 0)
            break;
        s->queue_at += (size_t)n;
        s->queue_len -= (size_t)n;
        written += (size_t)n;
    }
    if (s->queue_len == 0)
        s->queue_at = 0;
    send_credit(a, s, written);
    if (s->queue_len == 0 && s->eof)
        stdin_done(a, s, false);
    else
        loop_events(a, &s->source, s->queue_len ? EPOLLOUT : EPOLLERR);
}

static void on_stdin(struct agent *a, struct source *src, uint32_t events)
{
    struct stream *s = (struct stream *)src;

    if (events & (EPOLLERR | EPOLLHUP))
        stdin_done(a, s, true);
    else
        stdin_write(a, s);
}

int stream_data(struct agent *a, struct process *p, const struct frame_head *h, const uint8_t *body)
{
    struct stream *s = &p->streams[STREAM_STDIN];

    if ((h->seq & 3) != STREAM_STDIN)
        return -EPROTO;
    if (s->source.fd < 0 || s->eof) {
        /* Nobody will read it: give the credit back so that the host doesn't wait. */
        send_credit(a, s, h->len);
        return 0;
    }
    if (h->len > STREAM_WINDOW - s->queue_len)
        return -EPROTO; /* more than our credit allows */
    if (!s->queue && !(s->queue = malloc(STREAM_WINDOW)))
        return -ENOMEM;
    if (s->queue_at + s->queue_len + h->len > STREAM_WINDOW) {
        memmove(s->queue, s->queue + s->queue_at, s->queue_len);
        s->queue_at = 0;
    }
    if (h->len)
        memcpy(s->queue + s->queue_at + s->queue_len, body, h->len);
    s->queue_len += h->len;
    stdin_write(a, s);
    return 0;
}

/* A terminal has no end of input but the keyboard's own: closing it would hang up the session. */
void stream_eof(struct agent *a, struct process *p)
{
    struct stream *s = &p->streams[STREAM_STDIN];

    if (p->terminal || s->source.fd < 0)
        return;
    s->eof = true;
    if (s->queue_len == 0)
        stdin_done(a, s, false);
}

void stream_credit(struct agent *a, struct process *p, unsigned which, uint32_t bytes)
{
    struct stream *s = &p->streams[which % 3];

    if (which != STREAM_STDOUT && which != STREAM_STDERR)
        return;
    s->credit = MIN(STREAM_WINDOW, s->credit + (size_t)bytes);
    if (s->source.fd >= 0 && may_read(a, s))
        loop_events(a, &s->source, EPOLLIN);
}

/* The host's reader has gone: the writer shall get SIGPIPE, as it would from a closed pipe. */
void stream_closed(struct agent *a, struct process *p, unsigned which)
{
    struct stream *s = &p->streams[which % 3];

    if (which != STREAM_STDOUT && which != STREAM_STDERR)
        return;
    if (s->source.fd < 0)
        return;
    output_ended(a, s);
}

int stream_resize(struct process *p, uint32_t rows, uint32_t cols, struct err *err)
{
    struct winsize ws = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    int fd = p->streams[STREAM_STDOUT].source.fd;

    if (!p->terminal)
        return err_set(err, ENOTTY, "process has no terminal");
    if (fd >= 0 && ioctl(fd, TIOCSWINSZ, &ws) < 0)
        return err_set(err, errno, "resize terminal: %m");
    return 0;
}

/*
 * After a process's death: what is in its pipe now is its own; what others that hold the pipe write
 * later concerns nobody who waits for it. A terminal is hung up with its session leader.
 */
uint64_t stream_left(const struct process *p, unsigned which)
{
    int fd = p->streams[which].source.fd, left = 0;

    if (fd < 0)
        return 0;
    if (p->terminal)
        return MSG_LEFT_TO_EOF;
    return ioctl(fd, FIONREAD, &left) == 0 && left > 0 ? (uint64_t)left : 0;
}

void streams_uncork(struct agent *a)
{
    for (struct process *p = a->processes; p; p = p->next)
        for (int i = STREAM_STDOUT; i <= STREAM_STDERR; i++)
            if (p->streams[i].source.fd >= 0 && may_read(a, &p->streams[i]))
                loop_events(a, &p->streams[i].source, EPOLLIN);
}

void streams_reset_credit(struct agent *a)
{
    for (struct process *p = a->processes; p; p = p->next)
        for (int i = STREAM_STDOUT; i <= STREAM_STDERR; i++)
            p->streams[i].credit = STREAM_WINDOW;
    streams_uncork(a);
}

void streams_done(struct agent *a, struct process *p)
{
    for (int i = 0; i < 3; i++) {
        loop_close(a, &p->streams[i].source);
        free(steal_ptr(&p->streams[i].queue));
    }
}
