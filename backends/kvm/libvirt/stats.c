/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include "lv.h"

#define KIB UINT64_C(1024)

static int read_stats(struct lv_call *c)
{
    virDomainMemoryStatStruct all[VIR_DOMAIN_MEMORY_STAT_NR];
    int n;

    if (virDomainGetInfo(c->dom, &c->info) < 0)
        return -1;
    n = virDomainMemoryStats(c->dom, all, VIR_DOMAIN_MEMORY_STAT_NR, 0);
    for (int i = 0; i < n; i++)
        if (all[i].tag == VIR_DOMAIN_MEMORY_STAT_RSS)
            c->resident = all[i].val * KIB;
    return 0;
}

int lv_vm_stats(void *p, uint32_t timeout_ms, struct hvp_stats *st, struct hvp_error *err)
{
    struct lv_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct hvp_stats s = {.struct_size = st->struct_size, .valid = HVP_STAT_CPU};
    struct lv_call *c;
    int r;

    if (lv_attach(vm, &d, err) < 0)
        return err->code;
    c = lv_call_new(vm, read_stats, err);
    if (!c)
        return err->code;
    r = lv_call_run(c, &d, "read the VM's statistics", err);
    if (r == 0) {
        s.cpu_ns = c->info.cpuTime;
        s.valid |= c->resident ? HVP_STAT_MEM : 0;
        s.mem_used = c->resident;
        s.mem_max = c->info.memory * KIB;
        memcpy(st, &s, s.struct_size < sizeof(s) ? s.struct_size : sizeof(s));
    }
    lv_call_free(c);
    return r;
}

int lv_vm_pids(void *p, int32_t *pids, size_t cap, size_t *n, struct hvp_error *err)
{
    struct lv_vm *vm = p;

    if (vm->pid <= 0)
        return hvp_fail(err, ESRCH, "the VM's QEMU is not among the processes that are to be seen");
    if (cap > 0)
        pids[0] = vm->pid;
    *n = 1;
    return 0;
}
