/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timing.h - clocks and deadlines, in nanoseconds and milliseconds.
 * A deadline is an absolute CLOCK_MONOTONIC time; it is passed down so that waits add up correctly.
 */
#ifndef BASE_TIMING_H
#define BASE_TIMING_H
#include <stdint.h>

#define DEADLINE_NEVER UINT64_MAX

uint64_t now_ns(void);                      /* CLOCK_MONOTONIC */
uint64_t deadline_in_ms(uint32_t ms);       /* UINT32_MAX = DEADLINE_NEVER */
int deadline_left_ms(uint64_t deadline_ns); /* >= 0, rounded up; -1 = never (as poll wants) */

/* CLOCK_REALTIME, since 1970. To compare with the times of files not time(), which lags behind
 * those that Linux 6.13 and later write. */
uint64_t realtime_ns(void);
uint64_t realtime_s(void);

#endif
