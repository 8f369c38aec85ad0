/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streams.h - which processes the host knows and what their streams may still carry.
 * For channel.c only.
 */
#ifndef CHANNEL_STREAMS_H
#define CHANNEL_STREAMS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_COUNT 3
#define STREAM_BUCKETS 64

struct stream_state {
    uint32_t from_guest; /* bytes it may still send */
    uint32_t to_guest;   /* bytes we may still send */
    bool guest_eof, our_eof;
};

struct stream_process {
    struct stream_process *next;
    uint32_t id;
    struct stream_state s[STREAM_COUNT];
};

struct streams {
    struct stream_process *buckets[STREAM_BUCKETS];
};

int streams_open(struct streams *t, uint32_t id);
void streams_close(struct streams *t, uint32_t id);
void streams_done(struct streams *t);
/* NULL: no such process or stream. */
struct stream_state *streams_find(const struct streams *t, uint32_t id, unsigned stream);

#endif
