/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_HEAD 8u
#define WBUF_MAX (64u << 20) /* far above any frame: catches runaway builders */

void le16_put(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

void le32_put(uint8_t *p, uint32_t v)
{
    le16_put(p, (uint16_t)v);
    le16_put(p + 2, (uint16_t)(v >> 16));
}

void le64_put(uint8_t *p, uint64_t v)
{
    le32_put(p, (uint32_t)v);
    le32_put(p + 4, (uint32_t)(v >> 32));
}

uint16_t le16_get(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t le32_get(const uint8_t *p)
{
    return (uint32_t)le16_get(p) | (uint32_t)le16_get(p + 2) << 16;
}

uint64_t le64_get(const uint8_t *p)
{
    return (uint64_t)le32_get(p) | (uint64_t)le32_get(p + 4) << 32;
}

void wbuf_done(struct wbuf *w)
{
    free(w->data);
    memset(w, 0, sizeof(*w));
}

bool wbuf_ok(const struct wbuf *w)
{
    return !w->failed;
}

/* Room for n more bytes, or NULL with the buffer marked as failed. */
static uint8_t *wbuf_room(struct wbuf *w, size_t n)
{
    size_t cap = w->cap ? w->cap : 256;
    uint8_t *p;

    if (w->failed || n > WBUF_MAX || w->len + n > WBUF_MAX) {
        w->failed = true;
        return NULL;
    }
    while (cap < w->len + n)
        cap *= 2;
    if (cap != w->cap) {
        p = realloc(w->data, cap);
        if (!p) {
            w->failed = true;
            return NULL;
        }
        w->data = p;
        w->cap = cap;
    }
    return w->data + w->len;
}

void wire_put_bytes(struct wbuf *w, uint16_t tag, const void *p, size_t len)
{
    uint8_t *to = wbuf_room(w, FIELD_HEAD + (len > WBUF_MAX ? WBUF_MAX : len));

    if (!to)
        return;
    le16_put(to, tag);
    le16_put(to + 2, 0);
    le32_put(to + 4, (uint32_t)len);
    if (len)
        memcpy(to + FIELD_HEAD, p, len);
    w->len += FIELD_HEAD + len;
}

void wire_put_u64(struct wbuf *w, uint16_t tag, uint64_t value)
{
    uint8_t b[8];

    le64_put(b, value);
    wire_put_bytes(w, tag, b, sizeof(b));
}

void wire_put_i64(struct wbuf *w, uint16_t tag, int64_t value)
{
    wire_put_u64(w, tag, (uint64_t)value);
}

void wire_put_str(struct wbuf *w, uint16_t tag, const char *s)
{
    if (s)
        wire_put_bytes(w, tag, s, strlen(s));
}

size_t wire_begin(struct wbuf *w, uint16_t tag)
{
    size_t mark = w->len;

    wire_put_bytes(w, tag, NULL, 0);
    return mark;
}

void wire_end(struct wbuf *w, size_t mark)
{
    if (!w->failed)
        le32_put(w->data + mark + 4, (uint32_t)(w->len - mark - FIELD_HEAD));
}

struct wire wire_over(const void *p, size_t len)
{
    /* A NULL body is an empty one; pointer arithmetic on NULL would be undefined. */
    static const uint8_t nothing[1];
    struct wire w = {.p = len ? p : nothing};

    w.end = w.p + len;
    return w;
}

struct wire wire_sub(const struct wfield *f)
{
    return wire_over(f->p, f->len);
}

int wire_next(struct wire *w, struct wfield *ret)
{
    size_t left = (size_t)(w->end - w->p);
    uint32_t len;

    if (left == 0)
        return 0;
    if (left < FIELD_HEAD || le16_get(w->p + 2) != 0)
        return -EPROTO;
    len = le32_get(w->p + 4);
    if (len > left - FIELD_HEAD)
        return -EPROTO;
    ret->tag = le16_get(w->p);
    ret->p = w->p + FIELD_HEAD;
    ret->len = len;
    w->p += FIELD_HEAD + len;
    return 1;
}

int wfield_u64(const struct wfield *f, uint64_t *ret)
{
    if (f->len != 8)
        return -EPROTO;
    *ret = le64_get(f->p);
    return 0;
}

int wfield_i64(const struct wfield *f, int64_t *ret)
{
    uint64_t v;

    if (wfield_u64(f, &v) < 0)
        return -EPROTO;
    *ret = (int64_t)v;
    return 0;
}

int wfield_u32(const struct wfield *f, uint32_t *ret)
{
    uint64_t v;

    if (wfield_u64(f, &v) < 0)
        return -EPROTO;
    if (v > UINT32_MAX)
        return -ERANGE;
    *ret = (uint32_t)v;
    return 0;
}

int wfield_str(const struct wfield *f, char **ret)
{
    char *s;

    if (f->len && memchr(f->p, 0, f->len))
        return -EPROTO;
    s = malloc((size_t)f->len + 1);
    if (!s)
        return -ENOMEM;
    memcpy(s, f->p, f->len);
    s[f->len] = '\0';
    free(*ret);
    *ret = s;
    return 0;
}
