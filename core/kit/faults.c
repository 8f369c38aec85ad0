/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong outside of the plug-in: it is told to give up, has no time, its VMM is killed or
 * hangs, the guest panics. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "base/cleanup.h"
#include "kit/internal.h"

#define HUNG_MS 1000u

/* An op that was told to give up may have been done already. */
static void gave_up(struct kit *k, int r, int code, uint64_t start, uint32_t limit,
                    const char *what)
{
    uint64_t took = kit_now_ms() - start;

    kit_that(k, r == 0 || r == -code, what, "%s returned %d (%s: %s); 0 or -%d (%s) was due",
             k->shared->step, r, strerror(r < 0 ? -r : 0), k->err.msg, code, strerror(code));
    kit_that(k, took <= limit + KIT_SOON_MS, "it gives up soon", "%s took %llu ms", k->shared->step,
             (unsigned long long)took);
}

static void check_cancelled_create(struct kit *k)
{
    const struct kit_vm_wish wish = {.no_nic = true};
    struct kit_mark before;
    struct kit_vm vm;
    uint64_t start;
    int r;

    kit_mark(&before);
    kit_cancel_after(k, 0);
    start = kit_now_ms();
    r = kit_build(k, &wish, &vm);
    gave_up(k, r, ECANCELED, start, 0, "vm_create can be cancelled");
    kit_cancel_clear(k);
    if (r == 0)
        kit_drop(k, &vm);
    kit_check_mark(k, &before, "a cancelled vm_create");
}

static void check_no_time(struct kit *k)
{
    const struct kit_vm_wish wish = {.no_nic = true, .try_once = true};
    struct kit_mark before;
    struct kit_vm vm;
    uint64_t start = kit_now_ms();
    int r;

    kit_mark(&before);
    r = kit_build(k, &wish, &vm);
    gave_up(k, r, ETIMEDOUT, start, 0, "vm_create keeps to its time-out");
    if (r == 0)
        kit_drop(k, &vm);
    kit_check_mark(k, &before, "a vm_create that had no time");
}

/* On a VM that was never started nobody answers: agent_open connects, or waits until told. */
static void check_cancelled_open(struct kit *k, struct kit_vm *vm)
{
    uint64_t start = kit_now_ms();
    int fd = -1, r;

    kit_cancel_after(k, 300);
    r = KIT_CALL(k, agent_open, vm->vm, 0, HVP_NO_TIMEOUT, &fd);
    gave_up(k, r, ECANCELED, start, 300, "agent_open can be cancelled");
    kit_cancel_clear(k);
    close_fd(&fd);
    start = kit_now_ms();
    r = KIT_CALL(k, agent_open, vm->vm, 0, 100, &fd);
    gave_up(k, r, ETIMEDOUT, start, 100, "agent_open keeps to its time-out");
    close_fd(&fd);
}

static void check_killed(struct kit *k, struct kit_vm *vm, int32_t pid)
{
    kill(pid, SIGKILL);
    kit_that(k, kit_event(k, vm->vm, KIT_OP_MS) == HVP_EVENT_KILLED,
             "a VMM that is killed is an event", "there was none, or another one");
    kit_that(k, kit_event(k, vm->vm, 0) == 0, "the end of a VM is told once", "there was another");
    kit_that(k, kit_state(k, vm->vm) == HVP_VM_CRASHED, "its VM has crashed", "it is %s",
             plugin_state_name(kit_state(k, vm->vm)));
    kit_refused(k, KIT_CALL(k, vm_start, vm->vm, KIT_OP_MS), "a dead VM does not start");
}

static void check_before_start(struct kit *k)
{
    struct kit_mark before;
    struct kit_vm vm;
    int32_t pid;

    kit_mark(&before);
    if (!kit_make(k, &vm, "a VM to be killed is created"))
        return;
    check_cancelled_open(k, &vm);
    pid = kit_pid(k, vm.vm);
    if (pid > 0 && kit_has(k, HVP_CAP_VMM_CHILD))
        check_killed(k, &vm, pid);
    kit_ok(k, KIT_CALL(k, vm_destroy, vm.vm, KIT_OP_MS), "a dead VM is destroyed");
    kit_check_gone(k, &vm, pid);
    k->ops->vm_close(vm.vm);
    kit_check_mark(k, &before, "a killed VM");
}

/* The VMM does not answer; whoever waits for it without a limit waits for ever. One that is not our
 * child may be the VMM of others, too. */
static void check_hung(struct kit *k)
{
    struct kit_mark before;
    struct kit_vm vm;
    uint64_t start;
    int32_t pid;
    int r;

    if (!kit_has(k, HVP_CAP_VMM_CHILD)) {
        kit_skip(k, "a VMM that hangs", "it is not our child");
        return;
    }
    kit_mark(&before);
    if (!kit_make(k, &vm, "a VM to be hung is created"))
        return;
    pid = kit_pid(k, vm.vm);
    if (pid > 0) {
        kill(pid, SIGSTOP);
        start = kit_now_ms();
        r = KIT_CALL(k, vm_start, vm.vm, HUNG_MS);
        gave_up(k, r, ETIMEDOUT, start, HUNG_MS, "vm_start does not wait for a VMM that hangs");
    }
    kit_ok(k, KIT_CALL(k, vm_destroy, vm.vm, KIT_OP_MS), "a VM whose VMM hangs is destroyed");
    kit_check_gone(k, &vm, pid);
    k->ops->vm_close(vm.vm);
    kit_check_mark(k, &before, "a hung VM");
}

/* Only where there is a kernel that could panic. */
static void check_panic(struct kit *k)
{
    const struct kit_vm_wish wish = {.cmdline = KIT_CMDLINE " rdinit=/none root=/dev/none",
                                     .no_nic = true};
    struct kit_vm vm;

    if (k->kernel_less || !kit_ok(k, kit_build(k, &wish, &vm), "a VM without init is created"))
        return;
    if (kit_ok(k, KIT_CALL(k, vm_start, vm.vm, KIT_OP_MS), "it starts"))
        kit_that(k, kit_event(k, vm.vm, k->o->boot_ms) == HVP_EVENT_PANIC,
                 "its kernel's panic is an event", "there was none, or another one");
    kit_that(k, kit_state(k, vm.vm) == HVP_VM_CRASHED, "a VM that panicked has crashed", "it is %s",
             plugin_state_name(kit_state(k, vm.vm)));
    if (kit_has(k, HVP_CAP_CONSOLE_LOG))
        kit_that(k, kit_console_says(k), "the console's log has the kernel's words", "it is empty");
    kit_ok(k, KIT_CALL(k, vm_destroy, vm.vm, KIT_OP_MS), "a VM that panicked is destroyed");
    kit_that(k, kit_event(k, vm.vm, 0) == 0, "its end is told once", "there was another event");
    k->ops->vm_close(vm.vm);
}

void kit_check_faults(struct kit *k)
{
    k->area = "faults";
    check_cancelled_create(k);
    check_no_time(k);
    check_before_start(k);
    check_hung(k);
    check_panic(k);
}
