/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "proto/wire.h"

TEST(integers_are_little_endian_on_every_machine)
{
    static const uint8_t want[8] = {8, 7, 6, 5, 4, 3, 2, 1};
    uint8_t b[8];

    le64_put(b, UINT64_C(0x0102030405060708));
    CHECK_MEM_EQ(b, want, sizeof(b));
    CHECK_U64_EQ(le64_get(b), UINT64_C(0x0102030405060708));
    CHECK_INT_EQ(le32_get(b), 0x05060708);
    CHECK_INT_EQ(le16_get(b), 0x0708);
}

TEST(fields_come_back_in_order)
{
    struct wbuf w = {0};
    struct wfield f;
    struct wire r, sub;
    char *s = NULL;
    uint64_t u;
    int64_t i;
    size_t mark;

    wire_put_u64(&w, 1, UINT64_MAX);
    wire_put_i64(&w, 2, -5);
    mark = wire_begin(&w, 3);
    wire_put_str(&w, 4, "inner");
    wire_put_str(&w, 5, NULL);
    wire_end(&w, mark);
    CHECK(wbuf_ok(&w));
    r = wire_over(w.data, w.len);
    CHECK_INT_EQ(wire_next(&r, &f), 1);
    CHECK_INT_EQ(wfield_u64(&f, &u), 0);
    CHECK_U64_EQ(u, UINT64_MAX);
    CHECK_INT_EQ(wire_next(&r, &f), 1);
    CHECK_INT_EQ(wfield_i64(&f, &i), 0);
    CHECK_INT_EQ(i, -5);
    CHECK_INT_EQ(wire_next(&r, &f), 1);
    sub = wire_sub(&f);
    CHECK_INT_EQ(wire_next(&sub, &f), 1);
    CHECK_INT_EQ(f.tag, 4);
    CHECK_INT_EQ(wfield_str(&f, &s), 0);
    CHECK_STR_EQ(s, "inner");
    CHECK_INT_EQ(wire_next(&sub, &f), 0);
    CHECK_INT_EQ(wire_next(&r, &f), 0);
    free(s);
    wbuf_done(&w);
}

TEST(a_field_cut_anywhere_is_refused)
{
    struct wbuf w = {0};
    struct wfield f;

    wire_put_str(&w, 1, "text");
    for (size_t n = 1; n < w.len; n++) {
        struct wire r = wire_over(w.data, n);

        CHECK_ERR(wire_next(&r, &f), -EPROTO);
    }
    wbuf_done(&w);
}

TEST(a_length_beyond_the_body_is_refused)
{
    static const uint32_t lengths[] = {5, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff};
    uint8_t b[12] = {1, 0, 0, 0};
    struct wfield f;

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct wire r = wire_over(b, sizeof(b));

        le32_put(b + 4, lengths[i]);
        CHECK_ERR(wire_next(&r, &f), -EPROTO);
    }
}

TEST(values_of_the_wrong_length_or_range_are_refused)
{
    struct wbuf w = {0};
    struct wfield f;
    struct wire r;
    uint64_t u;
    uint32_t v;
    char *s = NULL;

    wire_put_bytes(&w, 1, "abc\0d", 5);
    wire_put_u64(&w, 2, UINT64_C(1) << 32);
    r = wire_over(w.data, w.len);
    CHECK_INT_EQ(wire_next(&r, &f), 1);
    CHECK_ERR(wfield_u64(&f, &u), -EPROTO);
    CHECK_ERR(wfield_str(&f, &s), -EPROTO);
    CHECK_INT_EQ(wire_next(&r, &f), 1);
    CHECK_ERR(wfield_u32(&f, &v), -ERANGE);
    CHECK(s == NULL);
    wbuf_done(&w);
}

TEST(a_body_without_bytes_has_no_field)
{
    struct wire r = wire_over(NULL, 0);
    struct wfield f;

    CHECK_INT_EQ(wire_next(&r, &f), 0);
}
