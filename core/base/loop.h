/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - an event loop: descriptors, deadlines, and a sweep after each round.
 * For the main threads of monitor and shim. Without events and deadlines nothing ever wakes up.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include "base/err.h"

#define LOOP_BATCH 32

/* Embedded in its owner. {.fd = -1} is idle. The loop borrows the descriptor. */
struct loop_source {
    int fd;
    uint32_t events; /* what is watched now; 0 = nothing */
    void (*fn)(void *ctx, uint32_t events);
    void *ctx;
};

struct loop_timer {
    uint64_t deadline; /* ns of CLOCK_MONOTONIC; 0 = off */
    void (*fn)(void *ctx);
    void *ctx;
    struct loop_timer *next;
};

struct loop {
    int epoll;
    bool stop;
    struct loop_timer *timers;
    struct epoll_event batch[LOOP_BATCH];
    int n_batch;
    void (*sweep)(void *ctx); /* frees what handlers marked as dead */
    void *sweep_ctx;
};

int loop_init(struct loop *l, void (*sweep)(void *ctx), void *ctx, struct err *err);
int loop_run(struct loop *l, struct err *err); /* until stop is set */

/* Watch for events (EPOLLIN ...), 0 = no more. -EPERM without err: a file that is always ready. */
int loop_watch(struct loop *l, struct loop_source *s, uint32_t events);

void loop_arm(struct loop *l, struct loop_timer *t, uint64_t deadline_ns);
void loop_disarm(struct loop *l, struct loop_timer *t);

#endif
