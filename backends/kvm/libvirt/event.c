/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libvirt tells of a domain, as events of the ABI. libvirt speaks in its event thread; the
 * process itself is watched as well, for the daemon may be away when the VM ends.
 */
#include <errno.h>
#include <libvirt/virterror.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "common/file.h"
#include "common/util.h"
#include "lv.h"

/* From QEMU's end to libvirt's word about it: a second or two, more when the host is busy. */
#define LAST_WORDS_MS 5000
#define KIB UINT64_C(1024)

int lv_events_init(struct lv_vm *vm, struct hvp_error *err)
{
    struct epoll_event e = {.events = EPOLLIN};

    if (event_queue_init(&vm->events, err) < 0)
        return err->code;
    vm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    vm->change_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (vm->epoll_fd < 0 || vm->change_fd < 0 ||
        epoll_ctl(vm->epoll_fd, EPOLL_CTL_ADD, vm->events.fd, &e) < 0)
        return hvp_fail(err, errno, "make the event descriptor: %m");
    return 0;
}

/* The VM has ended, told once, whoever notices first. The caller holds the lock. */
static void ended(struct lv_vm *vm, uint32_t kind, uint32_t state, const char *msg)
{
    if (vm->end_told || vm->destroying)
        return;
    vm->end_told = true;
    vm->state = state;
    event_queue_add(&vm->events, kind, -1, msg);
}

/* Why a guest stopped by itself libvirt does not say; its kernel has, on the console. */
static bool told_on_console(struct lv_vm *vm)
{
    const char *log = vm->console_log ? vm->console_log : "";
    char line[200], msg[256];

    if (file_tail_line(log, "Kernel panic", line, sizeof(line))) {
        snprintf(msg, sizeof(msg), "the guest's kernel panicked: %s", line);
        ended(vm, HVP_EVENT_PANIC, HVP_VM_CRASHED, msg);
    } else if (file_tail_line(log, "reboot: Restarting system", line, sizeof(line))) {
        ended(vm, HVP_EVENT_RESET, HVP_VM_STOPPED, "the guest reset itself");
    } else if (file_tail_line(log, "reboot: Power down", line, sizeof(line))) {
        ended(vm, HVP_EVENT_POWEROFF, HVP_VM_STOPPED, "the guest powered off");
    } else {
        return false;
    }
    return true;
}

static void on_stopped(struct lv_vm *vm, int detail)
{
    switch (detail) {
    case VIR_DOMAIN_EVENT_STOPPED_SHUTDOWN:
        if (!told_on_console(vm))
            ended(vm, HVP_EVENT_POWEROFF, HVP_VM_STOPPED, "the guest powered off");
        break;
    case VIR_DOMAIN_EVENT_STOPPED_CRASHED:
        ended(vm, HVP_EVENT_PANIC, HVP_VM_CRASHED, "the guest's kernel panicked");
        break;
    case VIR_DOMAIN_EVENT_STOPPED_DESTROYED:
        ended(vm, HVP_EVENT_KILLED, HVP_VM_CRASHED,
              "somebody destroyed its domain through libvirt (virsh destroy)");
        break;
    case VIR_DOMAIN_EVENT_STOPPED_SAVED:
    case VIR_DOMAIN_EVENT_STOPPED_MIGRATED:
        ended(vm, HVP_EVENT_KILLED, HVP_VM_CRASHED,
              "somebody saved its domain or moved it away through libvirt");
        break;
    default:
        ended(vm, HVP_EVENT_KILLED, HVP_VM_CRASHED,
              "QEMU ended without a word: somebody killed it, or it crashed; libvirt's log of the "
              "domain may say more");
    }
}

static int on_lifecycle(virConnectPtr conn, virDomainPtr dom, int event, int detail, void *opaque)
{
    struct lv_vm *vm = opaque;

    (void)conn;
    (void)dom;
    pthread_mutex_lock(&vm->lock);
    if (event == VIR_DOMAIN_EVENT_SUSPENDED && vm->state == HVP_VM_RUNNING)
        vm->state = HVP_VM_PAUSED;
    else if (event == VIR_DOMAIN_EVENT_RESUMED && !vm->end_told)
        vm->state = HVP_VM_RUNNING;
    else if (event == VIR_DOMAIN_EVENT_STOPPED)
        on_stopped(vm, detail);
    pthread_mutex_unlock(&vm->lock);
    return 0;
}

static void on_removed(virConnectPtr conn, virDomainPtr dom, const char *alias, void *opaque)
{
    struct lv_vm *vm = opaque;
    uint64_t one = 1;
    char name[24];

    (void)conn;
    (void)dom;
    pthread_mutex_lock(&vm->lock);
    for (struct lv_device *d = vm->devices; d; d = d->next) {
        lv_alias(d->at.number, name, sizeof(name));
        if (strcmp(name, alias) == 0)
            d->unplugged = true;
    }
    pthread_mutex_unlock(&vm->lock);
    (void)!write(vm->change_fd, &one, sizeof(one)); /* full only when it is readable anyway */
}

static void on_resized(virConnectPtr conn, virDomainPtr dom, const char *alias,
                       unsigned long long size, void *opaque)
{
    struct lv_vm *vm = opaque;
    uint64_t one = 1;

    (void)conn;
    (void)dom;
    (void)alias; /* there is one such device */
    pthread_mutex_lock(&vm->lock);
    vm->memory_more = size * KIB;
    pthread_mutex_unlock(&vm->lock);
    (void)!write(vm->change_fd, &one, sizeof(one));
}

static int watch(struct lv_vm *vm, int index, int event, virConnectDomainEventGenericCallback fn,
                 struct hvp_error *err)
{
    pthread_mutex_lock(&vm->lock);
    vm->refs++;
    pthread_mutex_unlock(&vm->lock);
    vm->callbacks[index] = virConnectDomainEventRegisterAny(virDomainGetConnect(vm->dom), vm->dom,
                                                            event, fn, vm, lv_vm_unref);
    if (vm->callbacks[index] >= 0)
        return 0;
    lv_fail(err, "ask libvirt for the domain's events");
    lv_vm_unref(vm);
    return err->code;
}

static void watch_process(struct lv_vm *vm)
{
    struct epoll_event e = {.events = EPOLLIN};

    if (vm->pidfd >= 0)
        epoll_ctl(vm->epoll_fd, EPOLL_CTL_ADD, vm->pidfd, &e); /* EEXIST: it is watched */
}

int lv_events_watch(struct lv_vm *vm, struct hvp_error *err)
{
    if (watch(vm, 0, VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle), err) <
            0 ||
        watch(vm, 1, VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_DOMAIN_EVENT_CALLBACK(on_removed),
              err) < 0 ||
        (vm->memory_room > 0 && watch(vm, 2, VIR_DOMAIN_EVENT_ID_MEMORY_DEVICE_SIZE_CHANGE,
                                      VIR_DOMAIN_EVENT_CALLBACK(on_resized), err) < 0))
        return err->code;
    watch_process(vm);
    return 0;
}

void lv_events_unwatch(struct lv_vm *vm)
{
    for (int i = 0; i < LV_CALLBACKS; i++) {
        if (vm->callbacks[i] >= 0 && vm->dom)
            virConnectDomainEventDeregisterAny(virDomainGetConnect(vm->dom), vm->callbacks[i]);
        vm->callbacks[i] = -1;
    }
}

static bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return fd >= 0 && poll(&p, 1, ms) > 0;
}

/* Who has destroyed it only libvirt knows: it is given a moment, unless it is away. */
void lv_events_collect(struct lv_vm *vm)
{
    bool told;

    if (!readable(vm->pidfd, 0))
        return;
    epoll_ctl(vm->epoll_fd, EPOLL_CTL_DEL, vm->pidfd, NULL); /* it stays readable for ever */
    pthread_mutex_lock(&vm->lock);
    told = vm->end_told || vm->destroying || told_on_console(vm);
    pthread_mutex_unlock(&vm->lock);
    if (told)
        return;
    if (vm->dom && virConnectIsAlive(virDomainGetConnect(vm->dom)) == 1)
        (void)readable(vm->events.fd, LAST_WORDS_MS);
    pthread_mutex_lock(&vm->lock);
    on_stopped(vm, VIR_DOMAIN_EVENT_STOPPED_FAILED);
    pthread_mutex_unlock(&vm->lock);
}

int lv_event_fd(void *p, int *fd, struct hvp_error *err)
{
    struct lv_vm *vm = p;

    (void)err;
    *fd = vm->epoll_fd;
    return 0;
}

static bool take(struct lv_vm *vm, struct hvp_event *ev)
{
    bool taken;

    pthread_mutex_lock(&vm->lock);
    taken = event_queue_take(&vm->events, ev);
    pthread_mutex_unlock(&vm->lock);
    return taken;
}

int lv_event_next(void *p, struct hvp_event *ev, struct hvp_error *err)
{
    struct lv_vm *vm = p;

    if (take(vm, ev))
        return 0;
    lv_events_collect(vm);
    return take(vm, ev) ? 0 : hvp_fail(err, EAGAIN, "no event");
}
