/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's clock, which all its containers have. The host says how far it is to go, and it
 * goes there as ntpd would take it: what programs may notice, in one step; what they need not,
 * slowly.
 */
#include "agent/agent.h"

#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#define NS_PER_S 1000000000
#define STEP_NS (NS_PER_S / 2) /* as much as adjtime() makes up for in 1000 s */

uint64_t clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void clock_set(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};

    if (ns)
        (void)clock_settime(CLOCK_REALTIME, &t);
}

void clock_shift(const struct agent *a, int64_t ns)
{
    struct timeval slowly = {.tv_sec = 0, .tv_usec = (suseconds_t)(ns / 1000)};

    if (!a->at.machine || ns == 0)
        return;
    if (ns <= -STEP_NS || ns >= STEP_NS)
        clock_set(clock_now() + (uint64_t)ns);
    else
        (void)adjtime(&slowly, NULL);
}
