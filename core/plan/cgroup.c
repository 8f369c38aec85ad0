/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `linux.resources` (words of cgroup v1) -> files of the guest's cgroup v2, converted as runc does.
 * Limits on hardware that only the host has are left out with a warning.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "plan/internal.h"

#define PERIOD_DEFAULT 100000

struct job {
    const struct oci_resources *r;
    const struct plan_input *in;
    struct plan_cgroup *c;
    struct strv *warnings;
    struct err *err;
};

PRINTF_LIKE(3, 4) static void put(struct job *j, const char *file, const char *fmt, ...)
{
    struct plan_pair *p = APPEND(j->c->files, j->c->n_files);
    va_list ap;

    va_start(ap, fmt);
    p->key = xstrdup(file);
    if (vasprintf(&p->value, fmt, ap) < 0)
        abort();
    va_end(ap);
}

/* 0 means "not set" everywhere in v1's words, -1 means no limit. */
static void put_limit(struct job *j, const char *file, int64_t value)
{
    if (value < 0)
        put(j, file, "max");
    else if (value > 0)
        put(j, file, "%" PRId64, value);
}

static int fail(struct job *j, const char *key, const char *why)
{
    return err_set_phase(j->err, PHASE_CONFIG, EINVAL, "linux.resources.%s: %s", key, why);
}

/* v1 limits memory and swap together, v2 each by itself. */
static int put_swap(struct job *j, int64_t limit, int64_t swap)
{
    if (limit < 0 && swap == 0)
        swap = -1;
    if (swap <= 0) {
        put_limit(j, "memory.swap.max", swap);
        return 0;
    }
    if (limit <= 0)
        return fail(j, "memory.swap", "a swap limit needs a memory limit");
    if (swap < limit)
        return fail(j, "memory.swap", "memory and swap together are less than memory");
    put(j, "memory.swap.max", "%" PRId64, swap - limit);
    return 0;
}

static int put_memory(struct job *j)
{
    int64_t limit = j->r->memory.limit.value;
    int r;

    if ((r = put_swap(j, limit, j->r->memory.swap.value)) < 0)
        return r;
    put_limit(j, "memory.max", limit);
    put_limit(j, "memory.low", j->r->memory.reservation.value);
    if (j->r->memory.disable_oom_killer)
        strv_add(j->warnings,
                 "linux.resources.memory.disableOOMKiller: cgroup v2 cannot, ignoring");
    return 0;
}

static uint64_t weight_of_shares(uint64_t shares)
{
    shares = MIN(MAX(shares, UINT64_C(2)), UINT64_C(262144));
    return 1 + ((shares - 2) * 9999) / 262142;
}

static void put_quota(struct job *j)
{
    int64_t quota = j->r->cpu.quota.value;
    uint64_t period = j->r->cpu.period.value;

    if (quota == 0 && period == 0)
        return;
    if (period == 0)
        period = PERIOD_DEFAULT;
    if (quota > 0)
        put(j, "cpu.max", "%" PRId64 " %" PRIu64, quota, period);
    else
        put(j, "cpu.max", "max %" PRIu64, period);
}

/* "0-2,5": every number below limit (0 = any). -EINVAL: not such a list; -ERANGE: beyond. */
static int check_list(const char *list, uint64_t limit)
{
    while (*list) {
        char *end;
        unsigned long long first, last;

        if (!isdigit((unsigned char)*list))
            return -EINVAL;
        first = last = strtoull(list, &end, 10);
        if (*end == '-') {
            if (!isdigit((unsigned char)end[1]))
                return -EINVAL;
            last = strtoull(end + 1, &end, 10);
        }
        if (last < first || (*end && (*end != ',' || !end[1])))
            return -EINVAL;
        if (limit > 0 && last >= limit)
            return -ERANGE;
        list = *end ? end + 1 : end;
    }
    return 0;
}

/* The host's processors are not the guest's: a list beyond them pins nothing here. */
static int put_set(struct job *j, const char *key, const char *file, const char *list,
                   uint64_t limit)
{
    int r;

    if (!list || !*list)
        return 0;
    if ((r = check_list(list, limit)) == -EINVAL)
        return fail(j, key, "expected a list such as '0-2,5'");
    if (r == 0)
        put(j, file, "%s", list);
    else
        strv_addf(j->warnings,
                  "linux.resources.%s: '%s' is beyond what the VM has (%" PRIu64 "), ignoring", key,
                  list, limit);
    return 0;
}

static int put_cpu(struct job *j)
{
    int r;

    if (j->r->cpu.shares.value != 0)
        put(j, "cpu.weight", "%" PRIu64, weight_of_shares(j->r->cpu.shares.value));
    put_quota(j);
    if (j->r->cpu.burst.set)
        put(j, "cpu.max.burst", "%" PRIu64, j->r->cpu.burst.value);
    if (j->r->cpu.idle.set)
        put(j, "cpu.idle", "%" PRId64, j->r->cpu.idle.value);
    if (j->r->cpu.realtime_runtime.value != 0 || j->r->cpu.realtime_period.value != 0)
        strv_add(j->warnings, "linux.resources.cpu: cgroup v2 has no realtime limits, ignoring");
    if ((r = put_set(j, "cpu.cpus", "cpuset.cpus", j->r->cpu.cpus, j->in->vcpus)) < 0)
        return r;
    return put_set(j, "cpu.mems", "cpuset.mems", j->r->cpu.mems, 1);
}

static int put_io(struct job *j)
{
    uint64_t weight = j->r->block_io.weight.value;
    size_t dropped = j->r->block_io.n_weight_devices;

    if (weight != 0 && (weight < 10 || weight > 1000))
        return fail(j, "blockIO.weight", "expected a number from 10 to 1000");
    if (weight != 0)
        put(j, "io.weight", "%" PRIu64, 1 + (weight - 10) * 9999 / 990);
    for (size_t i = 0; i < OCI_THROTTLE_KINDS; i++)
        dropped += j->r->block_io.throttle[i].n;
    if (dropped > 0)
        strv_addf(j->warnings,
                  "linux.resources.blockIO: %zu limits on disks of the host, which the VM does not "
                  "see, ignoring",
                  dropped);
    return 0;
}

/* A limit of 0 is kept by having none: containerd writes one for each page size of the host. */
static void note_absent_hardware(struct job *j)
{
    bool huge = false;

    for (size_t i = 0; i < j->r->n_hugepages; i++)
        huge |= j->r->hugepages[i].limit > 0;
    if (huge)
        strv_add(j->warnings, "linux.resources.hugepageLimits: the VM has no huge pages, ignoring");
    if (j->r->net_class_id.value != 0 || j->r->n_net_priorities > 0)
        strv_add(j->warnings, "linux.resources.network: cgroup v2 cannot, ignoring");
    if (j->r->n_rdma > 0)
        strv_add(j->warnings, "linux.resources.rdma: the VM has no such device, ignoring");
}

/* The agent's own handles: with them a bundle could move processes between containers. */
static const char *const reserved_files[] = {
    "cgroup.procs", "cgroup.threads",         "cgroup.type",
    "cgroup.kill",  "cgroup.subtree_control", "cgroup.freeze",
};

static int put_unified(struct job *j, const struct kv *u)
{
    bool bad = !strchr(u->key, '.') || strchr(u->key, '/') || u->key[0] == '.';

    for (size_t i = 0; i < ARRAY_SIZE(reserved_files); i++)
        bad |= strcmp(reserved_files[i], u->key) == 0;
    if (bad)
        return err_set_phase(j->err, PHASE_CONFIG, EINVAL,
                             "linux.resources.unified: '%s' is not a file that a container may set",
                             u->key);
    put(j, u->key, "%s", u->value);
    return 0;
}

static int put_all(struct job *j)
{
    int r;

    if ((r = put_memory(j)) < 0 || (r = put_cpu(j)) < 0 || (r = put_io(j)) < 0)
        return r;
    put_limit(j, "pids.max", j->r->pids_limit.value);
    note_absent_hardware(j);
    for (size_t i = 0; i < j->r->unified.n; i++)
        if ((r = put_unified(j, &j->r->unified.v[i])) < 0)
            return r;
    return 0;
}

int plan_cgroup_build(const struct oci_resources *res, const struct plan_input *in,
                      struct plan_cgroup *ret, struct strv *warnings, struct err *err)
{
    struct strv ignored = {0};
    struct plan_cgroup c = {0};
    struct job j = {res, in, &c, warnings ? warnings : &ignored, err};
    int r = put_all(&j);

    strv_done(&ignored);
    if (r < 0) {
        plan_cgroup_done(&c);
        return r;
    }
    *ret = c;
    return 0;
}
