/* SPDX-License-Identifier: Apache-2.0 */
/* The whole life of one VM that boots and answers. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"
#include "kit/internal.h"

static bool same_handle(struct kit *k, struct kit_vm *vm, const char *ref)
{
    void *again = NULL;
    uint32_t state = 0;

    if (!kit_ok(k, KIT_CALL(k, vm_reopen, k->inst, ref, KIT_OP_MS, &again),
                "a VM is found by its reference"))
        return false;
    kit_ok(k, KIT_CALL(k, vm_state, again, &state), "a VM that was found has a state");
    kit_that(k, state == kit_state(k, vm->vm), "it is the VM's state", "%u", state);
    kit_step(k, "vm_close");
    k->ops->vm_close(again);
    return true;
}

static void check_reopen(struct kit *k, struct kit_vm *vm)
{
    char ref[HVP_REF_MAX] = "", same[HVP_REF_MAX] = "";
    void *again = NULL;

    if (!kit_ok(k, KIT_CALL(k, vm_ref, vm->vm, ref, sizeof(ref)), "the VM has a reference"))
        return;
    kit_note(k, "reference: %s", ref);
    KIT_CALL(k, vm_ref, vm->vm, same, sizeof(same));
    kit_that(k, strcmp(ref, same) == 0, "its reference is constant", "'%s', then '%s'", ref, same);
    kit_that(k, !strpbrk(ref, "\n\r"), "it is one line", "it is not");
    if (same_handle(k, vm, ref))
        kit_that(k, kit_state(k, vm->vm) == HVP_VM_RUNNING, "closing a handle is not the VM's end",
                 "the VM is %s", plugin_state_name(kit_state(k, vm->vm)));
    kit_refused(k, KIT_CALL(k, vm_reopen, k->inst, "nonsense", KIT_OP_MS, &again),
                "nonsense is no reference");
}

/* Also when nobody has asked for its status yet: that is its parent's affair. */
static bool is_gone(int32_t pid)
{
    char path[64], text[512] = "";
    const char *state;
    cleanup_file FILE *f = NULL;

    if (pid <= 0 || (kill(pid, 0) < 0 && errno == ESRCH))
        return true;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    f = fopen(path, "re");
    state = f && fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
    return !state || strncmp(state, ") Z", 3) == 0;
}

void kit_check_gone(struct kit *k, struct kit_vm *vm, int32_t pid)
{
    char ref[HVP_REF_MAX];
    void *again = NULL;

    kit_that(k, is_gone(pid), "the VMM's process is gone", "process %d is there", pid);
    if (KIT_CALL(k, vm_ref, vm->vm, ref, sizeof(ref)) == 0)
        kit_errno(k, KIT_CALL(k, vm_reopen, k->inst, ref, KIT_OP_MS, &again), ENOENT,
                  "a VM that is gone is not found");
}

/* The stream of a closed channel is the VMM's to forget: a second one must work as well. */
static void check_channels(struct kit *k, struct kit_vm *vm)
{
    int fd = -1;

    kit_hello(k, vm->vm);
    kit_refused(k, KIT_CALL(k, agent_open, vm->vm, 99, KIT_OP_MS, &fd), "there is no channel 99");
    kit_that(k, fd == -1, "a failing agent_open writes no descriptor", "it did");
}

static void check_running(struct kit *k, struct kit_vm *vm)
{
    kit_that(k, kit_state(k, vm->vm) == HVP_VM_RUNNING, "a started VM runs", "it is %s",
             plugin_state_name(kit_state(k, vm->vm)));
    kit_refused(k, KIT_CALL(k, vm_start, vm->vm, KIT_OP_MS), "a running VM does not start again");
    kit_check_cloexec(k);
    check_channels(k, vm);
    check_reopen(k, vm);
    if (kit_wants(k, "claims"))
        kit_check_claims(k, vm);
    if (kit_wants(k, "devices"))
        kit_check_devices(k, vm);
    if (kit_wants(k, "claims"))
        kit_check_unclaimed(k, vm);
    if (kit_wants(k, "template")) /* the last one: a saved template does not run on */
        kit_check_template(k, vm);
}

/* The last op of a living VM: whether the guest listens is its own affair. */
static void check_stop(struct kit *k, struct kit_vm *vm)
{
    uint64_t start = kit_now_ms();
    int r;

    k->area = "claims";
    if (!kit_has(k, HVP_CAP_STOP) || kit_state(k, vm->vm) != HVP_VM_RUNNING)
        return;
    r = KIT_CALL(k, vm_stop, vm->vm, 500);
    kit_that(k, r == 0 || r == -ETIMEDOUT, "vm_stop ends the VM or tells that it is still up",
             "%d (%s): %s", r, strerror(-r), k->err.msg);
    kit_that(k, kit_now_ms() - start < 500 + KIT_SOON_MS, "vm_stop keeps to its time-out",
             "%llu ms", (unsigned long long)(kit_now_ms() - start));
    if (r == 0)
        kit_that(k, kit_state(k, vm->vm) == HVP_VM_STOPPED, "a VM that was stopped says so", "%s",
                 plugin_state_name(kit_state(k, vm->vm)));
    while (kit_event(k, vm->vm, 0))
        ;
}

/* As `anyvisor run` does for a VM whose monitor has died. */
static int destroy_without_signals(struct kit *k, struct kit_vm *vm)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    r = KIT_CALL(k, vm_destroy, vm->vm, KIT_OP_MS);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return r;
}

static void check_end(struct kit *k, struct kit_vm *vm)
{
    int32_t pid = kit_pid(k, vm->vm);

    check_stop(k, vm);
    k->area = "life";
    kit_ok(k, destroy_without_signals(k, vm),
           "the VM is destroyed, by who has blocked all signals");
    kit_ok(k, KIT_CALL(k, vm_destroy, vm->vm, KIT_OP_MS), "it may be destroyed again");
    kit_that(k, kit_state(k, vm->vm) == HVP_VM_STOPPED, "a destroyed VM is stopped", "it is %s",
             plugin_state_name(kit_state(k, vm->vm)));
    kit_that(k, kit_event(k, vm->vm, 0) == 0, "what destroying causes is no event",
             "there was one");
    kit_refused(k, KIT_CALL(k, vm_start, vm->vm, KIT_OP_MS), "a destroyed VM does not start");
    kit_check_gone(k, vm, pid);
    kit_step(k, "vm_close");
    k->ops->vm_close(vm->vm);
    kit_check_files(k, vm);
}

void kit_check_life(struct kit *k)
{
    struct kit_mark before;
    struct kit_vm vm;

    k->area = "life";
    kit_mark(&before);
    if (!kit_make_template(k, &vm, "a VM is created"))
        return;
    if (kit_has(k, HVP_CAP_NIC_FD) && !vm.has_nic)
        kit_skip(k, "NICs", "no tap can be made here");
    kit_that(k, kit_state(k, vm.vm) == HVP_VM_CREATED, "a new VM has not started", "it is %s",
             plugin_state_name(kit_state(k, vm.vm)));
    if (kit_ok(k, KIT_CALL(k, vm_start, vm.vm, KIT_OP_MS), "the VM starts") && kit_hello(k, vm.vm))
        check_running(k, &vm);
    check_end(k, &vm);
    kit_check_mark(k, &before, "the life of a VM");
}
