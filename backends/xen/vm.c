/* SPDX-License-Identifier: Apache-2.0 */
/* One VM: a domain made from a description, its channel and its life. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include "common/file.h"
#include "common/util.h"
#include "console.h"
#include "domain.h"
#include "xen.h"

#define NO_DOMAIN ((uint32_t)INVALID_DOMID)

struct xen_vm *xen_vm_new(struct xen_inst *in, struct hvp_error *err)
{
    struct xen_vm *vm = calloc(1, sizeof(*vm));

    if (!vm) {
        hvp_fail(err, ENOMEM, "out of memory for a VM");
        return NULL;
    }
    vm->inst = in;
    vm->state = HVP_VM_CREATED;
    vm->event_fd = -1;
    vm->events = (struct event_queue)EVENT_QUEUE_INIT;
    if (loop_init(&vm->loop, in->host, err) < 0) {
        free(vm);
        return NULL;
    }
    if (xen_events_init(vm, err) < 0) {
        xen_vm_close(vm);
        return NULL;
    }
    return vm;
}

static int copy(char **to, const char *text, struct hvp_error *err)
{
    *to = text[0] ? strdup(text) : NULL;
    return text[0] && !*to ? hvp_fail(err, ENOMEM, "out of memory for a VM") : 0;
}

/* What libxl would not say in words that tell what to do. */
int xen_vm_words(void *inst, const struct hvp_vm_spec *spec, struct hvp_error *err)
{
    (void)inst;
    if (spec->machine[0] || spec->cpu_model[0])
        return hvp_fail(err, ENOTSUP,
                        "Xen has neither a choice of machines nor of CPUs ('%.40s%.40s')",
                        spec->machine, spec->cpu_model);
    if (spec->n_options)
        return hvp_fail(err, EINVAL, "unknown option '%.100s'", spec->options[0].key);
    return 0;
}

static int check(const struct hvp_vm_spec *spec, struct hvp_error *err)
{
    int r = xen_vm_words(NULL, spec, err);

    if (r < 0)
        return r;
    if (spec->n_channels != 1)
        return hvp_fail(err, ENOTSUP, "a domain has one channel, not %u", spec->n_channels);
    if (access(spec->kernel, R_OK) < 0)
        return hvp_fail(err, errno, "guest kernel '%.300s': %m", spec->kernel);
    return 0;
}

static int note(struct xen_vm *vm, const struct hvp_vm_spec *spec, struct hvp_error *err)
{
    struct xen_device *ignored;

    if (check(spec, err) < 0 || copy(&vm->run_dir, spec->run_dir, err) < 0 ||
        copy(&vm->console_log, spec->console_log, err) < 0)
        return err->code;
    snprintf(vm->uuid, sizeof(vm->uuid), "%s", spec->uuid);
    vm->vcpus_max = spec->vcpus_max;
    vm->memory_max = spec->memory_max;
    for (size_t i = 0; i < spec->n_devices; i++)
        if (xen_device_note(vm, spec->devices[i], false, &ignored, err) < 0)
            return err->code;
    return 0;
}

/* libxl takes seconds to give up what it has begun. */
static int may_begin(const struct xen_vm *vm, const struct deadline *d, struct hvp_error *err)
{
    const struct hvp_host *host = vm->inst->host;

    if (host->cancelled(host->cookie))
        return hvp_fail(err, ECANCELED, "create the domain: cancelled");
    if (deadline_left_ms(d) == 0)
        return hvp_fail(err, ETIMEDOUT, "create the domain: there is no time for it");
    return 0;
}

static int begin(struct xen_vm *vm, libxl_domain_config *c, int state_fd, uint32_t *domid,
                 const libxl_asyncop_how *how)
{
    libxl_domain_restore_params params;
    int r;

    if (state_fd < 0)
        return libxl_domain_create_new(vm->loop.ctx, c, domid, how, NULL);
    libxl_domain_restore_params_init(&params);
    params.stream_version = 2; /* what this libxl writes */
    r = libxl_domain_create_restore(vm->loop.ctx, c, domid, state_fd, -1, &params, how, NULL);
    libxl_domain_restore_params_dispose(&params);
    return r;
}

static int make(struct xen_vm *vm, const struct hvp_vm_spec *spec, int state_fd,
                const struct deadline *d, struct hvp_error *err)
{
    libxl_domain_config c;
    libxl_asyncop_how how;
    uint32_t domid = NO_DOMAIN;
    int r = domain_describe(vm, spec, &c, err);

    if (r == 0) {
        loop_begin(&vm->loop, &how);
        r = begin(vm, &c, state_fd, &domid, &how);
        r = loop_finish(&vm->loop, &how, r, d, "create the domain", err);
    }
    libxl_domain_config_dispose(&c);
    if (r < 0)
        return r;
    vm->domid = domid;
    return xen_events_watch(vm, err);
}

int xen_vm_make(struct xen_inst *in, const struct hvp_vm_spec *spec, int state_fd,
                uint32_t timeout_ms, void **ret, struct hvp_error *err)
{
    struct deadline d = deadline_start(in->host, timeout_ms);
    struct hvp_error ignored = {.struct_size = sizeof(ignored)};
    struct xen_vm *vm = xen_vm_new(in, err);

    if (!vm)
        return err->code;
    vm->domid = NO_DOMAIN;
    if (note(vm, spec, err) < 0 || may_begin(vm, &d, err) < 0 ||
        make(vm, spec, state_fd, &d, err) < 0) {
        if (vm->domid != NO_DOMAIN)
            xen_vm_destroy(vm, HVP_NO_TIMEOUT, &ignored);
        xen_vm_close(vm);
        return err->code;
    }
    if (state_fd >= 0)
        vm->state = HVP_VM_PAUSED;
    *ret = vm;
    return 0;
}

int xen_vm_create(void *inst, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **ret,
                  struct hvp_error *err)
{
    return xen_vm_make(inst, spec, -1, timeout_ms, ret, err);
}

static int is_alive(struct xen_vm *vm, struct hvp_error *err)
{
    loop_turn(&vm->loop);
    if (vm->ended)
        return hvp_fail(err, ESRCH, "the VM has ended");
    return 0;
}

static int unpause(struct xen_vm *vm, const char *what, uint32_t timeout_ms, struct hvp_error *err)
{
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    libxl_asyncop_how how;
    int r;

    if (is_alive(vm, err) < 0)
        return err->code;
    loop_begin(&vm->loop, &how);
    r = libxl_domain_unpause(vm->loop.ctx, vm->domid, &how);
    if (loop_finish(&vm->loop, &how, r, &d, what, err) < 0)
        return err->code;
    if (!vm->ended)
        vm->state = HVP_VM_RUNNING;
    return 0;
}

/* Not with the domain: core has given up rights since, and what says nothing yet need not be heard.
 */
static int read_console(struct xen_vm *vm, struct hvp_error *err)
{
    char *tty = NULL;
    int r = libxl_console_get_tty(vm->loop.ctx, vm->domid, 0, LIBXL_CONSOLE_TYPE_PV, &tty);

    if (r)
        return loop_fail(&vm->loop, r, "find the domain's console", err);
    r = console_start(tty, vm->console_log, &vm->console, err);
    free(tty);
    return r;
}

int xen_vm_start(void *p, uint32_t timeout_ms, struct hvp_error *err)
{
    struct xen_vm *vm = p;
    int r;

    if (is_alive(vm, err) < 0)
        return err->code;
    if (vm->state != HVP_VM_CREATED || vm->console)
        return hvp_fail(err, EINVAL, "the VM has been started already");
    r = read_console(vm, err);
    return r < 0 ? r : unpause(vm, "start the domain", timeout_ms, err);
}

/* A restored VM, which has never been started, is heard from here on. */
int xen_vm_resume(void *p, uint32_t timeout_ms, struct hvp_error *err)
{
    struct xen_vm *vm = p;

    if (is_alive(vm, err) < 0 || (vm->run_dir && !vm->console && read_console(vm, err) < 0))
        return err->code;
    return unpause(vm, "resume the domain", timeout_ms, err);
}

int xen_vm_pause(void *p, uint32_t timeout_ms, struct hvp_error *err)
{
    struct xen_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    libxl_asyncop_how how;
    int r;

    if (is_alive(vm, err) < 0)
        return err->code;
    loop_begin(&vm->loop, &how);
    r = libxl_domain_pause(vm->loop.ctx, vm->domid, &how);
    if (loop_finish(&vm->loop, &how, r, &d, "pause the domain", err) < 0)
        return err->code;
    if (!vm->ended)
        vm->state = HVP_VM_PAUSED;
    return 0;
}

/* libxl tells QEMU to end and does not wait for it: it may have files of the share open. */
static int wait_for_qemu(const int *pidfds, size_t n, const struct deadline *d,
                         struct hvp_error *err)
{
    for (size_t i = 0; i < n; i++) {
        struct pollfd p = {.fd = pidfds[i], .events = POLLIN};

        if (p.fd >= 0 && deadline_poll(d, &p, 1) < 0)
            return hvp_fail(err, ETIMEDOUT, "the domain is gone, but its QEMU does not end");
    }
    return 0;
}

static int destroy(struct xen_vm *vm, const struct deadline *d, struct hvp_error *err)
{
    const struct deadline whole = {.end_ns = UINT64_MAX, .cancel_fd = -1};
    int32_t pids[XEN_PIDS_MAX];
    int pidfds[XEN_PIDS_MAX];
    size_t n = xen_find_qemu(vm->domid, pids, XEN_PIDS_MAX);
    libxl_asyncop_how how;
    int r;

    n = n < XEN_PIDS_MAX ? n : XEN_PIDS_MAX;
    for (size_t i = 0; i < n; i++)
        pidfds[i] = (int)syscall(SYS_pidfd_open, pids[i], 0);
    loop_begin(&vm->loop, &how);
    r = libxl_domain_destroy(vm->loop.ctx, vm->domid, &how);
    /* Half a destruction helps nobody; what it waits for has limits of libxl's own. */
    r = loop_finish(&vm->loop, &how, r, &whole, "destroy the domain", err);
    if (r == 0)
        r = wait_for_qemu(pidfds, n, d, err);
    for (size_t i = 0; i < n; i++)
        if (pidfds[i] >= 0)
            close(pidfds[i]);
    return r;
}

int xen_vm_destroy(void *p, uint32_t timeout_ms, struct hvp_error *err)
{
    struct xen_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    bool was_over;

    d.cancel_fd = -1;     /* to destroy is what core does after it has cancelled */
    loop_turn(&vm->loop); /* an end that came before us is still an event */
    was_over = vm->ended;
    vm->ended = true;
    if (xen_domain_exists(vm, NULL) && destroy(vm, &d, err) < 0) {
        vm->ended = was_over;
        return err->code;
    }
    if (!was_over)
        vm->state = HVP_VM_STOPPED;
    loop_turn(&vm->loop);
    return 0;
}

int xen_vm_state(void *p, uint32_t *state, struct hvp_error *err)
{
    struct xen_vm *vm = p;

    (void)err;
    loop_turn(&vm->loop);
    *state = vm->state;
    return 0;
}

int xen_agent_open(void *p, uint32_t port, uint32_t timeout_ms, int *fd, struct hvp_error *err)
{
    struct xen_vm *vm = p;
    cleanup_free char *path = NULL;

    (void)timeout_ms; /* QEMU has listened since before the domain was made */
    if (port != 0)
        return hvp_fail(err, EINVAL, "there is no channel %u", port);
    if (!vm->run_dir)
        return hvp_fail(err, ENOTSUP, "the channel is its creator's: this handle was re-opened");
    if (asprintf(&path, "%s/" XEN_CHANNEL_NAME, vm->run_dir) < 0)
        return hvp_fail(err, ENOMEM, "out of memory for a path");
    return file_connect(path, fd, err);
}

int xen_console_open(void *p, uint32_t timeout_ms, int *fd, struct hvp_error *err)
{
    struct xen_vm *vm = p;

    (void)timeout_ms;
    if (!vm->console)
        return hvp_fail(err, ENOTSUP, "the console belongs to who started the VM");
    return console_connect(vm->console, fd, err);
}

void xen_vm_close(void *p)
{
    struct xen_vm *vm = p;

    if (!vm)
        return;
    console_stop(vm->console);
    xen_events_done(vm);
    loop_done(&vm->loop);
    while (vm->devices) {
        struct xen_device *dev = vm->devices;

        vm->devices = dev->next;
        free(dev);
    }
    free(vm->run_dir);
    free(vm->console_log);
    free(vm);
}
