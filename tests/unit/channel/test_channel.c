/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/str.h"
#include "channel/channel.h"
#include "test.h"

/* What the callbacks have seen. */
struct seen {
    struct msg_oom last_oom;
    int hello, exited, oom, log, data, eof, credit, gone, replies;
    size_t bytes;
    int32_t code;
    char text[64], last_log[64];
};

struct fixture {
    struct channel *c;
    int guest;
    struct seen seen;
    struct err err;
};

static void on_hello(void *ctx, const struct msg_hello *m)
{
    ((struct seen *)ctx)->hello += m->version == PROTO_VERSION;
}

static void on_exited(void *ctx, uint32_t id, const struct msg_exited *m)
{
    ((struct seen *)ctx)->exited += id == 1 && m->status == -9;
}

static void on_oom(void *ctx, uint32_t id, const struct msg_oom *m)
{
    ((struct seen *)ctx)->oom += id == 1;
    ((struct seen *)ctx)->last_oom = *m;
}

static void on_log(void *ctx, const char *text)
{
    struct seen *s = ctx;

    s->log++;
    snprintf(s->last_log, sizeof(s->last_log), "%s", text);
}

static void on_data(void *ctx, uint32_t id, unsigned stream, const uint8_t *p, size_t n)
{
    struct seen *s = ctx;

    (void)p;
    s->data += id == 1 && stream == STREAM_STDOUT;
    s->bytes += n;
}

static void on_eof(void *ctx, uint32_t id, unsigned stream)
{
    ((struct seen *)ctx)->eof += id == 1 && stream == STREAM_STDOUT;
}

static void on_credit(void *ctx, uint32_t id, unsigned stream)
{
    ((struct seen *)ctx)->credit += id == 1 && stream == STREAM_STDIN;
}

static void on_gone(void *ctx, uint32_t id, unsigned stream)
{
    ((struct seen *)ctx)->gone += id == 1 && stream == STREAM_STDIN;
}

static void on_reply(void *ctx, const struct msg_reply *reply)
{
    struct seen *s = ctx;

    s->replies++;
    s->code = reply->code;
    snprintf(s->text, sizeof(s->text), "%s", reply->text ? reply->text : "");
}

static void on_names(void *ctx, const uint8_t *p, size_t n)
{
    struct seen *s = ctx;

    snprintf(s->text, sizeof(s->text), "%.*s", (int)n, (const char *)p);
}

static const struct channel_ops ops = {on_hello, on_exited, on_oom,  on_log,  on_data,
                                       on_eof,   on_credit, on_gone, on_names};

static void guest_send(struct fixture *f, uint16_t type, uint32_t id, uint32_t seq,
                       const void *body, size_t len)
{
    struct frame_head h = {.type = type, .id = id, .seq = seq, .len = (uint32_t)len};
    uint8_t head[FRAME_HEAD_SIZE];

    frame_head_put(head, &h);
    CHECK_OK(fd_write_all(f->guest, head, sizeof(head), &f->err), f->err);
    CHECK_OK(fd_write_all(f->guest, body, len, &f->err), f->err);
}

/* One frame of the host; its body goes to buf. */
static struct frame_head guest_take(struct fixture *f, uint8_t *buf)
{
    uint8_t head[FRAME_HEAD_SIZE];
    struct frame_head h;

    CHECK_INT_EQ(fd_wait(f->guest, POLLIN, 5000), 1);
    CHECK_OK(fd_read_exact(f->guest, head, sizeof(head), &f->err), f->err);
    CHECK_INT_EQ(frame_head_get(head, &h), 0);
    CHECK_OK(fd_read_exact(f->guest, buf, h.len, &f->err), f->err);
    return h;
}

static int pump(struct fixture *f)
{
    int r = 0;

    while (r == 0 && fd_wait(channel_fd(f->c), POLLIN, 0) == 1)
        r = channel_on_readable(f->c, &f->err);
    return r;
}

static void greet(struct fixture *f)
{
    struct msg_hello hello = {.version = PROTO_VERSION};
    struct frame_head attach;
    struct wbuf w = {0};

    attach = guest_take(f, NULL);
    CHECK_INT_EQ(attach.type, FRAME_ATTACH);
    msg_hello_put(&w, &hello);
    guest_send(f, FRAME_HELLO, 0, attach.seq, w.data, w.len);
    wbuf_done(&w);
    CHECK_OK(pump(f), f->err);
}

static void setup(struct fixture *f)
{
    int pair[2];

    *f = (struct fixture){0};
    CHECK_INT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    f->guest = pair[1];
    CHECK_OK(channel_new(pair[0], &ops, &f->seen, &f->c, &f->err), f->err);
}

static void setup_greeted(struct fixture *f)
{
    setup(f);
    greet(f);
    CHECK_INT_EQ(f->seen.hello, 1);
    CHECK_INT_EQ(channel_process_open(f->c, 1), 0);
}

static void done(struct fixture *f)
{
    channel_free(f->c);
    close(f->guest);
}

static void answer(struct fixture *f, uint32_t seq, int code, const char *text)
{
    struct msg_reply reply = {.code = code, .text = (char *)text};
    struct wbuf w = {0};

    msg_reply_put(&w, &reply);
    guest_send(f, FRAME_REPLY, 0, seq, w.data, w.len);
    wbuf_done(&w);
}

TEST(a_reply_reaches_the_request_with_its_number)
{
    struct seen second = {0};
    struct fixture f;
    uint8_t body[64];
    struct frame_head a, b;

    setup_greeted(&f);
    CHECK_OK(channel_request(f.c, FRAME_PAUSE, 1, NULL, on_reply, &f.seen, &f.err), f.err);
    CHECK_OK(channel_request(f.c, FRAME_PING, 0, NULL, on_reply, &second, &f.err), f.err);
    a = guest_take(&f, body);
    b = guest_take(&f, body);
    answer(&f, b.seq, EBUSY, "later");
    CHECK_OK(pump(&f), f.err);
    CHECK_INT_EQ(f.seen.replies, 0);
    CHECK_INT_EQ(second.code, EBUSY);
    CHECK_STR_EQ(second.text, "later");
    answer(&f, a.seq, 0, NULL);
    CHECK_OK(pump(&f), f.err);
    CHECK_INT_EQ(f.seen.replies, 1);
    done(&f);
}

TEST(a_channel_that_ends_answers_what_is_pending)
{
    struct fixture f;

    setup_greeted(&f);
    CHECK_OK(channel_request(f.c, FRAME_PAUSE, 1, NULL, on_reply, &f.seen, &f.err), f.err);
    close(f.guest);
    f.guest = -1;
    CHECK_ERR(pump(&f), -EPIPE);
    channel_free(f.c);
    CHECK_INT_EQ(f.seen.replies, 1);
    CHECK_INT_EQ(f.seen.code, EPIPE);
}

TEST(a_reply_that_nobody_asked_for_ends_the_channel)
{
    struct fixture f;

    setup_greeted(&f);
    answer(&f, 4711, 0, NULL);
    CHECK_ERR(pump(&f), -EPROTO);
    done(&f);
}

TEST(the_text_of_a_reply_is_one_printable_line)
{
    char text[] = "no\n\033[31m such\tfile";
    struct msg_reply reply = {.code = 2, .text = text};
    struct wbuf w = {0};
    struct fixture f;

    setup_greeted(&f);
    CHECK_OK(channel_request(f.c, FRAME_START, 1, NULL, on_reply, &f.seen, &f.err), f.err);
    msg_reply_put(&w, &reply);
    guest_send(&f, FRAME_REPLY, 1, 1, w.data, w.len);
    wbuf_done(&w);
    CHECK_OK(pump(&f), f.err);
    CHECK_STR_EQ(f.seen.text, "no ?[31m such file");
    done(&f);
}

TEST(one_request_is_answered_only_once)
{
    struct fixture f;
    uint8_t body[64];
    struct frame_head h;

    setup_greeted(&f);
    CHECK_OK(channel_request(f.c, FRAME_PING, 0, NULL, on_reply, &f.seen, &f.err), f.err);
    h = guest_take(&f, body);
    answer(&f, h.seq, 0, NULL);
    answer(&f, h.seq, 0, NULL);
    CHECK_ERR(pump(&f), -EPROTO);
    CHECK_INT_EQ(f.seen.replies, 1);
    done(&f);
}

TEST(what_an_older_session_left_is_skipped)
{
    static const uint8_t half[] = {0xA5, 0x56, FRAME_DATA, 0, 0, 1, 0, 0, 1,
                                   0,    0,    0,          1, 0, 0, 0, 7};
    struct fixture f;

    setup(&f);
    guest_send(&f, FRAME_OOM, 1, 0, NULL, 0);
    guest_send(&f, FRAME_HELLO, 0, 0, NULL, 0);
    CHECK_OK(fd_write_all(f.guest, half, sizeof(half), &f.err), f.err);
    greet(&f);
    CHECK_INT_EQ(f.seen.hello, 1);
    CHECK_INT_EQ(f.seen.oom, 0);
    done(&f);
}

TEST(a_guest_that_begins_to_listen_is_told_again_but_not_for_ever)
{
    static const uint8_t knock[FRAME_HEAD_SIZE];
    struct frame_head first, again;
    struct fixture f;
    int told = 0;

    setup(&f);
    first = guest_take(&f, NULL);
    CHECK_INT_EQ(fd_wait(f.guest, POLLIN, 0), 0);
    for (int i = 0; i < 40; i++) {
        CHECK_OK(fd_write_all(f.guest, knock, sizeof(knock), &f.err), f.err);
        CHECK_OK(pump(&f), f.err);
        if (fd_wait(f.guest, POLLIN, 0) == 0)
            continue;
        again = guest_take(&f, NULL);
        CHECK_INT_EQ(again.type, FRAME_ATTACH);
        CHECK_INT_EQ(again.seq, first.seq);
        CHECK_INT_EQ(told++, i);
    }
    CHECK(told > 1 && told < 40);
    done(&f);
}

TEST(an_echo_is_no_knock)
{
    static const char echo[] = "^%V^@^@^@^@^@^@^@^@^@^@^@^@^@^@^@";
    struct fixture f;

    setup(&f);
    (void)guest_take(&f, NULL);
    CHECK_OK(fd_write_all(f.guest, echo, sizeof(echo), &f.err), f.err);
    CHECK_OK(pump(&f), f.err);
    CHECK_INT_EQ(fd_wait(f.guest, POLLIN, 0), 0);
    done(&f);
}

TEST(bytes_without_end_and_without_hello_end_the_channel)
{
    static const uint8_t zeros[64 << 10];
    struct fixture f;
    int r = 0;

    setup(&f);
    for (int i = 0; i < 32 && r == 0; i++) {
        CHECK_OK(fd_write_all(f.guest, zeros, sizeof(zeros), &f.err), f.err);
        r = pump(&f);
    }
    CHECK_ERR(r, -EPROTO);
    done(&f);
}

TEST(a_second_hello_ends_the_channel)
{
    struct fixture f;

    setup_greeted(&f);
    f.seen.hello = 0;
    guest_send(&f, FRAME_HELLO, 0, 0, NULL, 0);
    CHECK_ERR(pump(&f), -EPROTO);
    CHECK_INT_EQ(f.seen.hello, 0);
    done(&f);
}

TEST(garbage_ends_the_channel)
{
    struct fixture f;

    setup_greeted(&f);
    CHECK_OK(fd_write_all(f.guest, "GET / HTTP/1.0\r\n\r\n", 18, &f.err), f.err);
    CHECK_ERR(pump(&f), -EPROTO);
    done(&f);
}

TEST(a_frame_may_come_byte_by_byte)
{
    struct msg_exited exited = {.status = -9};
    struct fixture f;
    struct wbuf w = {0};
    struct frame_head h = {.type = FRAME_EXITED, .id = 1};
    uint8_t head[FRAME_HEAD_SIZE];

    setup_greeted(&f);
    msg_exited_put(&w, &exited);
    h.len = (uint32_t)w.len;
    frame_head_put(head, &h);
    for (size_t i = 0; i < sizeof(head) + w.len; i++) {
        CHECK_INT_EQ(f.seen.exited, 0);
        CHECK_OK(fd_write_all(f.guest, i < sizeof(head) ? &head[i] : &w.data[i - sizeof(head)], 1,
                              &f.err),
                 f.err);
        CHECK_OK(pump(&f), f.err);
    }
    CHECK_INT_EQ(f.seen.exited, 1);
    wbuf_done(&w);
    done(&f);
}

TEST(data_beyond_the_window_ends_the_channel)
{
    static uint8_t chunk[STREAM_DATA_MAX];
    struct fixture f;

    setup_greeted(&f);
    for (size_t sent = 0; sent < STREAM_WINDOW; sent += sizeof(chunk)) {
        guest_send(&f, FRAME_DATA, 1, STREAM_STDOUT, chunk, sizeof(chunk));
        CHECK_OK(pump(&f), f.err);
    }
    CHECK_U64_EQ(f.seen.bytes, STREAM_WINDOW);
    guest_send(&f, FRAME_DATA, 1, STREAM_STDOUT, chunk, 1);
    CHECK_ERR(pump(&f), -EPROTO);
    done(&f);
}

TEST(credit_opens_the_window_again)
{
    static uint8_t chunk[STREAM_DATA_MAX];
    struct fixture f;
    uint8_t body[64];
    struct frame_head h;

    setup_greeted(&f);
    for (size_t sent = 0; sent < STREAM_WINDOW; sent += sizeof(chunk)) {
        guest_send(&f, FRAME_DATA, 1, STREAM_STDOUT, chunk, sizeof(chunk));
        CHECK_OK(pump(&f), f.err);
    }
    CHECK_INT_EQ(channel_send_credit(f.c, 1, STREAM_STDOUT, 5), 0);
    h = guest_take(&f, body);
    CHECK_INT_EQ(h.type, FRAME_CREDIT);
    CHECK_INT_EQ(le32_get(body), 5);
    guest_send(&f, FRAME_DATA, 1, STREAM_STDOUT, chunk, 5);
    CHECK_OK(pump(&f), f.err);
    done(&f);
}

TEST(data_after_eof_ends_the_channel)
{
    struct fixture f;

    setup_greeted(&f);
    guest_send(&f, FRAME_EOF, 1, STREAM_STDOUT, NULL, 0);
    CHECK_OK(pump(&f), f.err);
    CHECK_INT_EQ(f.seen.eof, 1);
    guest_send(&f, FRAME_DATA, 1, STREAM_STDOUT, "x", 1);
    CHECK_ERR(pump(&f), -EPROTO);
    done(&f);
}

TEST(we_send_no_more_than_the_guest_takes)
{
    static uint8_t chunk[STREAM_DATA_MAX], body[STREAM_DATA_MAX];
    uint8_t credit[4];
    struct fixture f;

    setup_greeted(&f);
    for (size_t sent = 0; sent < STREAM_WINDOW; sent += sizeof(chunk)) {
        CHECK_INT_EQ(channel_send_data(f.c, 1, STREAM_STDIN, chunk, sizeof(chunk)), 0);
        CHECK_OK(channel_on_writable(f.c, &f.err), f.err);
        (void)guest_take(&f, body);
    }
    CHECK_U64_EQ(channel_window(f.c, 1, STREAM_STDIN), 0);
    CHECK_ERR(channel_send_data(f.c, 1, STREAM_STDIN, "x", 1), -EAGAIN);
    le32_put(credit, 7);
    guest_send(&f, FRAME_CREDIT, 1, STREAM_STDIN, credit, 4);
    CHECK_OK(pump(&f), f.err);
    CHECK_INT_EQ(f.seen.credit, 1);
    CHECK_U64_EQ(channel_window(f.c, 1, STREAM_STDIN), 7);
    le32_put(credit, STREAM_WINDOW);
    guest_send(&f, FRAME_CREDIT, 1, STREAM_STDIN, credit, 4);
    CHECK_ERR(pump(&f), -EPROTO);
    done(&f);
}

TEST(nothing_follows_our_own_eof)
{
    struct fixture f;
    uint8_t body[64];

    setup_greeted(&f);
    CHECK_INT_EQ(channel_send_eof(f.c, 1, STREAM_STDIN), 0);
    CHECK_INT_EQ(guest_take(&f, body).type, FRAME_EOF);
    CHECK_ERR(channel_send_data(f.c, 1, STREAM_STDIN, "x", 1), -EPIPE);
    CHECK_ERR(channel_send_eof(f.c, 1, STREAM_STDIN), -EPIPE);
    CHECK_INT_EQ(channel_send_close(f.c, 1, STREAM_STDOUT), 0);
    CHECK_INT_EQ(guest_take(&f, body).type, FRAME_CLOSE);
    done(&f);
}

TEST(frames_for_unknown_processes_are_dropped_until_they_are_a_flood)
{
    struct fixture f;
    int r = 0;

    setup_greeted(&f);
    for (int i = 0; i < 1000; i++) {
        guest_send(&f, FRAME_DATA, 99, STREAM_STDOUT, "x", 1);
        CHECK_OK(pump(&f), f.err);
    }
    CHECK_INT_EQ(f.seen.data, 0);
    for (int i = 0; i < 100000 && r == 0; i++) {
        guest_send(&f, FRAME_EOF, 99, STREAM_STDOUT, NULL, 0);
        r = pump(&f);
    }
    CHECK_ERR(r, -EPROTO);
    done(&f);
}

TEST(a_closed_process_is_unknown)
{
    struct fixture f;

    setup_greeted(&f);
    CHECK_ERR(channel_process_open(f.c, 1), -EEXIST);
    channel_process_close(f.c, 1);
    guest_send(&f, FRAME_DATA, 1, STREAM_STDOUT, "x", 1);
    CHECK_OK(pump(&f), f.err);
    CHECK_INT_EQ(f.seen.data, 0);
    CHECK_ERR(channel_send_data(f.c, 1, STREAM_STDIN, "x", 1), -EPIPE);
    CHECK_ERR(channel_send_credit(f.c, 1, STREAM_STDOUT, 1), -EPIPE);
    done(&f);
}

TEST(a_flood_of_log_lines_is_limited_and_made_printable)
{
    struct fixture f;

    setup_greeted(&f);
    for (int i = 0; i < 2000; i++) {
        guest_send(&f, FRAME_LOG, 0, 0, "a\033[2J\n", 6);
        CHECK_OK(pump(&f), f.err);
    }
    CHECK(f.seen.log >= 200);
    CHECK(f.seen.log < 400);
    CHECK_STR_EQ(f.seen.last_log, "a [2J ");
    done(&f);
}

TEST(a_guest_that_does_not_read_cannot_make_us_queue_without_end)
{
    static uint8_t big[FRAME_BODY_MAX];
    struct wbuf w = {.data = big, .len = sizeof(big)};
    struct fixture f;
    int r = 0, sent = 0;

    setup_greeted(&f);
    CHECK(!channel_congested(f.c));
    while (r == 0 && sent < 64) {
        r = channel_request(f.c, FRAME_UPDATE, 1, &w, on_reply, &f.seen, &f.err);
        sent += r == 0;
    }
    CHECK_ERR(r, -ENOBUFS);
    CHECK(sent >= 6 && sent <= 9);
    CHECK(channel_congested(f.c));
    CHECK_INT_EQ(channel_events(f.c), POLLIN | POLLOUT);
    channel_free(f.c);
    CHECK_INT_EQ(f.seen.replies, sent);
    close(f.guest);
}

TEST(oom_and_a_closed_stdin_are_told)
{
    const struct msg_oom cgroup = {MSG_OOM_CGROUP, 64u << 20};
    struct wbuf w = {0};
    struct fixture f;

    setup_greeted(&f);
    guest_send(&f, FRAME_OOM, 1, 0, NULL, 0);
    guest_send(&f, FRAME_CLOSE, 1, STREAM_STDIN, NULL, 0);
    CHECK_OK(pump(&f), f.err);
    CHECK_INT_EQ(f.seen.oom, 1);
    CHECK_INT_EQ(f.seen.last_oom.where, MSG_OOM_UNKNOWN);
    msg_oom_put(&w, &cgroup);
    guest_send(&f, FRAME_OOM, 1, 0, w.data, w.len);
    wbuf_done(&w);
    CHECK_OK(pump(&f), f.err);
    CHECK_INT_EQ(f.seen.oom, 2);
    CHECK_INT_EQ(f.seen.last_oom.where, MSG_OOM_CGROUP);
    CHECK_U64_EQ(f.seen.last_oom.limit, 64u << 20);
    CHECK_INT_EQ(f.seen.gone, 1);
    done(&f);
}

TEST(questions_and_answers_of_names_pass)
{
    static const uint8_t big[NAMES_MAX + 1];
    uint8_t body[NAMES_MAX];
    struct frame_head h;
    struct fixture f;

    setup_greeted(&f);
    guest_send(&f, FRAME_NAMES, 0, 0, "who is web", 10);
    CHECK_OK(pump(&f), f.err);
    CHECK_STR_EQ(f.seen.text, "who is web");
    channel_send_names(f.c, big, sizeof(big)); /* dropped */
    channel_send_names(f.c, "it is here", 10);
    h = guest_take(&f, body);
    CHECK_INT_EQ(h.type, FRAME_NAMES);
    CHECK_INT_EQ(h.len, 10);
    CHECK_MEM_EQ(body, "it is here", 10);
    guest_send(&f, FRAME_NAMES, 0, 0, big, sizeof(big));
    CHECK_ERR(pump(&f), -EPROTO);
    done(&f);
}
