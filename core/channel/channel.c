/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/str.h"
#include "base/timing.h"
#include "channel/queue.h"
#include "channel/streams.h"

#define READ_SIZE (64u << 10) /* of one read */
#define READS_PER_CALL 4      /* then others have their turn */
#define LOG_LINE_MAX 1024
#define STALE_MAX (1u << 20) /* bytes of an older session: what carrier and guest may hold */
#define KNOCKS_MAX 16
#define REPLY_TEXT_MAX 1000 /* a sentence; what a hook has printed may be in it */

struct pending {
    struct pending *next;
    uint32_t seq;
    channel_reply_fn *done;
    void *ctx;
};

/* Tokens come back with time; a guest that spends faster has broken the rules. */
struct bucket {
    uint64_t last_ns, tokens, burst, per_second;
};

struct channel {
    int fd;
    const struct channel_ops *ops;
    void *ctx;
    struct frame_reader in;
    struct queue out;
    struct pending *first, **tail;
    size_t n_pending;
    uint32_t next_seq;
    uint32_t session; /* seq of ATTACH and HELLO */
    bool greeted;
    size_t stale;    /* bytes skipped before HELLO */
    unsigned knocks; /* answered */
    struct streams streams;
    struct bucket log, stray;
    uint64_t log_lost;
};

static bool spend(struct bucket *b)
{
    uint64_t now = now_ns();
    uint64_t back = (now - b->last_ns) * b->per_second / UINT64_C(1000000000);

    if (now - b->last_ns > UINT64_C(60) * 1000000000)
        back = b->burst; /* no overflow after a long silence */
    if (back > 0) {
        b->tokens = MIN(b->tokens + back, b->burst);
        b->last_ns = now;
    }
    if (b->tokens == 0)
        return false;
    b->tokens--;
    return true;
}

static struct bucket bucket_of(uint64_t burst, uint64_t per_second)
{
    return (struct bucket){now_ns(), burst, burst, per_second};
}

static int put_frame(struct channel *c, const struct frame_head *h, const void *body);

static int attach(struct channel *c)
{
    const struct frame_head h = {.type = FRAME_ATTACH, .seq = c->session};

    return put_frame(c, &h, NULL);
}

/* The guest, too, may hold bytes for us that answer nobody: the number must not be guessed. */
static int begin_session(struct channel *c, struct err *err)
{
    if (getrandom(&c->session, sizeof(c->session), 0) != (ssize_t)sizeof(c->session))
        return err_set(err, errno, "getrandom: %m");
    return attach(c);
}

/*
 * Some carriers lose what comes before the guest listens; it then says anything. A terminal echoes
 * until it is raw, which looks the same: so not only the first time, but not for ever.
 */
static void answer_knock(struct channel *c)
{
    if (c->stale == 0 || c->knocks == KNOCKS_MAX)
        return;
    c->knocks++;
    (void)attach(c);
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

static void finish(struct pending *p, const struct msg_reply *reply)
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
        finish(p, &lost);
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

/* What the guest sends. Each taker returns 0 or -EPROTO with a sentence. */

static int broke(struct err *err, const char *what)
{
    return err_set(err, EPROTO, "the agent broke the protocol: %s", what);
}

static int take_hello(struct channel *c, struct wire body, struct err *err)
{
    struct msg_hello m;

    if (c->greeted)
        return broke(err, "a second HELLO");
    if (msg_hello_get(body, &m) < 0)
        return broke(err, "a malformed HELLO");
    c->greeted = true;
    c->ops->hello(c->ctx, &m);
    msg_hello_done(&m);
    return 0;
}

/* One line for people, whatever the guest calls a sentence. */
static void tame_text(struct msg_reply *m)
{
    if (!m->text)
        return;
    m->text[strnlen(m->text, REPLY_TEXT_MAX)] = '\0';
    for (char *p = m->text; (p = strpbrk(p, "\r\n\t"));)
        *p = ' ';
    str_tame(m->text);
}

/* Replies come in any order: a pause may wait while a signal is answered. */
static int take_reply(struct channel *c, uint32_t seq, struct wire body, struct err *err)
{
    struct pending **p = &c->first, *found;
    struct msg_reply m;

    while (*p && (*p)->seq != seq)
        p = &(*p)->next;
    if (!*p)
        return broke(err, "a reply that nobody asked for");
    if (msg_reply_get(body, &m) < 0)
        return broke(err, "a malformed reply");
    tame_text(&m);
    found = *p;
    *p = found->next;
    if (!*p)
        c->tail = p;
    c->n_pending--;
    finish(found, &m);
    msg_reply_done(&m);
    return 0;
}

static int take_exited(struct channel *c, uint32_t id, struct wire body, struct err *err)
{
    struct msg_exited m;

    if (msg_exited_get(body, &m) < 0)
        return broke(err, "a malformed exit");
    c->ops->exited(c->ctx, id, &m);
    return 0;
}

/* Older agents send no body: that reads as zeros, MSG_OOM_UNKNOWN. */
static int take_oom(struct channel *c, uint32_t id, struct wire body, struct err *err)
{
    struct msg_oom m;

    if (!spend(&c->log))
        return 0;
    if (msg_oom_get(body, &m) < 0)
        return broke(err, "a malformed word of an OOM kill");
    c->ops->oom(c->ctx, id, &m);
    return 0;
}

/* Printable, one line: it goes to a log that people read in a terminal. */
static int take_log(struct channel *c, struct wire body)
{
    char text[LOG_LINE_MAX + 1];
    size_t n = MIN((size_t)(body.end - body.p), (size_t)LOG_LINE_MAX);

    if (!spend(&c->log)) {
        c->log_lost++;
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        text[i] = body.p[i] < 0x20 || body.p[i] == 0x7f ? ' ' : (char)body.p[i];
    text[n] = '\0';
    if (c->log_lost) {
        char lost[64];

        snprintf(lost, sizeof(lost), "%llu lines lost", (unsigned long long)c->log_lost);
        c->log_lost = 0;
        c->ops->log(c->ctx, lost);
    }
    c->ops->log(c->ctx, text);
    return 0;
}

static int take_data(struct channel *c, const struct frame_head *h, struct stream_state *s,
                     const uint8_t *body, struct err *err)
{
    if (s->guest_eof)
        return broke(err, "data after the end of a stream");
    if (h->len > s->from_guest)
        return broke(err, "more data than the stream's window");
    s->from_guest -= h->len;
    c->ops->data(c->ctx, h->id, h->seq & 3, body, h->len);
    return 0;
}

static int take_credit(struct channel *c, const struct frame_head *h, struct stream_state *s,
                       const uint8_t *body, struct err *err)
{
    uint32_t n = le32_get(body);

    if (n > STREAM_WINDOW - s->to_guest)
        return broke(err, "credit for bytes that were never sent");
    s->to_guest += n;
    c->ops->credit(c->ctx, h->id, h->seq & 3);
    return 0;
}

static int take_stream(struct channel *c, const struct frame_head *h, const uint8_t *body,
                       struct err *err)
{
    struct stream_state *s = streams_find(&c->streams, h->id, h->seq & 3);

    if (!s)
        return spend(&c->stray) ? 0 : broke(err, "a flood of frames for unknown processes");
    switch (h->type) {
    case FRAME_DATA:
        return take_data(c, h, s, body, err);
    case FRAME_CREDIT:
        return take_credit(c, h, s, body, err);
    case FRAME_EOF:
        if (!s->guest_eof) {
            s->guest_eof = true;
            c->ops->eof(c->ctx, h->id, h->seq & 3);
        }
        return 0;
    default:
        c->ops->gone(c->ctx, h->id, h->seq & 3);
        return 0;
    }
}

static int take(struct channel *c, const struct frame_head *h, const uint8_t *body, struct err *err)
{
    struct wire w = wire_over(body, h->len);

    switch (h->type) {
    case FRAME_HELLO:
        return take_hello(c, w, err);
    case FRAME_REPLY:
        return take_reply(c, h->seq, w, err);
    case FRAME_EXITED:
        return take_exited(c, h->id, w, err);
    case FRAME_LOG:
        return take_log(c, w);
    case FRAME_OOM:
        return take_oom(c, h->id, w, err);
    case FRAME_DATA:
    case FRAME_EOF:
    case FRAME_CREDIT:
    case FRAME_CLOSE:
        return take_stream(c, h, body, err);
    default: /* a newer agent's */
        return spend(&c->stray) ? 0 : broke(err, "a flood of unknown frames");
    }
}

static int take_all(struct channel *c, struct err *err)
{
    struct frame_head h;
    const uint8_t *body;
    int r;

    if (!c->greeted && !frame_reader_seek(&c->in, FRAME_HELLO, c->session, &c->stale)) {
        answer_knock(c);
        return c->stale > STALE_MAX ? broke(err, "no HELLO in what it sends") : 0;
    }
    while ((r = frame_reader_next(&c->in, &h, &body)) > 0)
        if ((r = take(c, &h, body, err)) < 0)
            return r;
    return r < 0 ? broke(err, "a malformed frame") : 0;
}

int channel_on_readable(struct channel *c, struct err *err)
{
    for (int i = 0; i < READS_PER_CALL; i++) {
        size_t room;
        uint8_t *p = frame_reader_space(&c->in, i == 0 ? 4096 : READ_SIZE, &room);
        ssize_t n;
        int r;

        if (!p)
            return broke(err, "a frame without end");
        n = read(c->fd, p, room);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (n < 0)
            return err_set(err, EPIPE, "read from the agent's channel: %m");
        if (n == 0)
            return err_set(err, EPIPE, "the agent has closed its channel");
        frame_reader_commit(&c->in, (size_t)n);
        if ((r = take_all(c, err)) < 0)
            return r;
        if ((size_t)n < room)
            return 0;
    }
    return 0;
}
