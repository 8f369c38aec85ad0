/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "proto/frame.h"
#include "proto/wire.h"

static void feed(struct frame_reader *r, const void *p, size_t n)
{
    size_t room;
    uint8_t *to = frame_reader_space(r, n, &room);

    CHECK(to != NULL);
    CHECK(room >= n);
    if (n)
        memcpy(to, p, n);
    frame_reader_commit(r, n);
}

static size_t make(uint8_t *to, uint16_t type, uint32_t id, const char *body)
{
    struct frame_head h = {.type = type, .len = (uint32_t)strlen(body), .id = id, .seq = 7};

    frame_head_put(to, &h);
    memcpy(to + FRAME_HEAD_SIZE, body, h.len);
    return FRAME_HEAD_SIZE + h.len;
}

TEST(frames_survive_any_cut_of_the_stream)
{
    uint8_t bytes[256];
    size_t n = make(bytes, FRAME_DATA, 3, "hello");

    n += make(bytes + n, FRAME_EOF, 4, "");
    for (size_t step = 1; step <= n; step++) {
        struct frame_reader r = {0};
        struct frame_head h;
        const uint8_t *body;
        size_t seen = 0;

        for (size_t at = 0; at < n; at += step) {
            feed(&r, bytes + at, n - at < step ? n - at : step);
            while (frame_reader_next(&r, &h, &body) == 1) {
                CHECK_INT_EQ(h.id, 3 + seen);
                CHECK_INT_EQ(h.seq, 7);
                if (seen++ == 0)
                    CHECK_MEM_EQ(body, "hello", 5);
            }
        }
        CHECK_INT_EQ(seen, 2);
        frame_reader_done(&r);
    }
}

TEST(heads_without_magic_or_with_hostile_lengths_are_refused)
{
    static const struct {
        uint16_t type;
        uint32_t len;
    } bad[] = {{FRAME_DATA, STREAM_DATA_MAX + 1},
               {FRAME_EOF, 1},
               {FRAME_CLOSE, 1},
               {FRAME_ATTACH, 1},
               {FRAME_CREDIT, 3},
               {FRAME_CREDIT, 5},
               {FRAME_CREATE, FRAME_BODY_MAX + 1},
               {FRAME_HELLO, UINT32_MAX},
               {999, FRAME_BODY_MAX + 1}};
    uint8_t head[FRAME_HEAD_SIZE];
    struct frame_head h;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        h = (struct frame_head){.type = bad[i].type, .len = bad[i].len};
        frame_head_put(head, &h);
        CHECK_ERR(frame_head_get(head, &h), -EPROTO);
    }
    h = (struct frame_head){.type = FRAME_DATA, .len = STREAM_DATA_MAX};
    frame_head_put(head, &h);
    CHECK_INT_EQ(frame_head_get(head, &h), 0);
    head[1] ^= 1;
    CHECK_ERR(frame_head_get(head, &h), -EPROTO);
}

TEST(a_reader_gives_memory_back_after_a_large_frame)
{
    struct frame_head h = {.type = FRAME_CREATE, .len = FRAME_BODY_MAX};
    struct frame_reader r = {0};
    uint8_t head[FRAME_HEAD_SIZE];
    uint8_t *body = calloc(1, FRAME_BODY_MAX);
    const uint8_t *got;

    frame_head_put(head, &h);
    feed(&r, head, sizeof(head));
    feed(&r, body, FRAME_BODY_MAX);
    CHECK_INT_EQ(frame_reader_next(&r, &h, &got), 1);
    CHECK_INT_EQ(h.len, FRAME_BODY_MAX);
    feed(&r, body, 0);
    CHECK(r.cap <= 256u << 10);
    CHECK_INT_EQ(frame_reader_next(&r, &h, &got), 0);
    free(body);
    frame_reader_done(&r);
}

TEST(a_reader_refuses_room_without_bound)
{
    struct frame_reader r = {0};
    size_t room;

    CHECK(frame_reader_space(&r, SIZE_MAX, &room) == NULL);
    frame_reader_done(&r);
}
