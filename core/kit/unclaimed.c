/* SPDX-License-Identifier: Apache-2.0 */
/* What the plug-in does not claim must not be there, or refuse: a success that nothing stands
 * behind is the worst that a plug-in can do. */
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "kit/internal.h"

#define TRY(name, op, ...)                                                                         \
    static int try_##name(struct kit *k, void *vm)                                                 \
    {                                                                                              \
        char text[HVP_REF_MAX] = "";                                                               \
        struct hvp_stats stats = {.struct_size = sizeof(stats)};                                   \
        uint64_t size = 0;                                                                         \
        uint32_t n = 0;                                                                            \
        size_t count = 0;                                                                          \
        int32_t pid = 0;                                                                           \
                                                                                                   \
        (void)vm, (void)text, (void)stats, (void)size, (void)n, (void)count, (void)pid;            \
        return KIT_CALL(k, op, __VA_ARGS__);                                                       \
    }

TRY(stop, vm_stop, vm, 500)
TRY(pause, vm_pause, vm, KIT_OP_MS)
TRY(vcpus, vm_set_vcpus, vm, 1, KIT_OP_MS, &n)
TRY(memory, vm_set_memory, vm, 256 * KIT_MIB, KIT_OP_MS, &size)
TRY(stats, vm_stats, vm, KIT_OP_MS, &stats)
TRY(pids, vm_pids, vm, &pid, 1, &count)
TRY(addr, device_addr, vm, "share", text, sizeof(text))
TRY(hostif, nic_hostif, vm, "eth0", text, sizeof(text))
TRY(rename, vm_rename, vm, "kit-unclaimed", NULL, 0, KIT_OP_MS)
TRY(save, vm_save, vm, k->share, 0, KIT_OP_MS)

static int try_console(struct kit *k, void *vm)
{
    cleanup_fd int fd = -1;

    return KIT_CALL(k, console_open, vm, KIT_OP_MS, &fd);
}

#define ROW(cap, op, fn)                                                                           \
    {                                                                                              \
        cap, offsetof(struct hvp_plugin, op), #op, fn                                              \
    }

static const struct {
    uint64_t cap;
    size_t op;
    const char *name;
    int (*call)(struct kit *k, void *vm);
} rows[] = {
    ROW(HVP_CAP_PAUSE, vm_pause, try_pause),
    ROW(HVP_CAP_SET_VCPUS, vm_set_vcpus, try_vcpus),
    ROW(HVP_CAP_SET_MEMORY, vm_set_memory, try_memory),
    ROW(HVP_CAP_STATS, vm_stats, try_stats),
    ROW(HVP_CAP_PIDS, vm_pids, try_pids),
    ROW(HVP_CAP_CONSOLE, console_open, try_console),
    ROW(HVP_CAP_DEVICE_ADDR, device_addr, try_addr),
    ROW(HVP_CAP_NIC_HOSTIF, nic_hostif, try_hostif),
    ROW(HVP_CAP_SNAPSHOT, vm_save, try_save),
    ROW(HVP_CAP_RENAME, vm_rename, try_rename),
    ROW(HVP_CAP_STOP, vm_stop, try_stop),
};

static bool there(const struct kit *k, size_t op)
{
    void *p;

    memcpy(&p, (const char *)k->ops + op, sizeof(p));
    return p != NULL;
}

/* An op that is not there needs no words; one that is there has to refuse. */
static void check_op(struct kit *k, void *vm, size_t i)
{
    char what[64];

    if (kit_has(k, rows[i].cap))
        return;
    if (!there(k, rows[i].op)) {
        kit_skip(k, rows[i].name, "not claimed, not there");
        return;
    }
    snprintf(what, sizeof(what), "%s, which is not claimed, is refused", rows[i].name);
    kit_refused(k, rows[i].call(k, vm), what);
}

static void check_attach(struct kit *k, void *vm)
{
    const struct hvp_disk disk = {
        .d = {.struct_size = sizeof(disk), .kind = HVP_DEV_DISK, .tag = "unclaimed"},
        .protocol = HVP_PROTO_FILE,
        .format = HVP_FORMAT_RAW,
        .path = "/dev/null"};
    const struct hvp_share share = {
        .d = {.struct_size = sizeof(share), .kind = HVP_DEV_SHARE, .tag = "unclaimed"},
        .dir = k->share,
        .fs = HVP_FS_9P};
    struct hvp_disk odd = disk;

    if (!k->ops->device_attach)
        return;
    if (!(k->caps.hotplug & 1u << HVP_DEV_DISK))
        kit_refused(k, KIT_CALL(k, device_attach, vm, &disk.d, KIT_OP_MS),
                    "hot-plug of disks, which is not claimed, is refused");
    if (!(k->caps.hotplug & 1u << HVP_DEV_SHARE))
        kit_refused(k, KIT_CALL(k, device_attach, vm, &share.d, KIT_OP_MS),
                    "hot-plug of shares, which is not claimed, is refused");
    odd.protocol = 31;
    kit_refused(k, KIT_CALL(k, device_attach, vm, &odd.d, KIT_OP_MS),
                "a disk protocol that nobody knows is refused");
    odd.d.kind = 31;
    kit_refused(k, KIT_CALL(k, device_attach, vm, &odd.d, KIT_OP_MS),
                "a device that nobody knows is refused");
}

void kit_check_unclaimed(struct kit *k, struct kit_vm *vm)
{
    k->area = "claims";
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check_op(k, vm->vm, i);
    check_attach(k, vm->vm);
    kit_that(k, kit_state(k, vm->vm) == HVP_VM_RUNNING, "what was refused changed nothing",
             "the VM is %s", plugin_state_name(kit_state(k, vm->vm)));
}
