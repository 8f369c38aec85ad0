/* SPDX-License-Identifier: Apache-2.0 */
/* Devices of a running VM: the share, disks and NICs that come and go. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/str.h"
#include "kit/internal.h"

static void check_addr(struct kit *k, struct kit_vm *vm)
{
    char addr[HVP_ADDR_MAX] = "";

    if (!kit_has(k, HVP_CAP_DEVICE_ADDR))
        return;
    kit_refused(k, KIT_CALL(k, device_addr, vm->vm, "nobody", addr, sizeof(addr)),
                "an unknown device has no address");
    if (!(k->caps.coldplug & 1u << HVP_DEV_SHARE) ||
        !kit_ok(k, KIT_CALL(k, device_addr, vm->vm, "share", addr, sizeof(addr)),
                "the share has an address"))
        return;
    kit_that(k,
             str_starts_with(addr, "tag:") || str_starts_with(addr, "xen:") ||
                 str_starts_with(addr, "dir:/"),
             "it is a tag or a directory", "'%s'", addr);
}

/* The first child of the VMM is the guest where VMs are namespaces; 0 = unknown. */
static int guest_of(int32_t vmm)
{
    cleanup_file FILE *f = NULL;
    char path[64];
    int guest = 0;

    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", vmm, vmm);
    f = fopen(path, "re");
    return f && fscanf(f, "%d", &guest) == 1 ? guest : 0;
}

/* Containers are mounted below the share while the VM runs. A real guest would have to be asked
 * through its agent; one in namespaces is looked at from outside. */
static void check_share(struct kit *k, struct kit_vm *vm)
{
    char addr[HVP_ADDR_MAX] = "", path[300], dir[96];
    int32_t vmm = kit_pid(k, vm->vm);
    int guest;

    if (!kit_has(k, HVP_CAP_DEVICE_ADDR) || vmm <= 0 ||
        KIT_CALL(k, device_addr, vm->vm, "share", addr, sizeof(addr)) < 0 ||
        !str_starts_with(addr, "dir:"))
        return;
    guest = guest_of(vmm);
    snprintf(dir, sizeof(dir), "%s/late", k->share);
    snprintf(path, sizeof(path), "%s/file", dir);
    if (mkdir(dir, 0700) < 0 || mount("late", dir, "tmpfs", 0, NULL) < 0 || mkdir(path, 0700) < 0) {
        kit_skip(k, "mounts below the share", "mount there: %s", strerror(errno));
        return;
    }
    snprintf(path, sizeof(path), "/proc/%d/root%s/late/file", guest, addr + 4);
    kit_that(k, guest > 0 && access(path, F_OK) == 0, "the guest sees what is mounted there later",
             "there is no '%s'", path);
    umount2(dir, MNT_DETACH);
    kit_that(k, access(path, F_OK) < 0, "and sees it go", "'%s' is still there", path);
    rmdir(dir);
}

static bool make_image(char *path, size_t len, const struct kit *k)
{
    cleanup_fd int fd = -1;

    snprintf(path, len, "%s/disk", k->work);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 && ftruncate(fd, (off_t)KIT_MIB) == 0;
}

/* The guest may not have noticed the device yet: then it does not let go either. */
static int detach(struct kit *k, struct kit_vm *vm, const char *tag)
{
    uint64_t end = kit_now_ms() + k->o->boot_ms;
    int r;

    do
        r = KIT_CALL(k, device_detach, vm->vm, tag, KIT_OP_MS);
    while ((r == -EAGAIN || r == -EBUSY) && kit_now_ms() < end);
    return r;
}

static void check_disk(struct kit *k, struct kit_vm *vm)
{
    char path[96], addr[HVP_ADDR_MAX] = "";
    const struct hvp_disk disk = {
        .d = {.struct_size = sizeof(disk), .kind = HVP_DEV_DISK, .tag = "hot"},
        .protocol = HVP_PROTO_FILE,
        .format = HVP_FORMAT_RAW,
        .path = path};

    if (!(k->caps.hotplug & 1u << HVP_DEV_DISK) ||
        !(k->caps.disk_protocols & 1u << HVP_PROTO_FILE) || !make_image(path, sizeof(path), k))
        return;
    if (!kit_ok(k, KIT_CALL(k, device_attach, vm->vm, &disk.d, KIT_OP_MS),
                "a disk is added to the running VM"))
        return;
    kit_errno(k, KIT_CALL(k, device_attach, vm->vm, &disk.d, KIT_OP_MS), EEXIST,
              "the same tag is refused twice");
    if (kit_has(k, HVP_CAP_DEVICE_ADDR)) {
        kit_ok(k, KIT_CALL(k, device_addr, vm->vm, "hot", addr, sizeof(addr)),
               "the new disk has an address");
        kit_note(k, "its address: %s", addr);
    }
    if (k->caps.unplug & 1u << HVP_DEV_DISK)
        kit_ok(k, detach(k, vm, "hot"), "the disk is removed from the running VM");
}

static void check_nic(struct kit *k, struct kit_vm *vm)
{
    bool by_fd = kit_has(k, HVP_CAP_NIC_FD);
    cleanup_fd int tap = vm->has_nic && by_fd ? kit_tap() : -1;
    const struct hvp_nic up = kit_nic("eth0", NULL, 1, 0);
    const struct hvp_nic hot = kit_nic("eth1", by_fd ? &tap : NULL, 2, 0);
    char name[HVP_ADDR_MAX] = "";

    if (!vm->has_nic)
        return;
    if (k->caps.update & 1u << HVP_DEV_NIC)
        kit_ok(k, KIT_CALL(k, device_update, vm->vm, &up.d, KIT_OP_MS),
               "the link of a NIC comes up");
    if (kit_has(k, HVP_CAP_NIC_HOSTIF))
        kit_ok(k, KIT_CALL(k, nic_hostif, vm->vm, "eth0", name, sizeof(name)),
               "the NIC has an interface on the host");
    if (!(k->caps.hotplug & 1u << HVP_DEV_NIC) || (by_fd && tap < 0))
        return;
    if (kit_ok(k, KIT_CALL(k, device_attach, vm->vm, &hot.d, KIT_OP_MS),
               "a NIC is added to the running VM") &&
        k->caps.unplug & 1u << HVP_DEV_NIC)
        kit_ok(k, detach(k, vm, "eth1"), "it is removed again");
}

void kit_check_devices(struct kit *k, struct kit_vm *vm)
{
    k->area = "devices";
    check_addr(k, vm);
    check_share(k, vm);
    check_disk(k, vm);
    check_nic(k, vm);
    if (k->ops->device_detach)
        kit_refused(k, KIT_CALL(k, device_detach, vm->vm, "nobody", KIT_OP_MS),
                    "an unknown device is not removed");
}
