/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/str.h"
#include "base/timing.h"
#include "channel/inside.h"

#define READ_SIZE (64u << 10) /* of one read */
#define READS_PER_CALL 4      /* then others have their turn */
#define LOG_LINE_MAX 1024
#define STALE_MAX (1u << 20) /* bytes of an older session: what carrier and guest may hold */
#define KNOCKS_MAX 16
#define REPLY_TEXT_MAX 1000 /* a sentence; what a hook has printed may be in it */

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

/* Some carriers lose what comes before the guest listens. Not for ever: it may be hostile. */
static void answer_knock(struct channel *c)
{
    if (c->knocks == KNOCKS_MAX)
        return;
    c->knocks++;
    (void)channel_attach(c);
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
    channel_finish(found, &m);
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
    case FRAME_NAMES:
        c->ops->names(c->ctx, body, h->len);
        return 0;
    default: /* a newer agent's */
        return spend(&c->stray) ? 0 : broke(err, "a flood of unknown frames");
    }
}

static int take_all(struct channel *c, struct err *err)
{
    struct frame_head h;
    const uint8_t *body;
    unsigned knocks = 0;
    int r;

    if (!c->greeted && !frame_reader_seek(&c->in, FRAME_HELLO, c->session, &c->stale, &knocks)) {
        if (knocks)
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
