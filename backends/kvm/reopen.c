/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding a QEMU again, by reference or by looking through /proc.  Its working directory is the
 * VM's run_dir, so that neither the reference nor a scan needs anything but the process.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include "common/file.h"
#include "common/util.h"
#include "kvm.h"

#define CMDLINE_MAX (1u << 20)
#define NAME_PREFIX "guest=anyvisor-"

int kvm_vm_ref(void *p, char *buf, size_t len, struct hvp_error *err)
{
    struct kvm_vm *vm = p;

    return child_ref(&vm->child, buf, len, err);
}

/* Through /proc, for the directory may be in a mount namespace that is not ours. */
static int find_run_dir(struct kvm_vm *vm, struct hvp_error *err)
{
    if (asprintf(&vm->run_dir, "/proc/%d/cwd", (int)vm->child.pid) < 0) {
        vm->run_dir = NULL;
        return hvp_fail(err, ENOMEM, "out of memory for a VM");
    }
    return 0;
}

int kvm_vm_reopen(void *inst, const char *ref, uint32_t timeout_ms, void **ret,
                  struct hvp_error *err)
{
    struct kvm_vm *vm = kvm_vm_new(inst, err);

    (void)timeout_ms;
    if (!vm)
        return err->code;
    /* Whether it is paused only QMP could tell, and that may be its monitor's. */
    vm->state = HVP_VM_RUNNING;
    vm->n_channels = KVM_MAX_CHANNELS;
    if (child_reopen(&vm->child, ref, err) < 0 || find_run_dir(vm, err) < 0 ||
        kvm_events_watch(vm, err) < 0) {
        kvm_vm_close(vm);
        return err->code;
    }
    *ret = vm;
    return 0;
}

/* The argument behind the one that equals name; NULL = there is none. */
static const char *argument(const char *text, size_t len, const char *name)
{
    for (const char *p = text; p < text + len; p += strlen(p) + 1)
        if (strcmp(p, name) == 0 && p + strlen(p) + 1 < text + len)
            return p + strlen(p) + 1;
    return NULL;
}

/* 0 = not ours or gone; else what each() said. */
static int visit(pid_t pid, int (*each)(void *ctx, const struct hvp_vm_info *info), void *ctx)
{
    cleanup_free char *text = NULL;
    struct hvp_error ignored = {.struct_size = sizeof(ignored)};
    struct child c = {.pid = pid, .pidfd = -1};
    char path[64], ref[HVP_REF_MAX];
    const char *name, *uuid;
    size_t len;

    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    if (file_read_alloc(path, CMDLINE_MAX, &text, &len) < 0)
        return 0;
    name = argument(text, len, "-name");
    uuid = argument(text, len, "-uuid");
    if (!name || !uuid || strncmp(name, NAME_PREFIX, strlen(NAME_PREFIX)) != 0 ||
        strlen(uuid) >= sizeof(c.uuid) || child_start_time(pid, &c.start) < 0)
        return 0;
    snprintf(c.uuid, sizeof(c.uuid), "%s", uuid);
    if (child_ref(&c, ref, sizeof(ref), &ignored) < 0)
        return 0;
    const struct hvp_vm_info info = {.struct_size = sizeof(info),
                                     .state = HVP_VM_RUNNING,
                                     .id = name + strlen(NAME_PREFIX),
                                     .uuid = uuid,
                                     .ref = ref};
    return each(ctx, &info);
}

/* A QEMU dies with its monitor, so this finds only what a broken kernel or core left behind. */
int kvm_vm_list(void *inst, int (*each)(void *ctx, const struct hvp_vm_info *info), void *ctx,
                uint32_t timeout_ms, struct hvp_error *err)
{
    DIR *proc = opendir("/proc");
    struct dirent *e;
    int r = 0;

    (void)inst;
    (void)timeout_ms;
    if (!proc)
        return hvp_fail(err, errno, "open '/proc': %m");
    while (r == 0 && (e = readdir(proc)))
        if (isdigit((unsigned char)e->d_name[0]))
            r = visit((pid_t)strtol(e->d_name, NULL, 10), each, ctx);
    closedir(proc);
    return r;
}
