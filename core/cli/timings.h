/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timings.h - the phases of a start, as differences.
 * For the verb `timings` and its unit test.
 */
#ifndef CLI_TIMINGS_H
#define CLI_TIMINGS_H
#include <stddef.h>
#include <stdint.h>
#include "monitor/ipc.h"

#define TIMINGS_PHASES 10

struct timings_phase {
    const char *name;
    uint64_t at_ns, took_ns; /* since begin; since the phase before it */
};

/* Phases that were reached, in order of their happening; ret has TIMINGS_PHASES entries. */
size_t timings_phases(const struct ipc_timings *t, struct timings_phase *ret);

#endif
