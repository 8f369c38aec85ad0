/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving a domain into a file, and domains made of it.  A guest of Xen has a part in it: it is
 * asked to suspend itself, so that a paused one runs for a moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "common/util.h"
#include "xen.h"

#define STATE_NAME "state"

static int open_state(const char *dir, int flags, int *ret_fd, struct hvp_error *err)
{
    cleanup_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dirfd < 0)
        return hvp_fail(err, errno, "open '%.300s': %m", dir);
    *ret_fd = openat(dirfd, STATE_NAME, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    return *ret_fd < 0 ? hvp_fail(err, errno, "open the saved VM '%.300s/" STATE_NAME "': %m", dir)
                       : 0;
}

static void remove_state(const char *dir)
{
    cleanup_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dirfd >= 0)
        unlinkat(dirfd, STATE_NAME, 0);
}

/* A domain's shutdown is told once, and to be suspended is one. */
static int watch_anew(struct xen_vm *vm, struct hvp_error *err)
{
    loop_turn(&vm->loop);
    if (vm->death)
        libxl_evdisable_domain_death(vm->loop.ctx, vm->death);
    vm->death = NULL;
    return xen_events_watch(vm, err);
}

/* Also one that has not suspended itself, or that libxl has resumed: paused all the same. */
static int back_to_pause(struct xen_vm *vm, struct hvp_error *err)
{
    const struct deadline whole = {.end_ns = UINT64_MAX, .cancel_fd = -1};
    libxl_asyncop_how how;
    libxl_dominfo info;
    bool suspended;
    int r;

    if (!xen_domain_exists(vm, &info))
        return hvp_fail(err, ESRCH, "the VM has ended");
    suspended = info.shutdown && info.shutdown_reason == LIBXL_SHUTDOWN_REASON_SUSPEND;
    libxl_dominfo_dispose(&info);
    loop_begin(&vm->loop, &how);
    r = libxl_domain_pause(vm->loop.ctx, vm->domid, &how);
    r = loop_finish(&vm->loop, &how, r, &whole, "pause the domain", err);
    if (r == 0 && suspended) {
        loop_begin(&vm->loop, &how);
        r = libxl_domain_resume(vm->loop.ctx, vm->domid, 1, &how);
        r = loop_finish(&vm->loop, &how, r, &whole, "go on with the saved domain", err);
    }
    return r < 0 ? r : watch_anew(vm, err);
}

static int suspend(struct xen_vm *vm, int fd, const struct deadline *d, struct hvp_error *err)
{
    libxl_asyncop_how how;
    int r;

    loop_begin(&vm->loop, &how);
    r = libxl_domain_unpause(vm->loop.ctx, vm->domid, &how);
    r = loop_finish(&vm->loop, &how, r, d, "wake the domain to be saved", err);
    if (r < 0)
        return r;
    loop_begin(&vm->loop, &how);
    r = libxl_domain_suspend(vm->loop.ctx, vm->domid, fd, 0, &how);
    return loop_finish(&vm->loop, &how, r, d, "save the domain", err);
}

int xen_vm_save(void *p, const char *dir, uint32_t flags, uint32_t timeout_ms,
                struct hvp_error *err)
{
    struct xen_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct hvp_error more = {.struct_size = sizeof(more)};
    cleanup_close int fd = -1;
    int r;

    loop_turn(&vm->loop);
    if (flags != 0 || vm->ended || vm->state != HVP_VM_PAUSED)
        return hvp_fail(err, EINVAL, "only a paused VM can be saved");
    if (open_state(dir, O_RDWR | O_CREAT | O_EXCL, &fd, err) < 0)
        return err->code;
    r = suspend(vm, fd, &d, err);
    if (back_to_pause(vm, &more) < 0 && r == 0)
        r = hvp_fail(err, -more.code, "%s", more.msg);
    if (r < 0)
        remove_state(dir);
    return r;
}

int xen_vm_restore(void *inst, const struct hvp_vm_spec *spec, const char *dir, uint32_t flags,
                   uint32_t timeout_ms, void **vm, struct hvp_error *err)
{
    cleanup_close int fd = -1;

    if (flags != 0)
        return hvp_fail(err, EINVAL, "unknown flags %#x for a restore", flags);
    if (open_state(dir, O_RDONLY, &fd, err) < 0)
        return err->code;
    return xen_vm_make(inst, spec, fd, timeout_ms, vm, err);
}
