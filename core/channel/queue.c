/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/queue.h"
#include <stdlib.h>
#include <string.h>
#include "base/macros.h"
#include "base/str.h"

void queue_put(struct queue *q, const void *p, size_t n)
{
    if (n == 0)
        return;
    if (q->used > 0 && q->len + n > q->cap) {
        memmove(q->buf, q->buf + q->used, q->len - q->used);
        q->len -= q->used;
        q->used = 0;
    }
    if (q->len + n > q->cap) {
        q->cap = MAX(q->cap * 2, q->len + n);
        q->buf = xreallocarray(q->buf, q->cap, 1);
    }
    memcpy(q->buf + q->len, p, n);
    q->len += n;
}

void queue_take(struct queue *q, size_t n)
{
    q->used += n;
    if (q->used == q->len)
        queue_done(q); /* an idle monitor keeps no buffers */
}

void queue_done(struct queue *q)
{
    free(q->buf);
    *q = (struct queue){0};
}
