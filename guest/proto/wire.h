/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire.h - the bytes of the agent protocol: little-endian, tag-length-value, every length bounded.
 * Compiled into host and guest; libc only. Also carries the host's own requests (monitor/ipc.h).
 *
 * A message body is a sequence of fields: u16 tag, u16 zero, u32 length, bytes. Integers are 8
 * bytes. A repeated tag is a list. A nested struct is a field whose bytes are fields again. A
 * reader skips tags it does not know, so that both sides can grow; a truncated field fails the
 * whole body.
 */
#ifndef PROTO_WIRE_H
#define PROTO_WIRE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Writer. Grows by itself; after an allocation failure it stays failed and wbuf_ok() is false. */
struct wbuf {
    uint8_t *data;
    size_t len, cap;
    bool failed;
};

void wbuf_done(struct wbuf *w);
bool wbuf_ok(const struct wbuf *w);
void wire_put_u64(struct wbuf *w, uint16_t tag, uint64_t value);
void wire_put_i64(struct wbuf *w, uint16_t tag, int64_t value);
void wire_put_bytes(struct wbuf *w, uint16_t tag, const void *p, size_t len);
void wire_put_str(struct wbuf *w, uint16_t tag, const char *s); /* NULL writes nothing */
/* Nested struct: fields written between begin and end belong to it. begin returns a mark. */
size_t wire_begin(struct wbuf *w, uint16_t tag);
void wire_end(struct wbuf *w, size_t mark);

/* Reader over borrowed memory. */
struct wire {
    const uint8_t *p, *end;
};
struct wfield {
    uint16_t tag;
    const uint8_t *p;
    uint32_t len;
};

struct wire wire_over(const void *p, size_t len);
struct wire wire_sub(const struct wfield *f);      /* the fields of a nested struct */
int wire_next(struct wire *w, struct wfield *ret); /* 1 a field, 0 end, -EPROTO truncated */

/* Values of a field; -EPROTO for a wrong length. Strings must not hold NUL bytes. */
int wfield_u64(const struct wfield *f, uint64_t *ret);
int wfield_i64(const struct wfield *f, int64_t *ret);
int wfield_u32(const struct wfield *f, uint32_t *ret); /* -ERANGE above 32 bits */
int wfield_str(const struct wfield *f, char **ret);    /* malloc'ed copy; frees what *ret held */

void le16_put(uint8_t *p, uint16_t v);
void le32_put(uint8_t *p, uint32_t v);
void le64_put(uint8_t *p, uint64_t v);
uint16_t le16_get(const uint8_t *p);
uint32_t le32_get(const uint8_t *p);
uint64_t le64_get(const uint8_t *p);

#endif
