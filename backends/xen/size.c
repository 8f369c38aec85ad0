/* SPDX-License-Identifier: Apache-2.0 */
/*
 * More and fewer vCPUs, more and less memory.  Xen only tells the guest what it may have: its
 * kernel takes it or gives it back in its own time, and nobody tells when it has.
 */
#include <errno.h>
#include <inttypes.h>
#include "common/util.h"
#include "domain.h"

#define KIB UINT64_C(1024)
#define FOLLOW_MS 5000u /* then it is told what has been reached */
#define LOOK_MS 50u
/* What a domain has beside its memory counts with it: pages of Xen's own, 16 of them with PVH. */
#define BESIDE (1024 * KIB)

static uint32_t vcpus_online(struct xen_vm *vm)
{
    int n = 0, n_cpus = 0;
    libxl_vcpuinfo *v = libxl_list_vcpu(vm->loop.ctx, vm->domid, &n, &n_cpus);
    uint32_t online = 0;

    for (int i = 0; v && i < n; i++)
        online += v[i].online;
    libxl_vcpuinfo_list_free(v, v ? n : 0);
    return online;
}

static uint64_t memory_now(struct xen_vm *vm)
{
    libxl_dominfo info;
    uint64_t bytes;

    if (!xen_domain_exists(vm, &info))
        return 0;
    bytes = info.current_memkb * KIB;
    libxl_dominfo_dispose(&info);
    return bytes;
}

static uint64_t count(struct xen_vm *vm, bool memory)
{
    return memory ? memory_now(vm) : vcpus_online(vm);
}

static bool is_near(bool memory, uint64_t now, uint64_t want)
{
    return now == want || (memory && now < want + BESIDE && now + BESIDE > want);
}

/* What the guest has when it has what it shall, or when there is no more time for it. */
static int follow(struct xen_vm *vm, bool memory, uint64_t want, const struct deadline *d,
                  uint64_t *reached, struct hvp_error *err)
{
    const struct hvp_host *host = vm->inst->host;
    struct deadline end = deadline_start(host, FOLLOW_MS);
    uint64_t now;

    end.end_ns = d->end_ns < end.end_ns ? d->end_ns : end.end_ns;
    while (!is_near(memory, now = count(vm, memory), want) && deadline_left_ms(&end) != 0) {
        struct deadline look = deadline_start(host, LOOK_MS);

        if (deadline_poll(&look, NULL, 0) == -ECANCELED)
            return hvp_fail(err, ECANCELED, "change the size of the domain: cancelled");
    }
    if (now == 0)
        return hvp_fail(err, ESRCH, "the VM has ended");
    *reached = is_near(memory, now, want) ? want : now;
    return 0;
}

int xen_vm_set_vcpus(void *p, uint32_t vcpus, uint32_t timeout_ms, uint32_t *reached,
                     struct hvp_error *err)
{
    struct xen_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    libxl_asyncop_how how;
    libxl_bitmap map;
    uint64_t now = 0;
    int r;

    if (vcpus < 1 || vcpus > vm->vcpus_max)
        return hvp_fail(err, ERANGE, "%u vCPUs: the domain can have 1 to %u", vcpus, vm->vcpus_max);
    r = domain_vcpus(vm, vcpus, &map, err);
    if (r == 0) {
        loop_begin(&vm->loop, &how);
        r = libxl_set_vcpuonline(vm->loop.ctx, vm->domid, &map, &how);
        r = loop_finish(&vm->loop, &how, r, &d, "change the domain's vCPUs", err);
    }
    libxl_bitmap_dispose(&map);
    if (r == 0)
        r = follow(vm, false, vcpus, &d, &now, err);
    if (r == 0)
        *reached = (uint32_t)now;
    return r;
}

int xen_vm_set_memory(void *p, uint64_t bytes, uint32_t timeout_ms, uint64_t *reached,
                      struct hvp_error *err)
{
    struct xen_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    int r;

    if (bytes == 0 || bytes > vm->memory_max)
        return hvp_fail(err, ERANGE, "%" PRIu64 " bytes: the domain can have %" PRIu64, bytes,
                        vm->memory_max);
    vm->loop.log.said[0] = '\0';
    r = libxl_set_memory_target(vm->loop.ctx, vm->domid, (int64_t)(bytes / KIB), 0, 1);
    if (r)
        return loop_fail(&vm->loop, r, "change the domain's memory", err);
    return follow(vm, true, bytes, &d, reached, err);
}
