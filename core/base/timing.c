/* SPDX-License-Identifier: Apache-2.0 */
#include "base/timing.h"
#include <limits.h>
#include <time.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

static uint64_t read_clock(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t deadline_in_ms(uint32_t ms)
{
    return ms == UINT32_MAX ? DEADLINE_NEVER : now_ns() + ms * NS_PER_MS;
}

int deadline_left_ms(uint64_t deadline_ns)
{
    uint64_t now = now_ns(), left;

    if (deadline_ns == DEADLINE_NEVER)
        return -1;
    if (deadline_ns <= now)
        return 0;
    left = (deadline_ns - now + NS_PER_MS - 1) / NS_PER_MS;
    return left > INT_MAX ? INT_MAX : (int)left;
}

uint64_t realtime_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t realtime_s(void)
{
    return realtime_ns() / NS_PER_S;
}
