/* SPDX-License-Identifier: Apache-2.0 */
#include "tsc.h"
#include <string.h>
#include <time.h>
#include "common/file.h"

#define SPAN_NS UINT64_C(5000000)
#define TRIES 8

struct moment {
    uint64_t tsc, ns;
};

static uint64_t clock_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Both clocks at once: of several tries the one that was interrupted least. */
static struct moment look(void)
{
    struct moment best = {0};
    uint64_t least = UINT64_MAX;

    for (int i = 0; i < TRIES; i++) {
        uint64_t before = __builtin_ia32_rdtsc(), ns = clock_ns(), after = __builtin_ia32_rdtsc();

        if (after - before < least) {
            least = after - before;
            best = (struct moment){.tsc = before + least / 2, .ns = ns};
        }
    }
    return best;
}

/* Not by /proc/cpuinfo: that is the frequency which the CPU has at the moment, not its counter. */
uint64_t tsc_khz(void)
{
    struct moment first = look(), last;

    do
        last = look();
    while (last.ns - first.ns < SPAN_NS);
    return (last.tsc - first.tsc) * 1000000 / (last.ns - first.ns);
}

bool tsc_is_reliable(void)
{
    char name[32];

    return file_read_text("/sys/devices/system/clocksource/clocksource0/current_clocksource", name,
                          sizeof(name)) > 0 &&
           strcmp(name, "tsc\n") == 0;
}
