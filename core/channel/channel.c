/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/inside.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/timing.h"

static struct bucket bucket_of(uint64_t burst, uint64_t per_second)
{
    return (struct bucket){now_ns(), burst, burst, per_second};
}

static int put_frame(struct channel *c, const struct frame_head *h, const void *body);

int channel_attach(struct channel *c)
{
    const struct frame_head h = {.type = FRAME_ATTACH, .seq = c->session};

    return put_frame(c, &h, NULL);
}

/* The guest, too, may hold bytes for us that answer nobody: the number must not be guessed. */
static int begin_session(struct channel *c, struct err *err)
{
    if (getrandom(&c->session, sizeof(c->session), 0) != (ssize_t)sizeof(c->session))
        return err_set(err, errno, "getrandom: %m");
    return channel_attach(c);
}

int channel_new(int fd, const struct channel_ops *ops, void *ctx, struct channel **ret,
                struct err *err)
{
    struct channel *c;
    int r = fd_nonblock(fd, 1, err);

    if (r < 0)
        return r;
    c = xcalloc(1, sizeof(*c));
    c->fd = fd;
    c->ops = ops;
    c->ctx = ctx;
    c->tail = &c->first;
    c->next_seq = 1;
    c->log = bucket_of(256, 20);
    /* A killed process may still have windows full of data on the way. */
    c->stray = bucket_of(16384, 1000);
    if ((r = begin_session(c, err)) < 0) {
        c->fd = -1; /* stays the caller's */
        channel_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void channel_finish(struct pending *p, const struct msg_reply *reply)
{
    if (p->done)
        p->done(p->ctx, reply);
    free(p);
}

void channel_free(struct channel *c)
{
    static const struct msg_reply lost = {.code = EPIPE};

    if (!c)
        return;
    while (c->first) {
        struct pending *p = c->first;

        c->first = p->next;
        channel_finish(p, &lost);
    }
    frame_reader_done(&c->in);
    queue_done(&c->out);
    streams_done(&c->streams);
    close_fd(&c->fd);
    free(c);
}

int channel_fd(const struct channel *c)
{
    return c->fd;
}

bool channel_congested(const struct channel *c)
{
    return queue_bytes(&c->out) > CHANNEL_QUEUE_MAX / 2;
}

short channel_events(const struct channel *c)
{
    return queue_bytes(&c->out) ? POLLIN | POLLOUT : POLLIN;
}

int channel_on_writable(struct channel *c, struct err *err)
{
    while (queue_bytes(&c->out)) {
        ssize_t n = write(c->fd, queue_head(&c->out), queue_bytes(&c->out));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n < 0)
            return err_set(err, EPIPE, "write to the agent's channel: %m");
        queue_take(&c->out, (size_t)n);
    }
    return 0;
}

/* Errors of writing show up when reading: callers need not care for a channel that has ended. */
static int put_frame(struct channel *c, const struct frame_head *h, const void *body)
{
    uint8_t head[FRAME_HEAD_SIZE];

    if (queue_bytes(&c->out) + FRAME_HEAD_SIZE + h->len > CHANNEL_QUEUE_MAX)
        return -ENOBUFS;
    frame_head_put(head, h);
    queue_put(&c->out, head, sizeof(head));
    queue_put(&c->out, body, h->len);
    (void)channel_on_writable(c, NULL);
    return 0;
}

static void forget_last(struct channel *c)
{
    struct pending **p = &c->first;

    while ((*p)->next)
        p = &(*p)->next;
    free(*p);
    *p = NULL;
    c->tail = p;
    c->n_pending--;
}

int channel_request(struct channel *c, uint16_t type, uint32_t id, const struct wbuf *body,
                    channel_reply_fn *done, void *ctx, struct err *err)
{
    struct frame_head h = {.type = type, .id = id, .seq = c->next_seq};
    struct pending *p;

    if (body && (!wbuf_ok(body) || body->len > FRAME_BODY_MAX))
        return err_set(err, E2BIG, "the request is too large for the agent");
    if (c->n_pending >= CHANNEL_PENDING_MAX)
        return err_set(err, ENOBUFS, "the agent has not answered %u requests", CHANNEL_PENDING_MAX);
    h.len = body ? (uint32_t)body->len : 0;
    p = xcalloc(1, sizeof(*p));
    *p = (struct pending){.seq = h.seq, .done = done, .ctx = ctx};
    *c->tail = p;
    c->tail = &p->next;
    c->n_pending++;
    if (put_frame(c, &h, body ? body->data : NULL) < 0) {
        forget_last(c);
        return err_set(err, ENOBUFS, "the agent does not read its channel");
    }
    c->next_seq = c->next_seq == UINT32_MAX ? 1 : c->next_seq + 1;
    return 0;
}

void channel_send_names(struct channel *c, const void *p, size_t n)
{
    const struct frame_head h = {.type = FRAME_NAMES, .len = (uint32_t)n};

    if (n <= NAMES_MAX && !channel_congested(c))
        (void)put_frame(c, &h, p);
}

int channel_process_open(struct channel *c, uint32_t id)
{
    return streams_open(&c->streams, id);
}

void channel_process_close(struct channel *c, uint32_t id)
{
    streams_close(&c->streams, id);
}

size_t channel_window(const struct channel *c, uint32_t id, unsigned stream)
{
    const struct stream_state *s = streams_find(&c->streams, id, stream);

    return s && !s->our_eof ? s->to_guest : 0;
}

int channel_send_data(struct channel *c, uint32_t id, unsigned stream, const void *p, size_t n)
{
    struct frame_head h = {.type = FRAME_DATA, .len = (uint32_t)n, .id = id, .seq = stream};
    struct stream_state *s = streams_find(&c->streams, id, stream);
    int r;

    if (!s || s->our_eof)
        return -EPIPE;
    if (n > s->to_guest || n > STREAM_DATA_MAX)
        return -EAGAIN;
    if ((r = put_frame(c, &h, p)) == 0)
        s->to_guest -= (uint32_t)n;
    return r;
}

int channel_send_eof(struct channel *c, uint32_t id, unsigned stream)
{
    struct frame_head h = {.type = FRAME_EOF, .id = id, .seq = stream};
    struct stream_state *s = streams_find(&c->streams, id, stream);

    if (!s || s->our_eof)
        return -EPIPE;
    s->our_eof = true;
    return put_frame(c, &h, NULL);
}

int channel_send_credit(struct channel *c, uint32_t id, unsigned stream, uint32_t n)
{
    struct frame_head h = {.type = FRAME_CREDIT, .len = 4, .id = id, .seq = stream};
    struct stream_state *s = streams_find(&c->streams, id, stream);
    uint8_t body[4];

    if (!s)
        return -EPIPE;
    s->from_guest += n;
    le32_put(body, n);
    return put_frame(c, &h, body);
}

int channel_send_close(struct channel *c, uint32_t id, unsigned stream)
{
    struct frame_head h = {.type = FRAME_CLOSE, .id = id, .seq = stream};

    return streams_find(&c->streams, id, stream) ? put_frame(c, &h, NULL) : -EPIPE;
}
