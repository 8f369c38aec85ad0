/* SPDX-License-Identifier: Apache-2.0 */
/* What the plug-in claims it can do with a running VM is done. Where a capability is missing,
 * unclaimed.c asks for it all the same. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "kit/internal.h"

static void check_pause(struct kit *k, struct kit_vm *vm)
{
    if (!kit_has(k, HVP_CAP_PAUSE))
        return;
    kit_ok(k, KIT_CALL(k, vm_pause, vm->vm, KIT_OP_MS), "a running VM pauses");
    kit_that(k, kit_state(k, vm->vm) == HVP_VM_PAUSED, "a paused VM says so", "it is %s",
             plugin_state_name(kit_state(k, vm->vm)));
    kit_ok(k, KIT_CALL(k, vm_resume, vm->vm, KIT_OP_MS), "a paused VM resumes");
    kit_that(k, kit_state(k, vm->vm) == HVP_VM_RUNNING, "a resumed VM runs", "it is %s",
             plugin_state_name(kit_state(k, vm->vm)));
}

static void check_stats(struct kit *k, struct kit_vm *vm)
{
    struct hvp_stats st = {.struct_size = sizeof(st)};

    if (!kit_has(k, HVP_CAP_STATS) ||
        !kit_ok(k, KIT_CALL(k, vm_stats, vm->vm, KIT_OP_MS, &st), "statistics are given"))
        return;
    kit_that(k, st.valid != 0, "at least one of them is known", "none is");
    kit_that(k, !(st.valid & HVP_STAT_CPU) || st.cpu_ns > 0, "the VM has used CPU time", "0 ns");
    kit_that(k, !(st.valid & HVP_STAT_MEM) || (st.mem_used > 0 && st.mem_max >= 64 * KIT_MIB),
             "the VM uses memory", "%llu of %llu bytes", (unsigned long long)st.mem_used,
             (unsigned long long)st.mem_max);
}

static void check_pids(struct kit *k, struct kit_vm *vm)
{
    int32_t pids[64];
    char path[40];
    size_t n = 0;

    if (!kit_has(k, HVP_CAP_PIDS) ||
        !kit_ok(k, KIT_CALL(k, vm_pids, vm->vm, pids, ARRAY_SIZE(pids), &n),
                "the VM's processes are told"))
        return;
    kit_that(k, n > 0, "there is at least one", "there is none");
    for (size_t i = 0; i < n && i < ARRAY_SIZE(pids); i++) {
        snprintf(path, sizeof(path), "/proc/%d/stat", pids[i]);
        if (access(path, F_OK) < 0)
            kit_that(k, false, "each of them exists", "process %d does not", pids[i]);
    }
}

static void check_console(struct kit *k, struct kit_vm *vm)
{
    cleanup_fd int fd = -1;

    if (kit_has(k, HVP_CAP_CONSOLE) &&
        kit_ok(k, KIT_CALL(k, console_open, vm->vm, KIT_OP_MS, &fd), "the console opens"))
        kit_that(k, fcntl(fd, F_GETFD) & FD_CLOEXEC, "the console is CLOEXEC", "it is not");
    if (kit_has(k, HVP_CAP_CONSOLE_LOG))
        kit_that(k, access(k->console, R_OK) == 0, "the console's log is written",
                 "there is no '%s'", k->console);
}

/* The guest follows in its own time, and gives memory back only as far as it can spare it. */
static void check_vcpus(struct kit *k, struct kit_vm *vm)
{
    uint64_t end = kit_now_ms() + k->o->boot_ms;
    uint32_t vcpus = 0;
    int r;

    if (!kit_has(k, HVP_CAP_SET_VCPUS))
        return;
    do
        r = KIT_CALL(k, vm_set_vcpus, vm->vm, 2, KIT_OP_MS, &vcpus);
    while (r == 0 && vcpus == 1 && kit_now_ms() < end);
    if (kit_ok(k, r, "a vCPU is added"))
        kit_that(k, vcpus == 2, "the guest uses it", "it has %u", vcpus);
}

/* What the guest has then: all that it is given, something less than it had; 0 = the op has
 * failed. */
static uint64_t set_memory(struct kit *k, struct kit_vm *vm, uint64_t from, uint64_t bytes,
                           const char *what)
{
    uint64_t reached = 0, end = kit_now_ms() + k->o->boot_ms;
    int r;

    do
        r = KIT_CALL(k, vm_set_memory, vm->vm, bytes, KIT_OP_MS, &reached);
    while (r == 0 && (bytes > from ? reached < bytes : reached >= from) && kit_now_ms() < end);
    kit_ok(k, r, what);
    return reached;
}

static void check_memory(struct kit *k, struct kit_vm *vm)
{
    uint64_t more, less;

    if (!kit_has(k, HVP_CAP_SET_MEMORY))
        return;
    more = set_memory(k, vm, 256 * KIT_MIB, 512 * KIT_MIB, "memory is added");
    kit_that(k, more > 256 * KIT_MIB && more <= 512 * KIT_MIB, "the guest uses it",
             "it has %llu bytes", (unsigned long long)more);
    less = set_memory(k, vm, more, 256 * KIT_MIB, "memory is taken back");
    kit_that(k, less < more, "the guest gives it back", "it has %llu bytes of %llu",
             (unsigned long long)less, (unsigned long long)more);
}

struct search {
    const struct kit_vm *vm;
    const char *id;
    char ref[HVP_REF_MAX];
    bool found, right;
};

static int compare(void *ctx, const struct hvp_vm_info *info)
{
    struct search *s = ctx;

    if (strcmp(info->id, s->id) != 0)
        return 0;
    s->found = true;
    s->right =
        strcmp(info->ref, s->ref) == 0 && (!info->uuid[0] || strcmp(info->uuid, s->vm->uuid) == 0);
    return 0;
}

static void check_list(struct kit *k, struct kit_vm *vm, const char *id)
{
    struct search s = {.vm = vm, .id = id};

    /* vmm-external obliges it; a plug-in whose VMM is core's child may have it all the same. */
    if (!k->ops->vm_list)
        return;
    KIT_CALL(k, vm_ref, vm->vm, s.ref, sizeof(s.ref));
    kit_ok(k, KIT_CALL(k, vm_list, k->inst, compare, &s, KIT_OP_MS), "VMs are listed");
    kit_that(k, s.found, "the VM is among them", "it is not");
    kit_that(k, !s.found || s.right, "with its uuid and reference", "with others");
}

/* And back, for the checks after this one. */
static void check_rename(struct kit *k, struct kit_vm *vm)
{
    static const char taken[] = "kit-taken";
    const struct hvp_kv metadata[] = {{"class", "kit"}, {"pod", "a<b"}};

    if (!kit_has(k, HVP_CAP_RENAME) ||
        !kit_ok(k, KIT_CALL(k, vm_rename, vm->vm, taken, metadata, 2, KIT_OP_MS),
                "a VM gets another id"))
        return;
    check_list(k, vm, taken);
    kit_ok(k, KIT_CALL(k, vm_rename, vm->vm, vm->id, NULL, 0, KIT_OP_MS), "and its own again");
}

void kit_check_claims(struct kit *k, struct kit_vm *vm)
{
    k->area = "claims";
    check_pause(k, vm);
    check_stats(k, vm);
    check_pids(k, vm);
    check_console(k, vm);
    check_vcpus(k, vm);
    check_memory(k, vm);
    check_rename(k, vm);
    check_list(k, vm, vm->id);
    kit_that(k, kit_event(k, vm->vm, 0) == 0, "none of it is an event", "there was one");
}
