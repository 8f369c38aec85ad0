/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's descriptors and the guest's streams. A pipe or terminal is opened anew through
 * /proc/self/fd, for O_NONBLOCK on the inherited description would reach the engine; where that
 * fails, it is polled and written in portions that cannot block. Regular files and /dev/null are
 * always ready and refuse epoll.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "monitor/monitor.h"

#define CREDIT_BATCH (STREAM_WINDOW / 4)
#define TTY_CHUNK 256 /* n_tty reports room for this much at least */
#define PIPE_CHUNK 4096

static struct monitor *monitor_of(const struct stdio_end *e)
{
    return e->p->c->m;
}

static void on_out(void *ctx, uint32_t events);
static void on_in(void *ctx, uint32_t events);
static void reader_gone(struct stdio_end *e);

static int open_anew(int fd, int access)
{
    char path[40];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* Takes over fd. */
static void adopt(struct stdio_end *e, int fd, int access)
{
    struct stat st;
    int own;

    e->source.fd = fd;
    e->mode = STDIO_DIRECT;
    if (fstat(fd, &st) < 0)
        return;
    if (S_ISSOCK(st.st_mode)) {
        e->mode = STDIO_SOCKET;
        return;
    }
    if (!S_ISFIFO(st.st_mode) && !isatty(fd))
        return;
    e->mode = STDIO_POLLED;
    e->chunk = S_ISFIFO(st.st_mode) ? PIPE_CHUNK : TTY_CHUNK;
    own = open_anew(fd, access);
    if (own >= 0) {
        close(fd);
        e->source.fd = own;
        e->mode = STDIO_OWN;
    }
}

static void end_close(struct stdio_end *e)
{
    (void)loop_watch(&monitor_of(e)->loop, &e->source, 0);
    close_fd(&e->source.fd);
    queue_done(&e->queue);
    e->mode = STDIO_CLOSED;
}

void stdio_init(struct process *p, int fds[3], bool terminal, bool want_stdin)
{
    for (unsigned i = 0; i < 3; i++) {
        struct stdio_end *e = &p->io[i];
        int fd = steal_fd(&fds[i]);

        *e = (struct stdio_end){.p = p, .stream = i};
        e->source = (struct loop_source){.fd = -1, .fn = i ? on_out : on_in, .ctx = e};
        e->gone = i == STREAM_STDIN && !want_stdin; /* the guest has none that could end */
        if (fd < 0)
            continue;
        if (e->gone || (terminal && i == STREAM_STDERR))
            close(fd);
        else
            adopt(e, fd, i == STREAM_STDIN ? O_RDONLY : O_WRONLY);
    }
}

/* From the engine to the guest. */

static void stdin_end(struct stdio_end *e)
{
    if (e->started && e->p->open && monitor_of(e)->channel)
        (void)channel_send_eof(monitor_of(e)->channel, e->p->id, STREAM_STDIN);
    end_close(e);
}

static ssize_t read_stdin(struct stdio_end *e, void *buf, size_t n)
{
    ssize_t r;

    do
        r = e->mode == STDIO_SOCKET ? recv(e->source.fd, buf, n, MSG_DONTWAIT)
                                    : read(e->source.fd, buf, n);
    while (r < 0 && errno == EINTR);
    return r;
}

/* 1 go on, 0 wait for the descriptor, -1 the stream has ended. */
static int move_stdin(struct stdio_end *e, size_t window)
{
    uint8_t buf[STREAM_DATA_MAX];
    ssize_t n = read_stdin(e, buf, MIN(window, sizeof(buf)));

    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0) { /* also EIO: the terminal's other side has closed */
        if (n < 0 && e->p->forwarded)
            reader_gone(&e->p->io[STREAM_STDOUT]); /* who has reset it does not read on */
        stdin_end(e);
        return -1;
    }
    (void)channel_send_data(monitor_of(e)->channel, e->p->id, STREAM_STDIN, buf, (size_t)n);
    /* Polled descriptors may block at the next read. */
    return e->mode == STDIO_POLLED ? 0 : 1;
}

static void pump(struct stdio_end *e, bool readable)
{
    struct monitor *m = monitor_of(e);
    bool may_read = readable || e->mode != STDIO_POLLED;
    int r = 1;

    if (!e->started || e->mode == STDIO_CLOSED || !m->channel || !e->p->open)
        return;
    while (r > 0) {
        size_t window = channel_window(m->channel, e->p->id, STREAM_STDIN);

        if (window == 0 || channel_congested(m->channel)) {
            /* Watched without a window, a hang-up would wake us again and again. */
            m->stdin_stalled = m->stdin_stalled || window > 0;
            (void)loop_watch(&m->loop, &e->source, 0);
            break;
        }
        r = may_read ? move_stdin(e, window) : 0;
        if (r == 0 && loop_watch(&m->loop, &e->source, EPOLLIN) < 0)
            stdin_end(e);
    }
    agent_link_update(m);
}

static void on_in(void *ctx, uint32_t events)
{
    (void)events;
    pump(ctx, true);
}

void stdio_start(struct process *p)
{
    struct stdio_end *e = &p->io[STREAM_STDIN];

    if (e->gone || p->exited)
        return;
    e->started = true;
    if (e->mode == STDIO_CLOSED)
        stdin_end(e);
    else
        pump(e, false);
}

void stdio_pump(struct process *p)
{
    pump(&p->io[STREAM_STDIN], false);
}

void stdio_stdin_gone(struct process *p)
{
    end_close(&p->io[STREAM_STDIN]);
}

/* From the guest to the engine. */

static void credit(struct stdio_end *e, size_t n, bool now)
{
    struct monitor *m = monitor_of(e);

    e->uncredited += (uint32_t)n;
    if (e->uncredited == 0 || (!now && e->uncredited < CREDIT_BATCH) || !m->channel || !e->p->open)
        return;
    (void)channel_send_credit(m->channel, e->p->id, e->stream, e->uncredited);
    e->uncredited = 0;
}

static void reader_gone(struct stdio_end *e)
{
    struct monitor *m = monitor_of(e);

    e->gone = true;
    credit(e, queue_bytes(&e->queue), true);
    end_close(e);
    if (m->channel && e->p->open && !e->guest_eof)
        (void)channel_send_close(m->channel, e->p->id, e->stream);
    agent_link_update(m);
}

static ssize_t write_some(struct stdio_end *e)
{
    size_t n = queue_bytes(&e->queue);
    ssize_t r;

    if (e->mode == STDIO_POLLED)
        n = MIN(n, e->chunk);
    do
        r = e->mode == STDIO_SOCKET
                ? send(e->source.fd, queue_head(&e->queue), n, MSG_DONTWAIT | MSG_NOSIGNAL)
                : write(e->source.fd, queue_head(&e->queue), n);
    while (r < 0 && errno == EINTR);
    return r;
}

static void settle(struct stdio_end *e)
{
    if (e->mode != STDIO_CLOSED && e->guest_eof && queue_bytes(&e->queue) == 0) {
        if (e->p->forwarded) /* its other half may go on */
            (void)shutdown(e->source.fd, SHUT_WR);
        end_close(e);
    }
    if (e->p->exited && !e->p->finished)
        process_try_finish(e->p);
}

static void wait_writable(struct stdio_end *e)
{
    struct monitor *m = monitor_of(e);

    if (loop_watch(&m->loop, &e->source, queue_bytes(&e->queue) ? EPOLLOUT : 0) < 0)
        reader_gone(e);
}

static void flush_out(struct stdio_end *e, bool writable)
{
    while (e->mode != STDIO_CLOSED && queue_bytes(&e->queue) &&
           (writable || e->mode != STDIO_POLLED)) {
        ssize_t n = write_some(e);

        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            reader_gone(e);
            break;
        }
        queue_take(&e->queue, (size_t)n);
        credit(e, (size_t)n, false);
        process_progress(e->p);
        if (e->mode == STDIO_POLLED)
            break;
    }
    if (e->mode != STDIO_CLOSED)
        wait_writable(e);
    settle(e);
}

static void on_out(void *ctx, uint32_t events)
{
    struct stdio_end *e = ctx;

    (void)events;
    flush_out(e, true);
    agent_link_update(monitor_of(e));
}

void stdio_data(struct process *p, unsigned stream, const uint8_t *data, size_t n)
{
    struct stdio_end *e = &p->io[stream];

    if (stream == STREAM_STDIN)
        return;
    if (e->expected != MSG_LEFT_TO_EOF)
        e->expected -= MIN(e->expected, n);
    if (e->mode == STDIO_CLOSED) { /* the CLOSE is on its way */
        credit(e, n, false);
        return;
    }
    queue_put(&e->queue, data, n);
    if (e->source.events == 0)
        flush_out(e, false);
}

void stdio_eof(struct process *p, unsigned stream)
{
    p->io[stream].guest_eof = true;
    p->io[stream].expected = 0;
    if (stream != STREAM_STDIN)
        settle(&p->io[stream]);
}

/* The last bytes of a dead process come without waiting for its reader: they wait here, so that
 * its VM may go. That is a window more at most, whatever the guest says. */
void stdio_expect(struct process *p, unsigned stream, uint64_t left)
{
    struct stdio_end *e = &p->io[stream];
    struct monitor *m = monitor_of(e);

    if (e->guest_eof)
        return;
    e->expected = left;
    if (left && queue_bytes(&e->queue) && m->channel && p->open)
        (void)channel_send_credit(m->channel, p->id, stream, (uint32_t)MIN(left, STREAM_WINDOW));
}

/* Nothing more will come. */
void stdio_guest_gone(struct process *p)
{
    for (unsigned i = STREAM_STDOUT; i <= STREAM_STDERR; i++)
        stdio_eof(p, i);
}

bool stdio_ended(const struct process *p)
{
    for (unsigned i = 0; i < 3; i++)
        if (p->io[i].mode != STDIO_CLOSED)
            return false;
    return true;
}

bool stdio_drained(const struct process *p)
{
    for (unsigned i = STREAM_STDOUT; i <= STREAM_STDERR; i++) {
        const struct stdio_end *e = &p->io[i];

        if (e->mode != STDIO_CLOSED && (e->expected || queue_bytes(&e->queue)))
            return false;
    }
    return true;
}

static bool owed(const struct stdio_end *e)
{
    return e->mode != STDIO_CLOSED && e->expected && queue_bytes(&e->queue) == 0;
}

bool stdio_owed(const struct process *p)
{
    return owed(&p->io[STREAM_STDOUT]) || owed(&p->io[STREAM_STDERR]);
}

void stdio_forgive(struct process *p)
{
    for (unsigned i = STREAM_STDOUT; i <= STREAM_STDERR; i++)
        if (owed(&p->io[i]))
            p->io[i].expected = 0;
}

void stdio_close(struct process *p)
{
    for (unsigned i = 0; i < 3; i++)
        end_close(&p->io[i]);
}
