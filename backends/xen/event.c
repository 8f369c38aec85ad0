/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libxl tells of a domain's end, as events of the ABI.  One epoll descriptor stands for two
 * sources: libxl's own, and a queue of what was read in passing while an operation ran.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include "common/file.h"
#include "common/util.h"
#include "xen.h"

#define PANIC_TAIL 4096 /* a panic's call trace follows the line that names it */

/* The VM has ended, told once, whoever notices first. */
static void ended(struct xen_vm *vm, uint32_t kind, uint32_t state, const char *msg)
{
    if (vm->ended)
        return;
    vm->ended = true;
    vm->state = state;
    event_queue_add(&vm->events, kind, -1, msg);
}

/* With the kernel's own words, where the console's log has them. */
static void panicked(struct xen_vm *vm)
{
    static const char mark[] = "Kernel panic";
    char tail[PANIC_TAIL], msg[256] = "the guest's kernel panicked", *p = NULL;

    if (vm->console_log && file_read_tail(vm->console_log, tail, sizeof(tail)) > 0)
        p = strstr(tail, mark);
    if (p)
        snprintf(msg, sizeof(msg), "the guest's kernel panicked: %.*s", (int)strcspn(p, "\r\n"), p);
    ended(vm, HVP_EVENT_PANIC, HVP_VM_CRASHED, msg);
}

static void on_shutdown(struct xen_vm *vm, unsigned reason)
{
    switch (reason) {
    case LIBXL_SHUTDOWN_REASON_POWEROFF:
        ended(vm, HVP_EVENT_POWEROFF, HVP_VM_STOPPED, "the guest powered off");
        break;
    case LIBXL_SHUTDOWN_REASON_REBOOT:
    case LIBXL_SHUTDOWN_REASON_SOFT_RESET:
        ended(vm, HVP_EVENT_RESET, HVP_VM_STOPPED, "the guest reset itself");
        break;
    case LIBXL_SHUTDOWN_REASON_SUSPEND:
        break; /* somebody saves it */
    case LIBXL_SHUTDOWN_REASON_CRASH:
        panicked(vm);
        break;
    default:
        ended(vm, HVP_EVENT_KILLED, HVP_VM_CRASHED, "Xen has stopped the domain");
        break;
    }
}

static void on_event(void *ctx, const libxl_event *ev)
{
    struct xen_vm *vm = ctx;

    if (ev->domid != vm->domid)
        return;
    if (ev->type == LIBXL_EVENT_TYPE_DOMAIN_SHUTDOWN)
        on_shutdown(vm, ev->u.domain_shutdown.shutdown_reason);
    else if (ev->type == LIBXL_EVENT_TYPE_DOMAIN_DEATH)
        ended(vm, HVP_EVENT_KILLED, HVP_VM_CRASHED, "somebody has destroyed the domain");
}

int xen_events_init(struct xen_vm *vm, struct hvp_error *err)
{
    struct epoll_event e = {.events = EPOLLIN};

    if (event_queue_init(&vm->events, err) < 0)
        return err->code;
    vm->event_fd = epoll_create1(EPOLL_CLOEXEC);
    if (vm->event_fd < 0 || epoll_ctl(vm->event_fd, EPOLL_CTL_ADD, vm->events.fd, &e) < 0 ||
        epoll_ctl(vm->event_fd, EPOLL_CTL_ADD, vm->loop.epoll_fd, &e) < 0)
        return hvp_fail(err, errno, "make the event descriptor: %m");
    vm->loop.on_event = on_event;
    vm->loop.on_event_ctx = vm;
    return 0;
}

int xen_events_watch(struct xen_vm *vm, struct hvp_error *err)
{
    int r = libxl_evenable_domain_death(vm->loop.ctx, vm->domid, 0, &vm->death);

    return r ? loop_fail(&vm->loop, r, "watch the domain", err) : 0;
}

int xen_event_fd(void *p, int *fd, struct hvp_error *err)
{
    struct xen_vm *vm = p;

    (void)err;
    *fd = vm->event_fd;
    return 0;
}

int xen_event_next(void *p, struct hvp_event *ev, struct hvp_error *err)
{
    struct xen_vm *vm = p;

    loop_turn(&vm->loop);
    return event_queue_take(&vm->events, ev) ? 0 : hvp_fail(err, EAGAIN, "no event");
}

void xen_events_done(struct xen_vm *vm)
{
    if (vm->death)
        libxl_evdisable_domain_death(vm->loop.ctx, vm->death);
    vm->death = NULL;
    event_queue_done(&vm->events);
    util_close_ptr(&vm->event_fd);
    vm->event_fd = -1;
}
