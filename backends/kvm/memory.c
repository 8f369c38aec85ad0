/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"
#include <errno.h>
#include <inttypes.h>
#include "common/util.h"

/* Linux has no use for less than a whole one of its blocks. */
#define BLOCK (UINT64_C(128) << 20)
#define MIB (UINT64_C(1) << 20)
#define SPARE_MS 3000u

static uint64_t round_up(uint64_t n, uint64_t unit)
{
    return (n + unit - 1) / unit * unit;
}

bool memory_grows(const struct hvp_vm_spec *s)
{
    return s->memory_max > s->memory;
}

uint64_t memory_room(const struct hvp_vm_spec *s)
{
    return memory_grows(s) ? round_up(s->memory_max - s->memory, BLOCK) : 0;
}

int memory_check(uint64_t start, uint64_t max, uint64_t bytes, struct hvp_error *err)
{
    if (max == 0)
        return hvp_fail(err, ENOTSUP, "the VM was found again, and how far it can grow is unknown");
    if (max == start)
        return hvp_fail(err, ENOTSUP, "the VM was made without room for more memory");
    if (bytes < start || bytes > max)
        return hvp_fail(err, ERANGE,
                        "%" PRIu64 " MiB of memory: the VM can have %" PRIu64 " to %" PRIu64 " MiB",
                        bytes / MIB, start / MIB, max / MIB);
    return 0;
}

int vcpus_check(uint32_t start, uint32_t max, uint32_t vcpus, struct hvp_error *err)
{
    if (max == 0)
        return hvp_fail(err, ENOTSUP, "the VM was found again, and how far it can grow is unknown");
    if (max == start)
        return hvp_fail(err, ENOTSUP, "the VM was made without room for more vCPUs");
    if (vcpus < start || vcpus > max)
        return hvp_fail(err, ERANGE, "%u vCPUs: the VM can have %u to %u", vcpus, start, max);
    return 0;
}

void memory_limit_patience(struct deadline *d)
{
    struct deadline soon = deadline_start(NULL, SPARE_MS);

    if (soon.end_ns < d->end_ns)
        d->end_ns = soon.end_ns;
}

uint64_t memory_more(uint64_t start, uint64_t bytes)
{
    return round_up(bytes - start, MEMORY_STEP);
}
