/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadline.h - waiting that ends: for descriptors, until a point in time, or when core cancels.
 * Used by every op of a back-end that has timeout_ms.
 */
#ifndef COMMON_DEADLINE_H
#define COMMON_DEADLINE_H
#include <poll.h>
#include <anyvisor/hvp.h>

/* How long an op may wait: made once per op, handed down. */
struct deadline {
    uint64_t end_ns; /* CLOCK_MONOTONIC; UINT64_MAX = never */
    int cancel_fd;   /* of the host; -1 = none */
};

struct deadline deadline_start(const struct hvp_host *host, uint32_t timeout_ms);
/* For poll(): -1 = no limit, rounded up so that 0 means "passed". */
int deadline_left_ms(const struct deadline *d);
/*
 * Wait until one of the descriptors is ready; fills revents.  0, -ETIMEDOUT, -ECANCELED or poll's
 * error.  n is at most 7.
 */
int deadline_poll(const struct deadline *d, struct pollfd *fds, size_t n);

#endif
