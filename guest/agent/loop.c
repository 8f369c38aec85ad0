/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop. One event per round: a handler may close any source without leaving a stale one.
 */
#include "agent/agent.h"

#include <errno.h>
#include <sys/epoll.h>

#include "base/cleanup.h"

int loop_watch(struct agent *a, struct source *s, int fd, uint32_t events,
               void (*ready)(struct agent *, struct source *, uint32_t), struct err *err)
{
    struct epoll_event e = {.events = events, .data.ptr = s};

    if (epoll_ctl(a->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
        return err_set(err, errno, "watch descriptor %d: %m", fd);
    s->fd = fd;
    s->events = events;
    s->ready = ready;
    return 0;
}

void loop_events(struct agent *a, struct source *s, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = s};

    if (s->fd < 0 || s->events == events)
        return;
    /* Without any event wanted, EPOLLHUP would still come for ever: take it out of the set. */
    if (events == 0)
        (void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    else
        (void)epoll_ctl(a->epoll, s->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, s->fd, &e);
    s->events = events;
}

void loop_close(struct agent *a, struct source *s)
{
    if (s->fd >= 0) {
        (void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, s->fd, NULL);
        close_fd(&s->fd);
    }
    s->events = 0;
}

int loop_run(struct agent *a)
{
    while (!a->stop) {
        struct epoll_event e;
        struct source *s;
        int n = epoll_wait(a->epoll, &e, 1, -1);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n < 1)
            continue;
        s = e.data.ptr;
        if (s->fd >= 0)
            s->ready(a, s, e.events);
    }
    return 0;
}
