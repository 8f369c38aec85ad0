/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codec.h - structs to fields and back, driven by one table per struct: encoder, decoder and
 * destructor can't disagree about a member. For plan.c and message.c only.
 */
#ifndef PROTO_CODEC_H
#define PROTO_CODEC_H
#include <stddef.h>
#include <stdint.h>
#include "proto/wire.h"

enum codec_kind {
    CODEC_U32,
    CODEC_I32,
    CODEC_U64,
    CODEC_I64,
    CODEC_STR,       /* char * */
    CODEC_LIST,      /* struct plan_list */
    CODEC_BYTES,     /* uint8_t * at off, size_t length at off_n */
    CODEC_U32S,      /* uint32_t * at off, size_t count at off_n */
    CODEC_SUB,       /* a struct within the struct */
    CODEC_SUBS,      /* pointer to structs at off, size_t count at off_n */
    CODEC_FIXED_U64, /* uint64_t [fixed] */
    CODEC_FIXED_U8,  /* uint8_t [fixed] */
    CODEC_FIXED_STR, /* char *[fixed]; an empty string travels for NULL */
};

struct codec_field {
    uint16_t tag;
    enum codec_kind kind;
    size_t off, off_n, fixed;
    const struct codec *sub;
};

struct codec {
    size_t size;
    const struct codec_field *fields;
    size_t n;
    int (*check)(const void *obj); /* after decoding: enums, what must be there; may be NULL */
};

#define CODEC_F(tag_, kind_, type_, member_)                                                       \
    {                                                                                              \
        .tag = tag_, .kind = CODEC_##kind_, .off = offsetof(type_, member_)                        \
    }
#define CODEC_FN(tag_, kind_, type_, member_, count_)                                              \
    {                                                                                              \
        .tag = tag_, .kind = CODEC_##kind_, .off = offsetof(type_, member_),                       \
        .off_n = offsetof(type_, count_)                                                           \
    }
#define CODEC_FSUB(tag_, type_, member_, codec_)                                                   \
    {                                                                                              \
        .tag = tag_, .kind = CODEC_SUB, .off = offsetof(type_, member_), .sub = codec_             \
    }
#define CODEC_FSUBS(tag_, type_, member_, count_, codec_)                                          \
    {                                                                                              \
        .tag = tag_, .kind = CODEC_SUBS, .off = offsetof(type_, member_),                          \
        .off_n = offsetof(type_, count_), .sub = codec_                                            \
    }
#define CODEC_FFIX(tag_, kind_, type_, member_, count_)                                            \
    {                                                                                              \
        .tag = tag_, .kind = CODEC_FIXED_##kind_, .off = offsetof(type_, member_), .fixed = count_ \
    }
#define CODEC_OF(type_, fields_, check_)                                                           \
    {                                                                                              \
        sizeof(type_), fields_, sizeof(fields_) / sizeof(fields_[0]), check_                       \
    }

void codec_put(struct wbuf *w, const struct codec *c, const void *obj);
/* *obj is zeroed first and, on failure, emptied. */
int codec_get(struct wire body, const struct codec *c, void *obj);
void codec_done(const struct codec *c, void *obj);

#endif
