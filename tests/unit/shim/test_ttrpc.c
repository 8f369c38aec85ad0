/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "shim/ttrpc.h"
#include "test.h"

TEST(a_head_is_big_endian)
{
    static const uint8_t want[TTRPC_HEAD_SIZE] = {0, 1, 2, 3, 0, 0, 0, 5, 1, 0};
    const struct ttrpc_head h = {0x010203, 5, TTRPC_REQUEST, 0};
    struct ttrpc_head back;
    uint8_t head[TTRPC_HEAD_SIZE];

    ttrpc_head_put(head, &h);
    CHECK_MEM_EQ(head, want, sizeof(want));
    CHECK_INT_EQ(ttrpc_head_get(head, &back), 0);
    CHECK_INT_EQ(back.len, 0x010203);
    CHECK_INT_EQ(back.stream, 5);
    CHECK_INT_EQ(back.type, TTRPC_REQUEST);
}

TEST(a_length_above_the_protocols_is_refused)
{
    struct ttrpc_head h = {TTRPC_DATA_MAX, 1, TTRPC_REQUEST, 0}, back;
    uint8_t head[TTRPC_HEAD_SIZE];

    ttrpc_head_put(head, &h);
    CHECK_INT_EQ(ttrpc_head_get(head, &back), 0);
    h.len = TTRPC_DATA_MAX + 1;
    ttrpc_head_put(head, &h);
    CHECK_ERR(ttrpc_head_get(head, &back), -EMSGSIZE);
    h.len = UINT32_MAX;
    ttrpc_head_put(head, &h);
    CHECK_ERR(ttrpc_head_get(head, &back), -EMSGSIZE);
}

/* Two frames of 5 and 0 bytes, fed in pieces of n. */
static void feed_in_pieces(size_t n)
{
    uint8_t bytes[2 * TTRPC_HEAD_SIZE + 5];
    struct ttrpc_reader r = {0};
    struct ttrpc_head h = {5, 7, TTRPC_REQUEST, 0};
    size_t at = 0, frames = 0;

    ttrpc_head_put(bytes, &h);
    memcpy(bytes + TTRPC_HEAD_SIZE, "hello", 5);
    h.len = 0;
    h.stream = 9;
    ttrpc_head_put(bytes + TTRPC_HEAD_SIZE + 5, &h);
    while (at < sizeof(bytes)) {
        size_t piece = sizeof(bytes) - at < n ? sizeof(bytes) - at : n;
        int whole;
        long taken = ttrpc_reader_take(&r, bytes + at, piece, &h, &whole);

        CHECK(taken > 0 && (size_t)taken <= piece);
        at += (size_t)taken;
        if (!whole)
            continue;
        CHECK_INT_EQ(h.stream, frames == 0 ? 7 : 9);
        if (frames++ == 0)
            CHECK_MEM_EQ(r.data, "hello", 5);
        ttrpc_reader_done(&r);
    }
    CHECK_INT_EQ(frames, 2);
}

TEST(frames_come_in_any_pieces)
{
    for (size_t n = 1; n <= 25; n++)
        feed_in_pieces(n);
}

TEST(memory_grows_with_what_came_not_with_what_is_announced)
{
    const struct ttrpc_head huge = {TTRPC_DATA_MAX, 1, TTRPC_REQUEST, 0};
    uint8_t bytes[TTRPC_HEAD_SIZE + 100] = {0};
    struct ttrpc_reader r = {0};
    struct ttrpc_head h;
    int whole;

    ttrpc_head_put(bytes, &huge);
    CHECK_INT_EQ(ttrpc_reader_take(&r, bytes, sizeof(bytes), &h, &whole), sizeof(bytes));
    CHECK_INT_EQ(whole, 0);
    CHECK(r.cap < 4096);
    ttrpc_reader_done(&r);
}

struct peer {
    struct ttrpc_link link; /* first */
    int frames, closed;
    uint32_t len;
};

static void on_frame(struct ttrpc_link *l, const struct ttrpc_head *h, const uint8_t *data)
{
    struct peer *p = (struct peer *)l;

    p->frames++;
    p->len = h->len;
    if (h->len > 0)
        CHECK_INT_EQ(data[h->len - 1], 'z');
    l->loop->stop = true;
}

static void on_closed(struct ttrpc_link *l)
{
    ((struct peer *)l)->closed++;
    l->loop->stop = true;
}

static void no_sweep(void *ctx)
{
    (void)ctx;
}

struct pair {
    struct loop loop;
    struct peer a;
    int other;
};

static void make_pair(struct pair *p)
{
    struct err err = ERR_INIT;
    int ends[2];

    *p = (struct pair){.a = {.link = {.frame = on_frame, .closed = on_closed}}};
    CHECK_OK(loop_init(&p->loop, no_sweep, NULL, &err), err);
    CHECK_INT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    CHECK_INT_EQ(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    ttrpc_link_open(&p->a.link, &p->loop, ends[0]);
    p->other = ends[1];
}

static void run_once(struct pair *p)
{
    struct err err = ERR_INIT;

    p->loop.stop = false;
    CHECK_OK(loop_run(&p->loop, &err), err);
}

static void end_pair(struct pair *p)
{
    ttrpc_link_close(&p->a.link);
    close(p->other);
    close(p->loop.epoll);
}

TEST(a_link_ends_itself_at_a_hostile_length)
{
    static const uint8_t bytes[TTRPC_HEAD_SIZE] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1, 1, 0};
    struct pair p;

    make_pair(&p);
    CHECK_INT_EQ(write(p.other, bytes, sizeof(bytes)), sizeof(bytes));
    run_once(&p);
    CHECK_INT_EQ(p.a.closed, 1);
    CHECK_INT_EQ(p.a.frames, 0);
    end_pair(&p);
    CHECK_INT_EQ(p.a.closed, 1);
}

TEST(a_link_ends_with_its_peer)
{
    struct pair p;

    make_pair(&p);
    shutdown(p.other, SHUT_WR);
    run_once(&p);
    CHECK_INT_EQ(p.a.closed, 1);
    end_pair(&p);
}

/* More than a socket holds: the rest leaves when there is room. */
TEST(a_large_frame_crosses_a_socket)
{
    enum { SIZE = 1000000 };
    static uint8_t data[SIZE];
    struct pair p, q;
    int fd;

    data[SIZE - 1] = 'z';
    make_pair(&p);
    make_pair(&q);
    fd = p.other;
    CHECK_INT_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    ttrpc_link_close(&q.a.link);
    ttrpc_link_open(&q.a.link, &p.loop, fd);
    ttrpc_link_send(&p.a.link, 1, TTRPC_REQUEST, data, SIZE);
    CHECK(p.a.link.out != NULL);
    run_once(&p);
    CHECK_INT_EQ(q.a.frames, 1);
    CHECK_INT_EQ(q.a.len, SIZE);
    CHECK(p.a.link.out == NULL);
    p.other = -1;
    end_pair(&p);
    end_pair(&q);
}
