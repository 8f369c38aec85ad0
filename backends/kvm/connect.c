/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to a living QEMU: control channel, agent's ports, console. */
#include <errno.h>
#include <string.h>
#include "common/file.h"
#include "common/util.h"
#include "kvm.h"
#include "vsock.h"
#include "words.h"

#define LOG_TAIL 16384     /* the option that QEMU complains about stands before the reason */
#define LAST_WORDS_MS 1000 /* from a closed socket to the end of the process: some ms */

static int connect_to(struct kvm_vm *vm, const char *name, int *fd, struct hvp_error *err)
{
    char path[HVP_RUN_DIR_MAX + 64];

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", vm->run_dir, name) >= sizeof(path))
        return hvp_fail(err, ENAMETOOLONG, "'%.200s/%s' is too long", vm->run_dir, name);
    return file_connect(path, fd, err);
}

/* A closed control channel means that QEMU is ending: wait for it and pass on why. */
static int explain_end(struct kvm_vm *vm, struct hvp_error *err)
{
    struct deadline d = deadline_start(NULL, LAST_WORDS_MS);
    struct pollfd p = {.fd = vm->child.pidfd, .events = POLLIN};
    cleanup_free char *log = NULL;
    char how[64], line[300] = "", tail[LOG_TAIL];

    if (vm->child.pidfd < 0 || deadline_poll(&d, &p, 1) < 0 || !child_ended(&vm->child))
        return err->code;
    child_status_text(vm->child.status, how, sizeof(how));
    if (asprintf(&log, "%s/" KVM_LOG_NAME, vm->run_dir) >= 0) {
        if (file_read_tail(log, tail, sizeof(tail)) > 0 && words_of_disk(tail, line, sizeof(line)))
            return hvp_fail(err, EIO, "%s", line);
        file_last_line(log, line, sizeof(line));
    }
    return hvp_fail(err, EPIPE, "QEMU ended (%s)%s%s", how, line[0] ? ": " : "", line);
}

int kvm_qmp_connect(struct kvm_vm *vm, const struct deadline *d, struct hvp_error *err)
{
    int fd;

    if (connect_to(vm, KVM_QMP_NAME, &fd, err) < 0)
        return err->code == -ECONNREFUSED ? explain_end(vm, err) : err->code;
    qmp_done(&vm->qmp);
    qmp_init(&vm->qmp, fd, kvm_on_event, vm);
    if (qmp_hello(&vm->qmp, d, err) < 0)
        return err->code == -EPIPE ? explain_end(vm, err) : err->code;
    return 0;
}

/* A VM that was opened again connects when a command needs it: its monitor may hold the channel. */
static int connected(struct kvm_vm *vm, const struct deadline *d, struct hvp_error *err)
{
    if (vm->qmp.fd >= 0)
        return 0;
    if (kvm_qmp_connect(vm, d, err) < 0) {
        qmp_done(&vm->qmp);
        return err->code;
    }
    return kvm_events_watch(vm, err);
}

static int finish(struct kvm_vm *vm, int r, struct hvp_error *err)
{
    kvm_events_mute(vm, false);
    return r == -EPIPE ? explain_end(vm, err) : r;
}

int kvm_qmp(struct kvm_vm *vm, const char *command, struct json_object *args,
            struct json_object **ret_reply, const struct deadline *d, struct hvp_error *err)
{
    if (connected(vm, d, err) < 0) {
        json_object_put(args);
        return err->code;
    }
    kvm_events_mute(vm, true);
    return finish(vm, qmp_run(&vm->qmp, command, args, ret_reply, d, err), err);
}

int kvm_qmp_fd(struct kvm_vm *vm, const char *command, struct json_object *args, int fd,
               struct json_object **ret_reply, const struct deadline *d, struct hvp_error *err)
{
    if (connected(vm, d, err) < 0) {
        json_object_put(args);
        return err->code;
    }
    kvm_events_mute(vm, true);
    return finish(vm, qmp_run_fd(&vm->qmp, command, args, fd, ret_reply, d, err), err);
}

/* Take events in until ready() says so; core's poll does not see them meanwhile. */
static int wait_until(struct kvm_vm *vm, bool (*ready)(const void *), const void *what,
                      const struct deadline *d)
{
    int r = 0;

    kvm_events_mute(vm, true);
    qmp_drain(&vm->qmp);
    while (!ready(what) && !vm->qmp.dead && r == 0) {
        struct pollfd p = {.fd = vm->qmp.fd, .events = POLLIN};

        r = deadline_poll(d, &p, 1);
        qmp_drain(&vm->qmp);
    }
    kvm_events_mute(vm, false);
    if (ready(what))
        return 0;
    return r < 0 ? r : -EPIPE;
}

static bool is_unplugged(const void *dev)
{
    return ((const struct kvm_device *)dev)->unplugged;
}

int kvm_wait_unplugged(struct kvm_vm *vm, struct kvm_device *dev, const struct deadline *d,
                       struct hvp_error *err)
{
    int r = wait_until(vm, is_unplugged, dev, d);

    if (r == -ECANCELED)
        return hvp_fail(err, ECANCELED, "given up waiting for device '%s'", dev->tag);
    if (r < 0)
        return hvp_fail(err, EBUSY, "the guest does not let go of device '%s'", dev->tag);
    return 0;
}

static bool is_sized(const void *p)
{
    const struct kvm_vm *vm = p;

    return vm->memory_more == vm->memory_wanted;
}

int kvm_wait_memory(struct kvm_vm *vm, const struct deadline *d, struct hvp_error *err)
{
    int r = wait_until(vm, is_sized, vm, d);

    if (r == 0)
        return 0;
    hvp_fail(err, -r, "wait for the guest to change its memory: %s", strerror(-r));
    return r == -EPIPE ? explain_end(vm, err) : r;
}

static bool is_migrated(const void *p)
{
    const struct kvm_vm *vm = p;

    return vm->migration == MIGRATION_DONE || vm->migration == MIGRATION_FAILED;
}

int kvm_wait_migrated(struct kvm_vm *vm, const struct deadline *d, struct hvp_error *err)
{
    int r = wait_until(vm, is_migrated, vm, d);

    if (r == 0)
        return 0;
    hvp_fail(err, -r, "the VM's state is not through: %s", strerror(-r));
    return r == -EPIPE ? explain_end(vm, err) : r;
}

int kvm_agent_open(void *p, uint32_t port, uint32_t timeout_ms, int *fd, struct hvp_error *err)
{
    struct kvm_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    char name[32];

    if (port >= vm->n_channels)
        return hvp_fail(err, EINVAL, "the VM has %u channels, there is no port %u", vm->n_channels,
                        port);
    if (vm->listen_fd >= 0) {
        if (vsock_accept(vm->listen_fd, vm->vsock_cid, vm->child.pidfd, &d, fd, err) < 0)
            return err->code == -EPIPE ? explain_end(vm, err) : err->code;
        return 0;
    }
    /* QEMU's backlog takes the connection at once. */
    snprintf(name, sizeof(name), "agent%u.sock", port);
    if (connect_to(vm, name, fd, err) < 0)
        return err->code == -ECONNREFUSED ? explain_end(vm, err) : err->code;
    return 0;
}

int kvm_console_open(void *p, uint32_t timeout_ms, int *fd, struct hvp_error *err)
{
    struct kvm_vm *vm = p;

    (void)timeout_ms;
    return connect_to(vm, KVM_CONSOLE_NAME, fd, err);
}
