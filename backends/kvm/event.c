/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What QEMU and its process tell, as events of the ABI.  One epoll descriptor stands for three
 * sources, so that core polls a single one: QMP, the process, and a queue of what was read in
 * passing while a command ran.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include "common/file.h"
#include "common/util.h"
#include "kvm.h"

int kvm_events_init(struct kvm_vm *vm, struct hvp_error *err)
{
    struct epoll_event e = {.events = EPOLLIN};

    if (event_queue_init(&vm->events, err) < 0)
        return err->code;
    vm->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (vm->epoll_fd < 0 || epoll_ctl(vm->epoll_fd, EPOLL_CTL_ADD, vm->events.fd, &e) < 0)
        return hvp_fail(err, errno, "make the event descriptor: %m");
    return 0;
}

int kvm_events_watch(struct kvm_vm *vm, struct hvp_error *err)
{
    struct epoll_event e = {.events = EPOLLIN};

    if (epoll_ctl(vm->epoll_fd, EPOLL_CTL_ADD, vm->child.pidfd, &e) < 0 ||
        (vm->qmp.fd >= 0 && epoll_ctl(vm->epoll_fd, EPOLL_CTL_ADD, vm->qmp.fd, &e) < 0))
        return hvp_fail(err, errno, "watch QEMU: %m");
    return 0;
}

/* Stop watching what has nothing more to say, else the descriptor stays readable for ever. */
static void unwatch(struct kvm_vm *vm, int fd)
{
    if (fd >= 0)
        epoll_ctl(vm->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* ENOENT: it is not there, fine */
}

/* Replies to a command in progress are no reason to wake the core. */
void kvm_events_mute(struct kvm_vm *vm, bool mute)
{
    struct epoll_event e = {.events = mute ? 0 : EPOLLIN};

    if (vm->qmp.dead)
        unwatch(vm, vm->qmp.fd);
    else
        epoll_ctl(vm->epoll_fd, EPOLL_CTL_MOD, vm->qmp.fd, &e); /* ENOENT: not watched yet */
}

/* The VM has ended, told once, whoever notices first. */
static void ended(struct kvm_vm *vm, uint32_t kind, uint32_t state, int status, const char *msg)
{
    if (vm->end_told)
        return;
    vm->end_told = true;
    vm->state = state;
    event_queue_add(&vm->events, kind, status, msg);
}

/* A kernel that panics resets the machine (panic=-1); without a pvpanic driver, that is all. */
static void on_reset(struct kvm_vm *vm)
{
    char line[200], msg[256];

    if (!file_tail_line(vm->console_log ? vm->console_log : "", "Kernel panic", line,
                        sizeof(line))) {
        ended(vm, HVP_EVENT_RESET, HVP_VM_STOPPED, -1, "the guest reset itself");
        return;
    }
    snprintf(msg, sizeof(msg), "the guest's kernel panicked: %s", line);
    ended(vm, HVP_EVENT_PANIC, HVP_VM_CRASHED, -1, msg);
}

static void on_shutdown(struct kvm_vm *vm, const char *reason)
{
    if (strcmp(reason, "guest-reset") == 0)
        on_reset(vm);
    else if (strcmp(reason, "guest-panic") == 0)
        ended(vm, HVP_EVENT_PANIC, HVP_VM_CRASHED, -1, "the guest's kernel panicked");
    else if (strncmp(reason, "guest-", 6) == 0)
        ended(vm, HVP_EVENT_POWEROFF, HVP_VM_STOPPED, -1, "the guest powered off");
    else if (strcmp(reason, "host-signal") == 0)
        ended(vm, HVP_EVENT_KILLED, HVP_VM_CRASHED, -1, "a signal from the host ended QEMU");
    else
        ended(vm, HVP_EVENT_KILLED, HVP_VM_CRASHED, -1, "somebody on the host ended QEMU");
}

/* Ids are d-TAG (device_*); parts of a device come without an id. */
static void on_device_deleted(struct kvm_vm *vm, const char *id)
{
    struct kvm_device *dev = strncmp(id, "d-", 2) == 0 ? kvm_device_find(vm, id + 2) : NULL;

    if (dev)
        dev->unplugged = true;
}

void kvm_on_event(void *p, const char *name, struct json_object *data)
{
    struct kvm_vm *vm = p;

    if (strcmp(name, "SHUTDOWN") == 0)
        on_shutdown(vm, qmp_text(data, "reason", "guest-shutdown"));
    else if (strcmp(name, "GUEST_PANICKED") == 0)
        ended(vm, HVP_EVENT_PANIC, HVP_VM_CRASHED, -1, "the guest's kernel panicked");
    else if (strcmp(name, "DEVICE_DELETED") == 0)
        on_device_deleted(vm, qmp_text(data, "device", ""));
    else if (strcmp(name, "MIGRATION") == 0)
        kvm_on_migration(vm, qmp_text(data, "status", ""));
    else if (strcmp(name, "MEMORY_DEVICE_SIZE_CHANGE") == 0)
        kvm_on_memory(vm, data);
    else if (strcmp(name, "RESUME") == 0 && !vm->end_told)
        vm->state = HVP_VM_RUNNING;
    else if (strcmp(name, "STOP") == 0 && vm->state == HVP_VM_RUNNING)
        vm->state = HVP_VM_PAUSED;
}

/* QEMU ended without a word over QMP. */
static void on_exit_of_vmm(struct kvm_vm *vm)
{
    cleanup_free char *log = NULL;
    char how[64], line[160] = "", msg[256];
    int status = vm->child.status;
    bool killed = status != -1 && WIFSIGNALED(status) &&
                  (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM);

    child_status_text(status, how, sizeof(how));
    if (vm->run_dir && asprintf(&log, "%s/" KVM_LOG_NAME, vm->run_dir) >= 0)
        file_last_line(log, line, sizeof(line));
    snprintf(msg, sizeof(msg), "QEMU ended by itself: %s%s%s", how, line[0] ? "; it said: " : "",
             line);
    if (killed)
        snprintf(msg, sizeof(msg), "QEMU was killed: %s", how);
    ended(vm, killed ? HVP_EVENT_KILLED : HVP_EVENT_VMM_CRASH, HVP_VM_CRASHED, status, msg);
}

void kvm_events_collect(struct kvm_vm *vm)
{
    qmp_drain(&vm->qmp);
    if (vm->qmp.dead)
        unwatch(vm, vm->qmp.fd);
    if (!child_ended(&vm->child))
        return;
    unwatch(vm, vm->child.pidfd);
    qmp_drain(&vm->qmp); /* its last words may have come between the two looks */
    on_exit_of_vmm(vm);
}

int kvm_event_fd(void *p, int *fd, struct hvp_error *err)
{
    struct kvm_vm *vm = p;

    (void)err;
    *fd = vm->epoll_fd;
    return 0;
}

int kvm_event_next(void *p, struct hvp_event *ev, struct hvp_error *err)
{
    struct kvm_vm *vm = p;

    kvm_events_collect(vm);
    return event_queue_take(&vm->events, ev) ? 0 : hvp_fail(err, EAGAIN, "no event");
}

void kvm_events_done(struct kvm_vm *vm)
{
    event_queue_done(&vm->events);
    util_close_ptr(&vm->epoll_fd);
    vm->epoll_fd = -1;
}
