/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc.h - ttrpc's frames on a stream socket: a head of ten bytes, then the message.
 * For the server and the publisher of the shim; knows nothing of what the messages mean.
 */
#ifndef SHIM_TTRPC_H
#define SHIM_TTRPC_H
#include <stddef.h>
#include <stdint.h>
#include "base/loop.h"

#define TTRPC_HEAD_SIZE 10u
#define TTRPC_DATA_MAX (4u << 20) /* of the protocol */

enum ttrpc_type { TTRPC_REQUEST = 1, TTRPC_RESPONSE, TTRPC_DATA };

/* Big-endian on the wire, in this order. */
struct ttrpc_head {
    uint32_t len, stream;
    uint8_t type, flags;
};

void ttrpc_head_put(uint8_t head[TTRPC_HEAD_SIZE], const struct ttrpc_head *h);
int ttrpc_head_get(const uint8_t head[TTRPC_HEAD_SIZE], struct ttrpc_head *ret); /* -EMSGSIZE */

/* Incremental reader: {0} is an empty one. Memory grows with what has come, not with what a head
 * announces, and is given back with each message. */
struct ttrpc_reader {
    uint8_t head[TTRPC_HEAD_SIZE];
    size_t got; /* of head and message together */
    uint8_t *data;
    size_t cap;
};
/* Takes bytes up to the end of one frame: how many, or -EMSGSIZE. *ret_whole: a frame is complete,
 * its message is r->data until ttrpc_reader_done. */
long ttrpc_reader_take(struct ttrpc_reader *r, const uint8_t *bytes, size_t n,
                       struct ttrpc_head *ret, int *ret_whole);
void ttrpc_reader_done(struct ttrpc_reader *r); /* ready for the next frame */

/* One connection in a loop. The owner embeds it and frees itself no earlier than in a sweep. */
struct ttrpc_link {
    struct loop *loop;
    struct loop_source source; /* fd is ours */
    struct ttrpc_reader in;
    uint8_t *out;
    size_t out_len, out_sent;
    void (*frame)(struct ttrpc_link *l, const struct ttrpc_head *h, const uint8_t *data);
    void (*closed)(struct ttrpc_link *l); /* once, by whichever side; the link is unusable */
};
/* Takes over fd, a non-blocking socket. */
void ttrpc_link_open(struct ttrpc_link *l, struct loop *loop, int fd);
void ttrpc_link_send(struct ttrpc_link *l, uint32_t stream, enum ttrpc_type type,
                     const uint8_t *data, size_t len);
void ttrpc_link_close(struct ttrpc_link *l);

#endif
