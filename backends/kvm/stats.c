/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "kvm.h"

int kvm_vm_stats(void *p, uint32_t timeout_ms, struct hvp_stats *st, struct hvp_error *err)
{
    struct kvm_vm *vm = p;
    struct hvp_stats s = {.struct_size = st->struct_size};

    (void)timeout_ms;
    (void)err;
    if (!child_ended(&vm->child))
        child_stats(&vm->child, &s);
    s.mem_max = vm->memory + vm->memory_more;
    if (!vm->memory)
        s.valid &= ~(uint64_t)HVP_STAT_MEM;
    memcpy(st, &s, s.struct_size < sizeof(s) ? s.struct_size : sizeof(s));
    return 0;
}

int kvm_vm_pids(void *p, int32_t *pids, size_t cap, size_t *n, struct hvp_error *err)
{
    struct kvm_vm *vm = p;
    size_t there = child_ended(&vm->child) ? 0 : 1;

    (void)err;
    if (there && cap > 0)
        pids[0] = (int32_t)vm->child.pid;
    *n = there;
    return 0;
}
