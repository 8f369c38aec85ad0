/* SPDX-License-Identifier: Apache-2.0 */
#include "memory.h"

/* Linux has no use for less than a whole one of its blocks. */
#define BLOCK (UINT64_C(128) << 20)

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

uint64_t memory_more(uint64_t start, uint64_t bytes)
{
    return round_up(bytes - start, MEMORY_STEP);
}
