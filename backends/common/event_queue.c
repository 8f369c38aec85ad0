/* SPDX-License-Identifier: Apache-2.0 */
#include "common/event_queue.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "common/util.h"

struct queued_event {
    struct queued_event *next;
    struct hvp_event ev;
};

int event_queue_init(struct event_queue *q, struct hvp_error *err)
{
    q->first = NULL;
    q->last = &q->first;
    q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return q->fd < 0 ? hvp_fail(err, errno, "make the event queue: %m") : 0;
}

void event_queue_add(struct event_queue *q, uint32_t kind, int status, const char *msg)
{
    struct queued_event *e = calloc(1, sizeof(*e));
    uint64_t one = 1;

    if (!e)
        return;
    e->ev = (struct hvp_event){.struct_size = sizeof(e->ev), .kind = kind, .status = status};
    snprintf(e->ev.msg, sizeof(e->ev.msg), "%s", msg);
    *q->last = e;
    q->last = &e->next;
    (void)!write(q->fd, &one, sizeof(one)); /* full only when it is readable anyway */
}

bool event_queue_take(struct event_queue *q, struct hvp_event *ev)
{
    struct queued_event *e = q->first;
    uint32_t size = ev->struct_size;
    uint64_t count;

    if (!e)
        return false;
    q->first = e->next;
    if (!q->first) {
        q->last = &q->first;
        (void)!read(q->fd, &count, sizeof(count)); /* it was readable */
    }
    memcpy(ev, &e->ev, size < sizeof(e->ev) ? size : sizeof(e->ev));
    ev->struct_size = size;
    free(e);
    return true;
}

void event_queue_done(struct event_queue *q)
{
    while (q->first) {
        struct queued_event *e = q->first;

        q->first = e->next;
        free(e);
    }
    q->last = &q->first;
    util_close_ptr(&q->fd);
    q->fd = -1;
}
