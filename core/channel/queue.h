/* SPDX-License-Identifier: Apache-2.0 */
/*
 * queue.h - bytes that wait for a descriptor: append at the end, take from the front.
 * For channel.c and the monitor's connections and streams.
 */
#ifndef CHANNEL_QUEUE_H
#define CHANNEL_QUEUE_H
#include <stddef.h>
#include <stdint.h>

struct queue {
    uint8_t *buf;
    size_t used, len, cap; /* buf[used .. len) waits */
};

static inline size_t queue_bytes(const struct queue *q)
{
    return q->len - q->used;
}

static inline const uint8_t *queue_head(const struct queue *q)
{
    return q->buf + q->used;
}

void queue_put(struct queue *q, const void *p, size_t n);
void queue_take(struct queue *q, size_t n); /* the first n bytes are done; frees an empty buffer */
void queue_done(struct queue *q);

#endif
