/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"
#include <errno.h>
#include "base/timing.h"

int loop_init(struct loop *l, void (*sweep)(void *ctx), void *ctx, struct err *err)
{
    *l = (struct loop){.sweep = sweep, .sweep_ctx = ctx};
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    return l->epoll < 0 ? err_set(err, errno, "epoll_create1: %m") : 0;
}

/* An event that was fetched before its source was unwatched must not arrive any more. */
static void drop_fetched(struct loop *l, const struct loop_source *s)
{
    for (int i = 0; i < l->n_batch; i++)
        if (l->batch[i].data.ptr == s)
            l->batch[i].data.ptr = NULL;
}

int loop_watch(struct loop *l, struct loop_source *s, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = s};
    int op = !events ? EPOLL_CTL_DEL : s->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

    if (events == s->events)
        return 0;
    if (!events)
        drop_fetched(l, s);
    if (epoll_ctl(l->epoll, op, s->fd, &e) < 0)
        return -errno;
    s->events = events;
    return 0;
}

void loop_disarm(struct loop *l, struct loop_timer *t)
{
    struct loop_timer **p = &l->timers;

    if (!t->deadline)
        return;
    while (*p != t)
        p = &(*p)->next;
    *p = t->next;
    t->deadline = 0;
}

void loop_arm(struct loop *l, struct loop_timer *t, uint64_t deadline_ns)
{
    loop_disarm(l, t);
    t->deadline = deadline_ns ? deadline_ns : 1;
    t->next = l->timers;
    l->timers = t;
}

static int wait_ms(const struct loop *l)
{
    uint64_t first = DEADLINE_NEVER;

    for (const struct loop_timer *t = l->timers; t; t = t->next)
        first = MIN(first, t->deadline);
    return deadline_left_ms(first);
}

static void run_timers(struct loop *l)
{
    uint64_t now = now_ns();
    struct loop_timer *t = l->timers;

    while (t) {
        if (t->deadline > now) {
            t = t->next;
            continue;
        }
        loop_disarm(l, t);
        t->fn(t->ctx);
        t = l->timers; /* fn may have changed the list */
    }
}

int loop_run(struct loop *l, struct err *err)
{
    while (!l->stop) {
        int n = epoll_wait(l->epoll, l->batch, LOOP_BATCH, wait_ms(l));

        if (n < 0 && errno != EINTR)
            return err_set(err, errno, "epoll_wait: %m");
        l->n_batch = n < 0 ? 0 : n;
        for (int i = 0; i < l->n_batch; i++) {
            struct loop_source *s = l->batch[i].data.ptr;

            if (s)
                s->fn(s->ctx, l->batch[i].events);
        }
        l->n_batch = 0;
        run_timers(l);
        l->sweep(l->sweep_ctx);
    }
    return 0;
}
