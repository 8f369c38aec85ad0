/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/frame.h"
#include "proto/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define READER_SMALL (64u << 10) /* what an idle reader may keep */
#define READER_MAX (2u * (FRAME_HEAD_SIZE + FRAME_BODY_MAX))

void frame_head_put(uint8_t head[FRAME_HEAD_SIZE], const struct frame_head *h)
{
    head[0] = 0xA5;
    head[1] = 0x56;
    le16_put(head + 2, h->type);
    le32_put(head + 4, h->len);
    le32_put(head + 8, h->id);
    le32_put(head + 12, h->seq);
}

/* Types that we do not know yet may be as long as any. */
static uint32_t body_max(uint16_t type)
{
    switch (type) {
    case FRAME_DATA:
        return STREAM_DATA_MAX;
    case FRAME_ATTACH:
    case FRAME_EOF:
    case FRAME_CLOSE:
        return 0;
    case FRAME_CREDIT:
        return 4;
    case FRAME_NAMES:
        return NAMES_MAX;
    default:
        return FRAME_BODY_MAX;
    }
}

int frame_head_get(const uint8_t head[FRAME_HEAD_SIZE], struct frame_head *ret)
{
    struct frame_head h;

    if (head[0] != 0xA5 || head[1] != 0x56)
        return -EPROTO;
    h.type = le16_get(head + 2);
    h.len = le32_get(head + 4);
    h.id = le32_get(head + 8);
    h.seq = le32_get(head + 12);
    if (h.len > body_max(h.type) || (h.type == FRAME_CREDIT && h.len != 4))
        return -EPROTO;
    *ret = h;
    return 0;
}

void frame_reader_done(struct frame_reader *r)
{
    free(r->buf);
    memset(r, 0, sizeof(*r));
}

void frame_reader_reset(struct frame_reader *r)
{
    r->used = r->len = 0;
}

static int reader_resize(struct frame_reader *r, size_t cap)
{
    uint8_t *p = realloc(r->buf, cap);

    if (!p)
        return -ENOMEM;
    r->buf = p;
    r->cap = cap;
    return 0;
}

uint8_t *frame_reader_space(struct frame_reader *r, size_t min, size_t *ret_room)
{
    size_t need;

    if (r->used) {
        memmove(r->buf, r->buf + r->used, r->len - r->used);
        r->len -= r->used;
        r->used = 0;
    }
    if (min == 0)
        min = 1;
    if (min > READER_MAX || r->len > READER_MAX - min)
        return NULL;
    need = r->len + min;
    if (need > r->cap) {
        size_t cap = r->cap ? r->cap : 4096;

        while (cap < need)
            cap *= 2;
        if (reader_resize(r, cap) < 0)
            return NULL;
    } else if (r->cap > READER_SMALL && need <= READER_SMALL / 2) {
        (void)reader_resize(r, READER_SMALL);
    }
    *ret_room = r->cap - r->len;
    return r->buf + r->len;
}

void frame_reader_commit(struct frame_reader *r, size_t n)
{
    if (n > r->cap - r->len)
        n = r->cap - r->len;
    r->len += n;
}

bool frame_reader_seek(struct frame_reader *r, uint16_t type, uint32_t seq, size_t *skipped,
                       unsigned *knocks)
{
    static const uint8_t knock[FRAME_HEAD_SIZE];
    struct frame_head h;

    for (; r->len - r->used >= FRAME_HEAD_SIZE; r->used++, (*skipped)++) {
        if (frame_head_get(r->buf + r->used, &h) == 0 && h.type == type && h.id == 0 &&
            h.seq == seq)
            return true;
        *knocks += memcmp(r->buf + r->used, knock, sizeof(knock)) == 0;
    }
    return false;
}

int frame_reader_next(struct frame_reader *r, struct frame_head *ret, const uint8_t **ret_body)
{
    size_t left = r->len - r->used;
    struct frame_head h;
    int e;

    if (left < FRAME_HEAD_SIZE)
        return 0;
    e = frame_head_get(r->buf + r->used, &h);
    if (e < 0)
        return e;
    if (left - FRAME_HEAD_SIZE < h.len)
        return 0;
    *ret = h;
    *ret_body = r->buf + r->used + FRAME_HEAD_SIZE;
    r->used += FRAME_HEAD_SIZE + h.len;
    return 1;
}
