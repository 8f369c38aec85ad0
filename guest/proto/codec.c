/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/codec.h"
#include "proto/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define AT(type, obj, off) ((type *)(void *)((char *)(obj) + (off)))
#define CAT(type, obj, off) ((type const *)(const void *)((const char *)(obj) + (off)))

static void put_scalar(struct wbuf *w, const struct codec_field *f, const void *obj)
{
    int64_t v;

    switch (f->kind) {
    case CODEC_U32:
        v = (int64_t)*CAT(uint32_t, obj, f->off);
        break;
    case CODEC_I32:
        v = *CAT(int32_t, obj, f->off);
        break;
    default:
        v = *CAT(int64_t, obj, f->off);
        break;
    }
    /* Absent and zero are the same to a reader. */
    if (v != 0)
        wire_put_i64(w, f->tag, v);
}

static void put_numbers(struct wbuf *w, const struct codec_field *f, const void *p, size_t n,
                        size_t size)
{
    uint8_t *b = n ? malloc(n * size) : NULL;

    if (n == 0)
        return;
    if (!b) {
        w->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (size == 4)
            le32_put(b + 4 * i, ((const uint32_t *)p)[i]);
        else
            le64_put(b + 8 * i, ((const uint64_t *)p)[i]);
    }
    wire_put_bytes(w, f->tag, b, n * size);
    free(b);
}

static void put_sub(struct wbuf *w, const struct codec_field *f, const void *obj)
{
    size_t mark = wire_begin(w, f->tag);

    codec_put(w, f->sub, obj);
    wire_end(w, mark);
}

static void put_subs(struct wbuf *w, const struct codec_field *f, const void *obj)
{
    const char *p = *CAT(char *, obj, f->off);
    size_t n = *CAT(size_t, obj, f->off_n);

    for (size_t i = 0; i < n; i++)
        put_sub(w, f, p + i * f->sub->size);
}

static void put_strings(struct wbuf *w, const struct codec_field *f, char *const *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        wire_put_str(w, f->tag, v[i] ? v[i] : "");
}

static void put_field(struct wbuf *w, const struct codec_field *f, const void *obj)
{
    const struct plan_list *list = CAT(struct plan_list, obj, f->off);

    switch (f->kind) {
    case CODEC_U32:
    case CODEC_I32:
    case CODEC_U64:
    case CODEC_I64:
        put_scalar(w, f, obj);
        break;
    case CODEC_STR:
        wire_put_str(w, f->tag, *CAT(char *, obj, f->off));
        break;
    case CODEC_LIST:
        put_strings(w, f, list->v, list->n);
        break;
    case CODEC_BYTES:
        if (*CAT(size_t, obj, f->off_n))
            wire_put_bytes(w, f->tag, *CAT(void *, obj, f->off), *CAT(size_t, obj, f->off_n));
        break;
    case CODEC_U32S:
        put_numbers(w, f, *CAT(void *, obj, f->off), *CAT(size_t, obj, f->off_n), 4);
        break;
    case CODEC_SUB:
        put_sub(w, f, CAT(char, obj, f->off));
        break;
    case CODEC_SUBS:
        put_subs(w, f, obj);
        break;
    case CODEC_FIXED_U64:
        put_numbers(w, f, CAT(char, obj, f->off), f->fixed, 8);
        break;
    case CODEC_FIXED_U8:
        wire_put_bytes(w, f->tag, CAT(char, obj, f->off), f->fixed);
        break;
    case CODEC_FIXED_STR:
        put_strings(w, f, CAT(char *, obj, f->off), f->fixed);
        break;
    }
}

void codec_put(struct wbuf *w, const struct codec *c, const void *obj)
{
    for (size_t i = 0; i < c->n; i++)
        put_field(w, &c->fields[i], obj);
}

/* Make *array hold one more member; sizes double, so n alone tells the capacity. */
static int grow(void **array, size_t n, size_t size)
{
    size_t cap;
    void *p;

    if (n >= PLAN_LIST_MAX)
        return -E2BIG;
    if (n & (n - 1))
        return 0;
    cap = n ? 2 * n : 1;
    p = realloc(*array, cap * size);
    if (!p)
        return -ENOMEM;
    *array = p;
    return 0;
}

static int get_scalar(const struct codec_field *f, const struct wfield *w, void *obj)
{
    int64_t v;
    int r;

    switch (f->kind) {
    case CODEC_U32:
        return wfield_u32(w, AT(uint32_t, obj, f->off));
    case CODEC_I32:
        r = wfield_i64(w, &v);
        if (r < 0)
            return r;
        if (v < INT32_MIN || v > INT32_MAX)
            return -ERANGE;
        *AT(int32_t, obj, f->off) = (int32_t)v;
        return 0;
    default:
        return wfield_u64(w, AT(uint64_t, obj, f->off));
    }
}

static int get_list(const struct wfield *w, struct plan_list *l)
{
    char *s = NULL;
    char **v;
    int r;

    if (l->n >= PLAN_LIST_MAX)
        return -E2BIG;
    r = wfield_str(w, &s);
    if (r < 0)
        return r;
    if ((l->n & (l->n + 1)) == 0) { /* n + 1 is a power of two: the room for n and NULL is full */
        v = realloc(l->v, 2 * (l->n + 1) * sizeof(*v));
        if (!v) {
            free(s);
            return -ENOMEM;
        }
        l->v = v;
    }
    l->v[l->n++] = s;
    l->v[l->n] = NULL;
    return 0;
}

static int get_bytes(const struct codec_field *f, const struct wfield *w, void *obj)
{
    uint8_t *p;

    if (w->len == 0)
        return 0;
    p = malloc(w->len);
    if (!p)
        return -ENOMEM;
    memcpy(p, w->p, w->len);
    free(*AT(void *, obj, f->off));
    *AT(uint8_t *, obj, f->off) = p;
    *AT(size_t, obj, f->off_n) = w->len;
    return 0;
}

static int get_u32s(const struct codec_field *f, const struct wfield *w, void *obj)
{
    size_t n = w->len / 4;
    uint32_t *p;

    if (w->len % 4)
        return -EPROTO;
    if (n > PLAN_LIST_MAX)
        return -E2BIG;
    p = malloc(n ? n * 4 : 1);
    if (!p)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        p[i] = le32_get(w->p + 4 * i);
    free(*AT(void *, obj, f->off));
    *AT(uint32_t *, obj, f->off) = p;
    *AT(size_t, obj, f->off_n) = n;
    return 0;
}

static int get_into(struct wire body, const struct codec *c, void *obj);

static int get_subs(const struct codec_field *f, const struct wfield *w, void *obj)
{
    void **array = AT(void *, obj, f->off);
    size_t *n = AT(size_t, obj, f->off_n);
    char *member;
    int r;

    r = grow(array, *n, f->sub->size);
    if (r < 0)
        return r;
    member = (char *)*array + *n * f->sub->size;
    memset(member, 0, f->sub->size);
    (*n)++;
    return get_into(wire_sub(w), f->sub, member);
}

static int get_fixed(const struct codec_field *f, const struct wfield *w, void *obj)
{
    uint64_t *p = AT(uint64_t, obj, f->off);

    if (f->kind == CODEC_FIXED_U8) {
        /* A longer array of a newer peer: its tail means nothing to us. */
        memcpy(p, w->p, w->len < f->fixed ? w->len : f->fixed);
        return 0;
    }
    if (w->len % 8)
        return -EPROTO;
    for (size_t i = 0; i < w->len / 8 && i < f->fixed; i++)
        p[i] = le64_get(w->p + 8 * i);
    return 0;
}

static int get_field(const struct codec_field *f, const struct wfield *w, void *obj)
{
    switch (f->kind) {
    case CODEC_STR:
        return wfield_str(w, AT(char *, obj, f->off));
    case CODEC_LIST:
        return get_list(w, AT(struct plan_list, obj, f->off));
    case CODEC_BYTES:
        return get_bytes(f, w, obj);
    case CODEC_U32S:
        return get_u32s(f, w, obj);
    case CODEC_SUB:
        return get_into(wire_sub(w), f->sub, AT(char, obj, f->off));
    case CODEC_SUBS:
        return get_subs(f, w, obj);
    case CODEC_FIXED_U64:
    case CODEC_FIXED_U8:
        return get_fixed(f, w, obj);
    default:
        return get_scalar(f, w, obj);
    }
}

/* The i-th string of a fixed array: repeated tags count up in *seen. */
static int get_fixed_str(const struct codec_field *f, const struct wfield *w, void *obj,
                         size_t *seen)
{
    char **slot = AT(char *, obj, f->off) + *seen;

    if (*seen >= f->fixed)
        return 0;
    (*seen)++;
    return w->len ? wfield_str(w, slot) : 0;
}

static const struct codec_field *find(const struct codec *c, uint16_t tag)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->fields[i].tag == tag)
            return &c->fields[i];
    return NULL;
}

static int get_into(struct wire body, const struct codec *c, void *obj)
{
    size_t seen = 0; /* a struct has at most one array of strings */
    struct wfield w;
    int r;

    while ((r = wire_next(&body, &w)) > 0) {
        const struct codec_field *f = find(c, w.tag);

        if (!f)
            continue;
        r = f->kind == CODEC_FIXED_STR ? get_fixed_str(f, &w, obj, &seen) : get_field(f, &w, obj);
        if (r < 0)
            return r == -ERANGE ? -EPROTO : r;
    }
    if (r == 0 && c->check)
        r = c->check(obj);
    return r;
}

int codec_get(struct wire body, const struct codec *c, void *obj)
{
    int r;

    memset(obj, 0, c->size);
    r = get_into(body, c, obj);
    if (r < 0)
        codec_done(c, obj);
    return r;
}

static void done_field(const struct codec_field *f, void *obj)
{
    char *p;

    switch (f->kind) {
    case CODEC_STR:
    case CODEC_BYTES:
    case CODEC_U32S:
        free(*AT(void *, obj, f->off));
        break;
    case CODEC_LIST:
        plan_list_done(AT(struct plan_list, obj, f->off));
        break;
    case CODEC_SUB:
        codec_done(f->sub, AT(char, obj, f->off));
        break;
    case CODEC_SUBS:
        p = *AT(char *, obj, f->off);
        for (size_t i = 0; i < *AT(size_t, obj, f->off_n); i++)
            codec_done(f->sub, p + i * f->sub->size);
        free(p);
        break;
    case CODEC_FIXED_STR:
        for (size_t i = 0; i < f->fixed; i++)
            free(AT(char *, obj, f->off)[i]);
        break;
    default:
        break;
    }
}

void codec_done(const struct codec *c, void *obj)
{
    for (size_t i = 0; i < c->n; i++)
        done_field(&c->fields[i], obj);
    memset(obj, 0, c->size);
}
