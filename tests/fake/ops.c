/* SPDX-License-Identifier: Apache-2.0 */
/* What a VM tells and hands out: its events, its channel, its figures. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include "common/util.h"
#include "fake.h"
#include "vmm.h"

int fake_event_fd(void *p, int *fd, struct hvp_error *err)
{
    struct vm *vm = p;

    (void)err;
    *fd = vm->epoll_fd;
    return 0;
}

static void describe_end(struct vm *vm, struct hvp_event *ev)
{
    int status = vm->child.status;
    char how[64];

    child_status_text(status, how, sizeof(how));
    ev->status = status;
    if (vm->state == HVP_VM_STOPPED) {
        ev->kind = HVP_EVENT_POWEROFF;
        snprintf(ev->msg, sizeof(ev->msg), "the guest powered off");
    } else if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == VMM_PANIC) {
        ev->kind = HVP_EVENT_PANIC;
        snprintf(ev->msg, sizeof(ev->msg), "the guest's pid 1 died");
    } else {
        ev->kind = status != -1 && WIFSIGNALED(status) ? HVP_EVENT_KILLED : HVP_EVENT_VMM_CRASH;
        snprintf(ev->msg, sizeof(ev->msg), "fake-vmm ended: %s", how);
    }
}

int fake_event_next(void *p, struct hvp_event *ev, struct hvp_error *err)
{
    struct vm *vm = p;
    struct hvp_event e = {.struct_size = ev->struct_size};

    fake_look(vm);
    if (vm->end_told || (vm->state != HVP_VM_STOPPED && vm->state != HVP_VM_CRASHED))
        return hvp_fail(err, EAGAIN, "no event");
    vm->end_told = true;
    epoll_ctl(vm->epoll_fd, EPOLL_CTL_DEL, vm->child.pidfd, NULL); /* no longer readable */
    describe_end(vm, &e);
    memcpy(ev, &e, e.struct_size < sizeof(e) ? e.struct_size : sizeof(e));
    return 0;
}

/* Core owns what it gets; ours stays open, so that the channel can be opened again. */
int fake_agent_open(void *p, uint32_t port, uint32_t timeout_ms, int *ret, struct hvp_error *err)
{
    struct vm *vm = p;
    int fd;

    (void)timeout_ms;
    if (fault_at(&vm->inst->fault, vm->inst->host, "agent_open", err) < 0)
        return err->code;
    if (port != 0 || vm->channel < 0)
        return hvp_fail(err, EINVAL, "there is no channel %u", port);
    fd = fcntl(vm->channel, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return hvp_fail(err, errno, "hand out the agent's channel: %m");
    *ret = fd;
    return 0;
}

int fake_vm_stats(void *p, uint32_t timeout_ms, struct hvp_stats *st, struct hvp_error *err)
{
    struct vm *vm = p;
    struct hvp_stats s = {.struct_size = st->struct_size, .mem_max = vm->memory};

    (void)timeout_ms;
    (void)err;
    if (!child_ended(&vm->child))
        child_stats(&vm->child, &s);
    if (!vm->memory) /* found again: not known, which is not the same as zero */
        s.valid &= ~(uint64_t)HVP_STAT_MEM;
    memcpy(st, &s, s.struct_size < sizeof(s) ? s.struct_size : sizeof(s));
    return 0;
}

int fake_vm_pids(void *p, int32_t *pids, size_t cap, size_t *n, struct hvp_error *err)
{
    struct vm *vm = p;
    size_t there = child_ended(&vm->child) ? 0 : 1;

    (void)err;
    if (there && cap > 0)
        pids[0] = (int32_t)vm->child.pid;
    *n = there;
    return 0;
}

int fake_device_addr(void *p, const char *tag, char *buf, size_t len, struct hvp_error *err)
{
    struct vm *vm = p;

    if (!vm->share_dir[0] || strcmp(tag, vm->share_tag) != 0)
        return hvp_fail(err, ENOENT, "the VM has no device '%.40s'", tag);
    if (vm->inst->share)
        snprintf(buf, len, "%s", vm->inst->share);
    else
        snprintf(buf, len, "dir:%s", vm->share_dir);
    return 0;
}
