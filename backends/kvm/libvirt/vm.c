/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a VM that was made (create.c) or found again (find.c). */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/util.h"
#include "lv.h"

struct lv_vm *lv_vm_new(struct lv_inst *in, const char *uuid, struct hvp_error *err)
{
    struct lv_vm *vm = calloc(1, sizeof(*vm));

    if (!vm) {
        hvp_fail(err, ENOMEM, "out of memory for a VM");
        return NULL;
    }
    pthread_mutex_init(&vm->lock, NULL);
    vm->inst = in;
    vm->refs = 1;
    vm->pidfd = vm->epoll_fd = vm->change_fd = -1;
    vm->events = (struct event_queue)EVENT_QUEUE_INIT;
    vm->state = HVP_VM_CREATED;
    snprintf(vm->uuid, sizeof(vm->uuid), "%s", uuid);
    for (int i = 0; i < LV_CALLBACKS; i++)
        vm->callbacks[i] = -1;
    if (lv_events_init(vm, err) < 0) {
        lv_vm_close(vm);
        return NULL;
    }
    return vm;
}

static void free_vm(struct lv_vm *vm)
{
    while (vm->devices) {
        struct lv_device *d = vm->devices;

        vm->devices = d->next;
        free(d);
    }
    free(vm->run_dir);
    free(vm->console_log);
    pthread_mutex_destroy(&vm->lock);
    free(vm);
}

void lv_vm_unref(void *p)
{
    struct lv_vm *vm = p;
    unsigned refs;

    pthread_mutex_lock(&vm->lock);
    refs = --vm->refs;
    pthread_mutex_unlock(&vm->lock);
    if (refs == 0)
        free_vm(vm);
}

/* The descriptors go at once: a callback that is still running writes to none that is -1. */
void lv_vm_close(void *p)
{
    struct lv_vm *vm = p;

    if (!vm)
        return;
    lv_events_unwatch(vm);
    pthread_mutex_lock(&vm->lock);
    vm->destroying = true;
    util_close_ptr(&vm->epoll_fd);
    event_queue_done(&vm->events);
    util_close_ptr(&vm->change_fd);
    util_close_ptr(&vm->pidfd);
    vm->epoll_fd = vm->change_fd = vm->pidfd = -1;
    pthread_mutex_unlock(&vm->lock);
    if (vm->dom)
        virDomainFree(vm->dom);
    vm->dom = NULL;
    lv_vm_unref(vm);
}

static int resume(struct lv_call *c)
{
    return virDomainResume(c->dom);
}

static int suspend(struct lv_call *c)
{
    return virDomainSuspend(c->dom);
}

static int destroy(struct lv_call *c)
{
    return virDomainDestroy(c->dom);
}

static int run_simple(struct lv_vm *vm, int (*fn)(struct lv_call *c), const struct deadline *d,
                      const char *what, struct hvp_error *err)
{
    struct lv_call *c;
    int r;

    if (lv_attach(vm, d, err) < 0)
        return err->code;
    c = lv_call_new(vm, fn, err);
    if (!c)
        return err->code;
    r = lv_call_run(c, d, what, err);
    lv_call_free(c);
    return r;
}

static uint32_t state_now(struct lv_vm *vm)
{
    uint32_t state;

    lv_events_collect(vm);
    pthread_mutex_lock(&vm->lock);
    state = vm->state;
    pthread_mutex_unlock(&vm->lock);
    return state;
}

/* Unless it has ended meanwhile. */
static void set_state(struct lv_vm *vm, uint32_t state)
{
    pthread_mutex_lock(&vm->lock);
    if (!vm->end_told)
        vm->state = state;
    pthread_mutex_unlock(&vm->lock);
}

int lv_vm_start(void *p, uint32_t timeout_ms, struct hvp_error *err)
{
    struct lv_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);

    if (state_now(vm) != HVP_VM_CREATED)
        return hvp_fail(err, EINVAL, "the VM was started before");
    if (run_simple(vm, resume, &d, "start the VM", err) < 0)
        return err->code;
    set_state(vm, HVP_VM_RUNNING);
    return 0;
}

static int pause_or_resume(struct lv_vm *vm, bool pause, uint32_t timeout_ms, struct hvp_error *err)
{
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    uint32_t state = state_now(vm);

    if (state != HVP_VM_RUNNING && state != HVP_VM_PAUSED)
        return hvp_fail(err, EINVAL, "the VM does not run");
    if (run_simple(vm, pause ? suspend : resume, &d, pause ? "pause the VM" : "resume the VM",
                   err) < 0)
        return err->code;
    set_state(vm, pause ? HVP_VM_PAUSED : HVP_VM_RUNNING);
    return 0;
}

int lv_vm_pause(void *vm, uint32_t timeout_ms, struct hvp_error *err)
{
    return pause_or_resume(vm, true, timeout_ms, err);
}

int lv_vm_resume(void *vm, uint32_t timeout_ms, struct hvp_error *err)
{
    return pause_or_resume(vm, false, timeout_ms, err);
}

/* When the daemon cannot be asked the process is killed; a daemon that comes back notices. */
static int destroy_domain(struct lv_vm *vm, const struct deadline *d, struct hvp_error *err)
{
    int r = run_simple(vm, destroy, d, "destroy the domain", err);

    if (r == 0 || r == -ENOENT || r == -EINVAL) /* EINVAL: it ends just now */
        return 0;
    if (vm->pidfd < 0)
        return r;
    if (syscall(SYS_pidfd_send_signal, vm->pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        return hvp_fail(err, errno, "kill QEMU (process %d): %m", (int)vm->pid);
    return 0;
}

int lv_vm_destroy(void *p, uint32_t timeout_ms, struct hvp_error *err)
{
    struct lv_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct pollfd process = {.fd = vm->pidfd, .events = POLLIN};

    d.cancel_fd = -1; /* to destroy is what core does after it has cancelled */
    pthread_mutex_lock(&vm->lock);
    vm->destroying = true;
    pthread_mutex_unlock(&vm->lock);
    if (destroy_domain(vm, &d, err) < 0)
        return err->code;
    if (vm->pidfd >= 0 && deadline_poll(&d, &process, 1) < 0)
        return hvp_fail(err, ETIMEDOUT, "QEMU (process %d) has not ended", (int)vm->pid);
    lv_events_collect(vm);
    lv_secrets_remove(vm, NULL);
    set_state(vm, HVP_VM_STOPPED);
    return 0;
}

int lv_vm_state(void *p, uint32_t *state, struct hvp_error *err)
{
    (void)err;
    *state = state_now(p);
    return 0;
}
