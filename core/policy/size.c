/* SPDX-License-Identifier: Apache-2.0 */
/* How large the VM is. Sentences say where each number comes from. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "policy/internal.h"

#define VCPUS_AUTO_MAX 4 /* without a quota: enough for most, cheap to boot */
#define VCPUS_MAX 1024

static uint64_t round_up_mib(uint64_t bytes)
{
    return bytes > UINT64_MAX - MIB ? UINT64_MAX - UINT64_MAX % MIB : (bytes + MIB - 1) / MIB * MIB;
}

/* A kernel keeps 64 bytes of its own for each page of 4 KiB. */
static uint64_t page_structs(uint64_t limit)
{
    return limit / 64;
}

uint64_t policy_vm_memory(uint64_t limit, uint64_t overhead)
{
    uint64_t sum;

    if (limit == 0)
        return POLICY_MEMORY_DEFAULT;
    if (__builtin_add_overflow(limit, overhead, &sum) ||
        __builtin_add_overflow(sum, page_structs(limit), &sum))
        sum = UINT64_MAX;
    return round_up_mib(MAX(sum, POLICY_MEMORY_MIN));
}

uint32_t policy_vm_vcpus(uint64_t quota, uint64_t period, uint32_t host_cpus)
{
    uint64_t host = MAX(host_cpus, 1u), n;

    if (quota == 0 || period == 0)
        return (uint32_t)MIN(host, (uint64_t)VCPUS_AUTO_MAX);
    n = quota / period + (quota % period != 0);
    return (uint32_t)MIN(MAX(n, UINT64_C(1)), host);
}

static int apply_wishes(const struct decision *d, struct vm_wish *wish, struct err *err)
{
    const char *memory = kvs_get(&d->granted, POLICY_ANNOTATION_MEMORY);
    const char *vcpus = kvs_get(&d->granted, POLICY_ANNOTATION_VCPUS);

    if (memory) {
        if (str_to_size(memory, &wish->memory) < 0 || wish->memory < POLICY_MEMORY_MIN)
            return err_set_phase(err, PHASE_POLICY, EINVAL,
                                 "annotation %s: expected a size of at least 128MiB, not '%s'",
                                 POLICY_ANNOTATION_MEMORY, memory);
        wish->memory_by = "the workload's annotation";
    }
    if (vcpus) {
        if (str_to_u64(vcpus, 1, VCPUS_MAX, &wish->vcpus) < 0)
            return err_set_phase(err, PHASE_POLICY, EINVAL,
                                 "annotation %s: expected a number from 1 to %d, not '%s'",
                                 POLICY_ANNOTATION_VCPUS, VCPUS_MAX, vcpus);
        wish->vcpus_by = "the workload's annotation";
    }
    return 0;
}

static void take(uint64_t value, const char *by, uint64_t *ret, const char **ret_by)
{
    if (value == CONFIG_UNSET)
        return;
    *ret = value;
    *ret_by = by;
}

static void set_memory(const struct workload *w, const struct vm_wish *wish, struct decision *d)
{
    if (wish->memory != CONFIG_AUTO) {
        d->size.memory = round_up_mib(wish->memory);
        d->size.memory_why = xasprintf("set by %s", wish->memory_by);
        return;
    }
    d->size.memory = policy_vm_memory(w->memory_limit, wish->overhead);
    if (w->memory_limit == 0)
        d->size.memory_why = xstrdup("the workload has no memory limit");
    else if (d->size.memory == POLICY_MEMORY_MIN)
        d->size.memory_why = xstrdup("the least that boots a guest");
    else
        d->size.memory_why = xasprintf(
            "limit %" PRIu64 " MiB + overhead %" PRIu64 " MiB + page structs %" PRIu64 " MiB",
            round_up_mib(w->memory_limit) / MIB, round_up_mib(wish->overhead) / MIB,
            round_up_mib(page_structs(w->memory_limit)) / MIB);
}

/* A VM that is given more than it may grow to keeps that. */
static void set_memory_max(const struct vm_wish *wish, struct decision *d)
{
    uint64_t max = round_up_mib(wish->memory_max);

    d->size.memory_max = MAX(max, d->size.memory);
    if (max > d->size.memory)
        d->size.memory_max_why = xasprintf("set by %s", wish->memory_max_by);
}

static void set_vcpus(const struct workload *w, const struct vm_wish *wish, uint32_t host_cpus,
                      struct decision *d)
{
    if (wish->vcpus != CONFIG_AUTO) {
        d->size.vcpus = (uint32_t)wish->vcpus;
        d->size.vcpus_why = xasprintf("set by %s", wish->vcpus_by);
        return;
    }
    d->size.vcpus = policy_vm_vcpus(w->cpu_quota, w->cpu_period, host_cpus);
    d->size.vcpus_auto = true;
    if (w->cpu_quota)
        d->size.vcpus_why = xasprintf("quota %" PRIu64 " of period %" PRIu64 ", host has %u",
                                      w->cpu_quota, w->cpu_period, host_cpus);
    else
        d->size.vcpus_why = xasprintf("no quota, host has %u", host_cpus);
}

static void set_vcpus_max(const struct vm_wish *wish, struct decision *d)
{
    d->size.vcpus_max = MAX((uint32_t)wish->vcpus_max, d->size.vcpus);
    if (wish->vcpus_max > d->size.vcpus)
        d->size.vcpus_max_why = xasprintf("set by %s", wish->vcpus_max_by);
}

int policy_size(const struct config *config, const struct config_class *cls,
                const struct workload *w, uint32_t host_cpus, struct decision *d, struct err *err)
{
    struct vm_wish wish = {.vcpus = config->vm.vcpus,
                           .memory = config->vm.memory,
                           .overhead = config->vm.memory_overhead,
                           .vcpus_max = config->vm.vcpus_max,
                           .memory_max = config->vm.memory_max,
                           .vcpus_by = "defaults",
                           .memory_by = "defaults",
                           .vcpus_max_by = "defaults",
                           .memory_max_by = "defaults"};
    cleanup_free char *by = cls ? xasprintf("class '%s'", cls->name) : NULL;
    const char *ignored;
    int r;

    if (cls) {
        take(cls->vm.vcpus, by, &wish.vcpus, &wish.vcpus_by);
        take(cls->vm.vcpus_max, by, &wish.vcpus_max, &wish.vcpus_max_by);
        take(cls->vm.memory, by, &wish.memory, &wish.memory_by);
        take(cls->vm.memory_max, by, &wish.memory_max, &wish.memory_max_by);
        take(cls->vm.memory_overhead, by, &wish.overhead, &ignored);
    }
    if ((r = apply_wishes(d, &wish, err)) < 0)
        return r;
    d->size.overhead = wish.overhead;
    set_memory(w, &wish, d);
    set_memory_max(&wish, d);
    set_vcpus(w, &wish, host_cpus, d);
    set_vcpus_max(&wish, d);
    return 0;
}
