/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup/cgroup.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"

/*
 * Write file in whichever of the directories has it: which controller lies in which hierarchy is
 * the kernel's business, and a controller that the host lacks is in none.
 */
static int put(const struct strv *dirs, const char *file, const char *text, struct err *err)
{
    int r;

    for (size_t i = 0; i < dirs->n; i++) {
        cleanup_free char *path = path_join(dirs->v[i], file);

        if (access(path, F_OK) < 0)
            continue;
        if ((r = path_write(AT_FDCWD, path, text, err)) < 0)
            return r;
    }
    return 0;
}

static int put_u64(const struct strv *dirs, const char *file, uint64_t value, struct err *err)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    return put(dirs, file, text, err);
}

uint64_t cgroup_weight_of_shares(uint64_t shares)
{
    shares = MIN(MAX(shares, 2), 262144);
    return 1 + (shares - 2) * 9999 / 262142;
}

static int limit_cpu_time(const struct strv *dirs, const struct oci_resources *r, struct err *err)
{
    uint64_t period = r->cpu.period.set && r->cpu.period.value ? r->cpu.period.value : 100000;
    bool limited = r->cpu.quota.set && r->cpu.quota.value > 0;
    char text[48];
    bool again = false;
    int rc = 0;

    /* v1 checks period and quota against each other at each write: one order fails where the
     * other works. */
    if (r->cpu.period.set && r->cpu.period.value) {
        rc = put_u64(dirs, "cpu.cfs_period_us", period, err);
        again = rc == -EINVAL && r->cpu.quota.set && r->cpu.quota.value;
        if (again)
            rc = 0;
    }
    if (rc == 0 && r->cpu.quota.set && r->cpu.quota.value) {
        snprintf(text, sizeof(text), "%" PRId64, limited ? r->cpu.quota.value : -1);
        rc = put(dirs, "cpu.cfs_quota_us", text, err);
    }
    if (rc == 0 && again)
        rc = put_u64(dirs, "cpu.cfs_period_us", period, err);
    if (rc < 0 || !r->cpu.quota.set)
        return rc;
    if (limited)
        snprintf(text, sizeof(text), "%" PRId64 " %" PRIu64, r->cpu.quota.value, period);
    else
        snprintf(text, sizeof(text), "max %" PRIu64, period);
    return put(dirs, "cpu.max", text, err);
}

static int limit_cpu(const struct strv *dirs, const struct oci_resources *r, struct err *err)
{
    int rc = 0;

    if (r->cpu.shares.set && r->cpu.shares.value) {
        rc = put_u64(dirs, "cpu.shares", r->cpu.shares.value, err);
        if (rc == 0)
            rc = put_u64(dirs, "cpu.weight", cgroup_weight_of_shares(r->cpu.shares.value), err);
    }
    if (rc == 0)
        rc = limit_cpu_time(dirs, r, err);
    if (rc == 0 && r->cpu.cpus && *r->cpu.cpus)
        rc = put(dirs, "cpuset.cpus", r->cpu.cpus, err);
    if (rc == 0 && r->cpu.mems && *r->cpu.mems)
        rc = put(dirs, "cpuset.mems", r->cpu.mems, err);
    return rc;
}

static int limit_memory(const struct strv *dirs, const struct oci_resources *r, uint64_t bytes,
                        struct err *err)
{
    int rc;

    if (!r->memory.limit.set || r->memory.limit.value <= 0 || bytes == 0)
        return 0;
    rc = put_u64(dirs, "memory.limit_in_bytes", bytes, err);
    return rc < 0 ? rc : put_u64(dirs, "memory.max", bytes, err);
}

/* For the host's own pages and sockets of what runs here: a VM's are the guest's. */
static int limit_rest(const struct strv *dirs, const struct oci_resources *r, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < r->n_hugepages && rc == 0; i++) {
        const struct oci_hugepage_limit *h = &r->hugepages[i];
        cleanup_free char *v1 = xasprintf("hugetlb.%s.limit_in_bytes", h->page_size);
        cleanup_free char *v2 = xasprintf("hugetlb.%s.max", h->page_size);

        rc = put_u64(dirs, v1, h->limit, err);
        if (rc == 0)
            rc = put_u64(dirs, v2, h->limit, err);
    }
    if (rc == 0 && r->net_class_id.set && r->net_class_id.value)
        rc = put_u64(dirs, "net_cls.classid", r->net_class_id.value, err);
    for (size_t i = 0; i < r->n_net_priorities && rc == 0; i++) {
        const struct oci_net_priority *p = &r->net_priorities[i];
        cleanup_free char *text = xasprintf("%s %" PRIu32, p->name, p->priority);

        rc = put(dirs, "net_prio.ifpriomap", text, err);
    }
    return rc;
}

int cgroup_limit(const struct strv *dirs, const struct oci_resources *r, uint64_t memory_bytes,
                 struct err *err)
{
    int rc = limit_memory(dirs, r, memory_bytes, err);

    if (rc == 0)
        rc = limit_cpu(dirs, r, err);
    if (rc == 0 && r->block_io.weight.set && r->block_io.weight.value) {
        rc = put_u64(dirs, "blkio.weight", r->block_io.weight.value, err);
        if (rc == 0)
            rc = put_u64(dirs, "io.bfq.weight", r->block_io.weight.value, err);
    }
    return rc < 0 ? rc : limit_rest(dirs, r, err);
}
