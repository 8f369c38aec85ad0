/* SPDX-License-Identifier: Apache-2.0 */
#include "common/deadline.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS UINT64_C(1000000)

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 * NS_PER_MS + (uint64_t)ts.tv_nsec;
}

struct deadline deadline_start(const struct hvp_host *host, uint32_t timeout_ms)
{
    struct deadline d = {.end_ns = UINT64_MAX, .cancel_fd = -1};

    if (timeout_ms != HVP_NO_TIMEOUT)
        d.end_ns = now_ns() + timeout_ms * NS_PER_MS;
    if (host && HVP_HAS(host, struct hvp_host, cancel_fd))
        d.cancel_fd = host->cancel_fd;
    return d;
}

int deadline_left_ms(const struct deadline *d)
{
    uint64_t now, left;

    if (d->end_ns == UINT64_MAX)
        return -1;
    now = now_ns();
    if (now >= d->end_ns)
        return 0;
    left = (d->end_ns - now + NS_PER_MS - 1) / NS_PER_MS;
    return left > INT_MAX ? INT_MAX : (int)left;
}

int deadline_poll(const struct deadline *d, struct pollfd *fds, size_t n)
{
    struct pollfd all[8];
    int r;

    if (n >= sizeof(all) / sizeof(all[0]))
        return -EINVAL;
    if (n) /* else fds may be NULL */
        memcpy(all, fds, n * sizeof(*fds));
    all[n] = (struct pollfd){.fd = d->cancel_fd, .events = POLLIN};
    do
        r = poll(all, n + 1, deadline_left_ms(d));
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    if (n)
        memcpy(fds, all, n * sizeof(*fds));
    if (all[n].revents)
        return -ECANCELED;
    return r == 0 ? -ETIMEDOUT : 0;
}
