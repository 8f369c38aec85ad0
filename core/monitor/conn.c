/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections read one frame at a time and never beyond it: descriptors come with the first byte
 * of their frame, so whatever arrives with a frame belongs to it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/timing.h"
#include "monitor/monitor.h"

#define OUT_MAX (4u << 20) /* a client that does not read is dropped */
#define FRAMES_PER_CALL 16

static void on_conn(void *ctx, uint32_t events);

struct conn *conn_add(struct monitor *m, int fd, struct process *proxy_of)
{
    struct conn *c = xcalloc(1, sizeof(*c));

    c->m = m;
    c->number = ++m->next_conn;
    c->proxy_of = proxy_of;
    c->is_proxy = proxy_of != NULL;
    c->source = (struct loop_source){.fd = fd, .fn = on_conn, .ctx = c};
    c->next = m->conns;
    m->conns = c;
    if (loop_watch(&m->loop, &c->source, EPOLLIN) < 0)
        conn_close(c);
    return c;
}

struct conn *conn_find(struct monitor *m, uint64_t number)
{
    struct conn *c = m->conns;

    while (c && (c->number != number || c->dead))
        c = c->next;
    return c;
}

static void drop_frame(struct conn *c)
{
    for (size_t i = 0; i < c->n_fds; i++)
        close_fd(&c->fds[i]);
    c->n_fds = 0;
    free(c->body);
    c->body = NULL;
    c->got = 0;
}

void conn_close(struct conn *c)
{
    if (c->dead)
        return;
    c->dead = true;
    (void)loop_watch(&c->m->loop, &c->source, 0);
    requests_conn_closed(c);
}

void conn_sweep(struct monitor *m)
{
    struct conn **p = &m->conns;

    while (*p) {
        struct conn *c = *p;

        if (!c->dead) {
            p = &c->next;
            continue;
        }
        *p = c->next;
        drop_frame(c);
        queue_done(&c->out);
        close_fd(&c->source.fd);
        free(c);
    }
}

static void flush(struct conn *c)
{
    while (queue_bytes(&c->out)) {
        ssize_t n = send(c->source.fd, queue_head(&c->out), queue_bytes(&c->out),
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            conn_close(c);
            return;
        }
        queue_take(&c->out, (size_t)n);
    }
    if (loop_watch(&c->m->loop, &c->source, queue_bytes(&c->out) ? EPOLLIN | EPOLLOUT : EPOLLIN) <
        0)
        conn_close(c);
}

void conn_send(struct conn *c, uint16_t type, uint32_t seq, const struct wbuf *body)
{
    struct frame_head h = {.type = type, .seq = seq, .len = body ? (uint32_t)body->len : 0};
    uint8_t head[FRAME_HEAD_SIZE];

    if (c->dead)
        return;
    if ((body && !wbuf_ok(body)) || queue_bytes(&c->out) + h.len > OUT_MAX) {
        conn_close(c);
        return;
    }
    frame_head_put(head, &h);
    queue_put(&c->out, head, sizeof(head));
    queue_put(&c->out, body ? body->data : NULL, h.len);
    flush(c);
}

void conn_flush_all(struct monitor *m, uint64_t deadline_ns)
{
    for (struct conn *c = m->conns; c; c = c->next)
        while (!c->dead && queue_bytes(&c->out) &&
               fd_wait(c->source.fd, POLLOUT, deadline_left_ms(deadline_ns)) > 0)
            flush(c);
}

/* 1 a whole frame is there, 0 not yet, -errno the connection has ended. */
static int read_part(struct conn *c, struct frame_head *h)
{
    size_t room = c->got == 0 ? FD_PASS_MAX : 0, want;
    uint8_t *to;
    ssize_t n;

    if (c->got < FRAME_HEAD_SIZE) {
        to = c->head + c->got;
        want = FRAME_HEAD_SIZE - c->got;
    } else {
        (void)frame_head_get(c->head, h); /* was checked */
        to = c->body + (c->got - FRAME_HEAD_SIZE);
        want = FRAME_HEAD_SIZE + h->len - c->got;
    }
    /* Without O_NONBLOCK: the description of an inherited socket is not ours alone. */
    if (fd_wait(c->source.fd, POLLIN, 0) == 0)
        return 0;
    n = fd_recv(c->source.fd, to, want, c->got == 0 ? c->fds : NULL, room ? &room : NULL, NULL);
    if (n == -EAGAIN)
        return 0;
    if (n <= 0)
        return n < 0 ? (int)n : -EPIPE;
    if (c->got == 0)
        c->n_fds = room;
    c->got += (size_t)n;
    if (c->got == FRAME_HEAD_SIZE) {
        if (frame_head_get(c->head, h) < 0)
            return -EPROTO;
        c->body = xcalloc(1, h->len + 1);
        return h->len == 0;
    }
    return c->got > FRAME_HEAD_SIZE && c->got == FRAME_HEAD_SIZE + h->len;
}

static void read_frames(struct conn *c)
{
    struct frame_head h = {0};
    int r, taken = 0;

    while (!c->dead && taken < FRAMES_PER_CALL) {
        size_t before = c->got;

        r = read_part(c, &h);
        if (r < 0) {
            conn_close(c);
            return;
        }
        if (r == 0 && c->got == before)
            return;
        if (r == 0)
            continue;
        requests_take(c, &h, c->body);
        drop_frame(c);
        taken++;
    }
}

static void on_conn(void *ctx, uint32_t events)
{
    struct conn *c = ctx;

    if (events & EPOLLOUT)
        flush(c);
    if (!c->dead && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        read_frames(c);
}

static void send_reply(struct monitor *m, struct reply_to *to, const struct ipc_reply *reply)
{
    struct conn *c = to->conn ? conn_find(m, to->conn) : NULL;
    struct wbuf w = {0};

    if (c) {
        ipc_reply_put(&w, reply);
        conn_send(c, IPC_REPLY, to->seq, &w);
        wbuf_done(&w);
    }
    *to = (struct reply_to){0};
}

void reply_ok(struct monitor *m, struct reply_to *to, const uint8_t *body, size_t len)
{
    struct ipc_reply reply = {.body = (uint8_t *)body, .body_len = len};

    send_reply(m, to, &reply);
}

void conn_tell_end(struct monitor *m)
{
    struct ipc_reply reply = {.code = m->lost.code, .phase = m->lost.phase, .text = m->lost.msg};
    struct wbuf w = {0};

    if (m->end_told)
        return;
    m->end_told = true;
    ipc_reply_put(&w, &reply);
    for (struct conn *c = m->conns; c; c = c->next)
        if (!c->is_proxy)
            conn_send(c, IPC_END, 0, &w);
    wbuf_done(&w);
}

void reply_err(struct monitor *m, struct reply_to *to, const struct err *err)
{
    struct ipc_reply reply = {
        .code = err->code ? err->code : EIO,
        .phase = err->phase,
        .text = (char *)err->msg,
    };

    if (to->conn)
        log_debug("refused: %s", err->msg);
    send_reply(m, to, &reply);
}

void reply_agent(struct monitor *m, struct reply_to *to, const struct msg_reply *reply,
                 enum err_phase phase)
{
    struct err err = {reply->code, phase, ""};

    if (reply->code == 0) {
        reply_ok(m, to, reply->body, reply->body_len);
        return;
    }
    if (reply->code == EPIPE && !reply->text && m->lost.code) {
        reply_err(m, to, &m->lost);
        return;
    }
    snprintf(err.msg, sizeof(err.msg), "%s",
             reply->text            ? reply->text
             : reply->code == EPIPE ? "the agent is gone"
                                    : strerror(reply->code));
    reply_err(m, to, &err);
}
