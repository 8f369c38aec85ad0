/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event_queue.h - events of one VM that core has not taken yet, first in, first out, behind a
 * descriptor that is readable while there are any.  For the event ops of a back-end; who adds and
 * takes in different threads brings a lock.
 */
#ifndef COMMON_EVENT_QUEUE_H
#define COMMON_EVENT_QUEUE_H
#include <stdbool.h>
#include <stdint.h>
#include <anyvisor/hvp.h>

struct queued_event;
struct event_queue {
    struct queued_event *first, **last;
    int fd; /* eventfd for poll and epoll; -1 = no queue */
};

#define EVENT_QUEUE_INIT                                                                           \
    {                                                                                              \
        .fd = -1                                                                                   \
    }

int event_queue_init(struct event_queue *q, struct hvp_error *err);
/* status is a wait status, -1 = none.  Out of memory it is dropped: vm_state is right all the same.
 */
void event_queue_add(struct event_queue *q, uint32_t kind, int status, const char *msg);
/* As event_next has it: *ev of ev->struct_size bytes is filled.  False: there is none. */
bool event_queue_take(struct event_queue *q, struct hvp_event *ev);
/* Drops what is left; a queue that was never made is fine. */
void event_queue_done(struct event_queue *q);

#endif
