/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include "base/str.h"
#include "plugin/internal.h"

#define CALL(vm, err, op, ...) PLUGIN_CALL((vm)->p, vm, PHASE_VMM, err, op, (vm)->vm, __VA_ARGS__)
#define CAN(vm, bits, err, op) plugin_can((vm)->p, #op, (vm)->p->so->ops.op != NULL, bits, err)

static int wrap_handle(struct plugin *p, void *handle, struct plugin_vm **ret, struct err *err)
{
    struct plugin_vm *vm;

    if (!handle)
        return err_set_phase(err, PHASE_PLUGIN, EPROTO, "back-end '%s' gave success but no VM",
                             p->d->name);
    vm = xcalloc(1, sizeof(*vm));
    vm->p = p;
    vm->vm = handle;
    pthread_mutex_init(&vm->lock, NULL);
    *ret = vm;
    return 0;
}

int plugin_vm_create(struct plugin *p, const struct hvp_vm_spec *spec, uint32_t timeout_ms,
                     struct plugin_vm **ret, struct err *err)
{
    void *handle = NULL;
    int r;

    if (!p->probed)
        return err_set_phase(err, PHASE_PLUGIN, EINVAL, "back-end '%s' was not probed", p->d->name);
    r = plugin_spec_check(&p->caps, spec, err);
    if (r < 0)
        return err_wrap(err, "back-end '%s'", p->d->name);
    r = PLUGIN_CALL(p, NULL, PHASE_VMM, err, vm_create, p->inst, spec, timeout_ms, &handle);
    return r < 0 ? r : wrap_handle(p, handle, ret, err);
}

int plugin_vm_restore(struct plugin *p, const struct hvp_vm_spec *spec, const char *dir,
                      uint32_t timeout_ms, struct plugin_vm **ret, struct err *err)
{
    void *handle = NULL;
    int r = plugin_can(p, "vm_restore", p->probed && p->so->ops.vm_restore, HVP_CAP_SNAPSHOT, err);

    if (r < 0)
        return r;
    r = plugin_spec_check(&p->caps, spec, err);
    if (r < 0)
        return err_wrap(err, "back-end '%s'", p->d->name);
    r = PLUGIN_CALL(p, NULL, PHASE_VMM, err, vm_restore, p->inst, spec, dir, 0, timeout_ms,
                    &handle);
    return r < 0 ? r : wrap_handle(p, handle, ret, err);
}

int plugin_vm_reopen(struct plugin *p, const char *ref, uint32_t timeout_ms, struct plugin_vm **ret,
                     struct err *err)
{
    void *handle = NULL;
    int r = PLUGIN_CALL(p, NULL, PHASE_VMM, err, vm_reopen, p->inst, ref, timeout_ms, &handle);

    return r < 0 ? r : wrap_handle(p, handle, ret, err);
}

void plugin_vm_close(struct plugin_vm *vm)
{
    if (!vm)
        return;
    plugin_enter(vm->p, vm);
    vm->p->so->ops.vm_close(vm->vm);
    plugin_leave(vm->p, vm);
    pthread_mutex_destroy(&vm->lock);
    free(vm);
}

int plugin_vm_start(struct plugin_vm *vm, uint32_t timeout_ms, struct err *err)
{
    return CALL(vm, err, vm_start, timeout_ms);
}

int plugin_vm_destroy(struct plugin_vm *vm, uint32_t timeout_ms, struct err *err)
{
    return CALL(vm, err, vm_destroy, timeout_ms);
}

int plugin_vm_stop(struct plugin_vm *vm, uint32_t timeout_ms, struct err *err)
{
    int r = CAN(vm, HVP_CAP_STOP, err, vm_stop);

    return r < 0 ? r : CALL(vm, err, vm_stop, timeout_ms);
}

int plugin_vm_pause(struct plugin_vm *vm, uint32_t timeout_ms, struct err *err)
{
    int r = CAN(vm, HVP_CAP_PAUSE, err, vm_pause);

    return r < 0 ? r : CALL(vm, err, vm_pause, timeout_ms);
}

int plugin_vm_resume(struct plugin_vm *vm, uint32_t timeout_ms, struct err *err)
{
    int r = CAN(vm, HVP_CAP_PAUSE, err, vm_resume);

    return r < 0 ? r : CALL(vm, err, vm_resume, timeout_ms);
}

int plugin_vm_save(struct plugin_vm *vm, const char *dir, uint32_t timeout_ms, struct err *err)
{
    int r = CAN(vm, HVP_CAP_SNAPSHOT, err, vm_save);

    return r < 0 ? r : CALL(vm, err, vm_save, dir, 0, timeout_ms);
}

int plugin_vm_state(struct plugin_vm *vm, uint32_t *ret, struct err *err)
{
    uint32_t state = 0;
    int r = CALL(vm, err, vm_state, &state);

    if (r < 0)
        return r;
    if (!plugin_state_name(state))
        return err_set_phase(err, PHASE_PLUGIN, EPROTO, "back-end '%s': unknown VM state %u",
                             vm->p->d->name, state);
    *ret = state;
    return 0;
}

/* A line that goes into a file or to the agent: terminated, printable, not empty. */
static int check_line(const struct plugin *p, const char *op, const char *line, size_t size,
                      struct err *err)
{
    size_t len = strnlen(line, size), i = 0;

    while (i < len && line[i] >= ' ' && line[i] != 0x7f)
        i++;
    if (len == 0 || len == size || i < len)
        return err_set_phase(err, PHASE_PLUGIN, EPROTO, "back-end '%s': %s gave no printable line",
                             p->d->name, op);
    return 0;
}

int plugin_vm_ref(struct plugin_vm *vm, char buf[HVP_REF_MAX], struct err *err)
{
    int r = CALL(vm, err, vm_ref, buf, HVP_REF_MAX);

    return r < 0 ? r : check_line(vm->p, "vm_ref", buf, HVP_REF_MAX, err);
}

int plugin_template_key(struct plugin *p, const struct hvp_vm_spec *spec, char buf[HVP_REF_MAX],
                        struct err *err)
{
    int r = plugin_can(p, "template_key", p->so->ops.template_key, HVP_CAP_TEMPLATE, err);

    if (r < 0)
        return r;
    r = PLUGIN_CALL(p, NULL, PHASE_PLUGIN, err, template_key, p->inst, spec, buf, HVP_REF_MAX);
    return r < 0 ? r : check_line(p, "template_key", buf, HVP_REF_MAX, err);
}

int plugin_vm_words(struct plugin *p, const struct hvp_vm_spec *spec, struct err *err)
{
    if (!p->so->ops.vm_words)
        return 0;
    return PLUGIN_CALL(p, NULL, PHASE_PLUGIN, err, vm_words, p->inst, spec);
}

int plugin_vm_event_fd(struct plugin_vm *vm, int *ret_fd, struct err *err)
{
    return CALL(vm, err, event_fd, ret_fd);
}

int plugin_vm_event_next(struct plugin_vm *vm, struct hvp_event *ret, struct err *err)
{
    struct hvp_event ev = {.struct_size = sizeof(ev), .status = -1};
    struct err e = ERR_INIT;
    int r = CALL(vm, &e, event_next, &ev);

    if (r == -EAGAIN)
        return 0;
    if (r < 0) {
        if (err)
            *err = e;
        return r;
    }
    plugin_tidy(ev.msg, sizeof(ev.msg));
    *ret = ev;
    return 1;
}

/* Core now owns the descriptor: make sure that it is one and that no child gets it. */
static int take_fd(const struct plugin *p, const char *op, int fd, int *ret_fd, struct err *err)
{
    int flags = fcntl(fd, F_GETFD);

    if (flags < 0)
        return err_set_phase(err, PHASE_PLUGIN, EPROTO, "back-end '%s': %s gave descriptor %d: %m",
                             p->d->name, op, fd);
    if (!(flags & FD_CLOEXEC))
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    *ret_fd = fd;
    return 0;
}

int plugin_vm_agent_open(struct plugin_vm *vm, uint32_t port, uint32_t timeout_ms, int *ret_fd,
                         struct err *err)
{
    int fd = -1, r;

    r = CAN(vm, port > 0 ? HVP_CAP_MULTI_CHAN : 0, err, agent_open);
    if (r < 0)
        return r;
    r = CALL(vm, err, agent_open, port, timeout_ms, &fd);
    return r < 0 ? r : take_fd(vm->p, "agent_open", fd, ret_fd, err);
}

int plugin_vm_console_open(struct plugin_vm *vm, uint32_t timeout_ms, int *ret_fd, struct err *err)
{
    int fd = -1, r;

    r = CAN(vm, HVP_CAP_CONSOLE, err, console_open);
    if (r < 0)
        return r;
    r = CALL(vm, err, console_open, timeout_ms, &fd);
    return r < 0 ? r : take_fd(vm->p, "console_open", fd, ret_fd, err);
}

int plugin_vm_set_vcpus(struct plugin_vm *vm, uint32_t vcpus, uint32_t timeout_ms,
                        uint32_t *ret_reached, struct err *err)
{
    int r = CAN(vm, HVP_CAP_SET_VCPUS, err, vm_set_vcpus);

    return r < 0 ? r : CALL(vm, err, vm_set_vcpus, vcpus, timeout_ms, ret_reached);
}

int plugin_vm_set_memory(struct plugin_vm *vm, uint64_t bytes, uint32_t timeout_ms,
                         uint64_t *ret_reached, struct err *err)
{
    int r = CAN(vm, HVP_CAP_SET_MEMORY, err, vm_set_memory);

    return r < 0 ? r : CALL(vm, err, vm_set_memory, bytes, timeout_ms, ret_reached);
}

int plugin_vm_stats(struct plugin_vm *vm, uint32_t timeout_ms, struct hvp_stats *ret,
                    struct err *err)
{
    struct hvp_stats st = {.struct_size = sizeof(st)};
    int r = CAN(vm, HVP_CAP_STATS, err, vm_stats);

    if (r == 0)
        r = CALL(vm, err, vm_stats, timeout_ms, &st);
    if (r == 0)
        *ret = st;
    return r;
}

int plugin_vm_pids(struct plugin_vm *vm, int32_t *pids, size_t cap, size_t *ret_n, struct err *err)
{
    int r = CAN(vm, HVP_CAP_PIDS, err, vm_pids);

    return r < 0 ? r : CALL(vm, err, vm_pids, pids, cap, ret_n);
}

int plugin_vm_rename(struct plugin_vm *vm, const char *id, const struct hvp_kv *metadata,
                     size_t n_metadata, uint32_t timeout_ms, struct err *err)
{
    int r = CAN(vm, HVP_CAP_RENAME, err, vm_rename);

    return r < 0 ? r : CALL(vm, err, vm_rename, id, metadata, n_metadata, timeout_ms);
}

/* A value of the caller's own callback passes through; only the plug-in's errors are translated. */
struct walk {
    int (*each)(void *ctx, const struct hvp_vm_info *info);
    void *ctx;
    int ended;
};

static int walk_each(void *ctx, const struct hvp_vm_info *info)
{
    struct walk *w = ctx;

    if (w->ended == 0)
        w->ended = w->each(w->ctx, info);
    return w->ended;
}

int plugin_vm_list(struct plugin *p, int (*each)(void *ctx, const struct hvp_vm_info *info),
                   void *ctx, uint32_t timeout_ms, struct err *err)
{
    struct walk w = {.each = each, .ctx = ctx};
    struct err e = ERR_INIT;
    int r = plugin_can(p, "vm_list", p->so->ops.vm_list, HVP_CAP_VMM_EXTERNAL, err);

    if (r < 0)
        return r;
    r = PLUGIN_CALL(p, NULL, PHASE_VMM, &e, vm_list, p->inst, walk_each, &w, timeout_ms);
    if (w.ended != 0)
        return w.ended;
    if (r < 0 && err)
        *err = e;
    return r;
}
