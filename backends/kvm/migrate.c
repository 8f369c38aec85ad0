/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A paused VM's state as one file of a directory, with its memory in it or, of a template, beside
 * it (template.c); and VMs made from it.  Both are only read by a restore, so any number may go on
 * at once.  QEMU refuses to save while the guest has a 9p share mounted.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "binary.h"
#include "common/util.h"
#include "key.h"
#include "kvm.h"
#include "saved.h"

#define STATE_NAME "state"
#define FD_NAME "state"
/* QEMU's default of 128 MiB/s is for networks. */
#define BANDWIDTH (INT64_C(1) << 40)

void kvm_on_migration(struct kvm_vm *vm, const char *status)
{
    if (strcmp(status, "completed") == 0)
        vm->migration = MIGRATION_DONE;
    else if (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0)
        vm->migration = MIGRATION_FAILED;
}

static void add_capability(struct json_object *list, const char *name, bool on)
{
    struct json_object *one = json_object_new_object();

    json_object_object_add(one, "capability", json_object_new_string(name));
    json_object_object_add(one, "state", json_object_new_boolean(on));
    json_object_array_add(list, one);
}

/* Progress as events instead of polling query-migrate.  beside: memory is not in the file. */
static int prepare(struct kvm_vm *vm, int fd, bool beside, const struct deadline *d,
                   struct hvp_error *err)
{
    struct json_object *list = json_object_new_array(), *args = json_object_new_object(),
                       *speed = json_object_new_object();

    add_capability(list, "events", true);
    add_capability(list, "x-ignore-shared", beside);
    json_object_object_add(args, "capabilities", list);
    json_object_object_add(speed, "max-bandwidth", json_object_new_int64(BANDWIDTH));
    vm->migration = MIGRATION_RUNNING;
    if (kvm_qmp(vm, "migrate-set-capabilities", args, NULL, d, err) < 0) {
        json_object_put(speed);
        return err->code;
    }
    if (kvm_qmp(vm, "migrate-set-parameters", speed, NULL, d, err) < 0)
        return err->code;
    args = json_object_new_object();
    json_object_object_add(args, "fdname", json_object_new_string(FD_NAME));
    return kvm_qmp_fd(vm, "getfd", args, fd, NULL, d, err);
}

static int run(struct kvm_vm *vm, const char *command, const struct deadline *d,
               struct hvp_error *err)
{
    struct json_object *args = json_object_new_object(), *info = NULL;

    json_object_object_add(args, "uri", json_object_new_string("fd:" FD_NAME));
    if (kvm_qmp(vm, command, args, NULL, d, err) < 0 || kvm_wait_migrated(vm, d, err) < 0)
        return err->code;
    if (vm->migration == MIGRATION_DONE)
        return 0;
    if (kvm_qmp(vm, "query-migrate", NULL, &info, d, err) < 0)
        return err->code;
    hvp_fail(err, EIO, "QEMU's '%s' failed: %s", command,
             qmp_text(info, "error-desc", "no reason given"));
    json_object_put(info);
    return err->code;
}

/*
 * The "completed" event comes a moment before QEMU leaves its state "finish-migrate", in which it
 * refuses to resume.  No event tells the rest: ask until it has; each answer waits for the lock
 * that QEMU's migration thread needs just then.
 */
static int wait_settled(struct kvm_vm *vm, const struct deadline *d, struct hvp_error *err)
{
    for (;;) {
        struct json_object *o = NULL;
        bool settled;

        if (kvm_qmp(vm, "query-status", NULL, &o, d, err) < 0)
            return err->code;
        settled = strcmp(qmp_text(o, "status", ""), "finish-migrate") != 0;
        json_object_put(o);
        if (settled)
            return 0;
        if (deadline_left_ms(d) == 0)
            return hvp_fail(err, ETIMEDOUT, "QEMU does not finish saving the VM");
    }
}

static int open_state(const char *dir, int flags, int *ret, struct hvp_error *err)
{
    cleanup_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dirfd < 0)
        return hvp_fail(err, errno, "open '%.300s': %m", dir);
    *ret = openat(dirfd, STATE_NAME, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*ret < 0)
        return hvp_fail(err, errno, "open '%.300s/" STATE_NAME "': %m", dir);
    return 0;
}

static void remove_state(const char *dir)
{
    cleanup_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dirfd >= 0)
        unlinkat(dirfd, STATE_NAME, 0);
}

int kvm_vm_save(void *p, const char *dir, uint32_t flags, uint32_t timeout_ms,
                struct hvp_error *err)
{
    struct kvm_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    bool beside = vm->template_dir && strcmp(dir, vm->template_dir) == 0;
    cleanup_close int fd = -1;

    kvm_events_collect(vm);
    if (flags != 0 || vm->state != HVP_VM_PAUSED)
        return hvp_fail(err, EINVAL, "only a paused VM can be saved");
    if (open_state(dir, O_WRONLY | O_CREAT | O_EXCL, &fd, err) < 0)
        return err->code;
    if (saved_vcpus_note(dir, vm->vcpus, vm->vcpus_now, err) < 0 ||
        prepare(vm, fd, beside, &d, err) < 0 || run(vm, "migrate", &d, err) < 0 ||
        wait_settled(vm, &d, err) < 0) {
        remove_state(dir);
        return err->code;
    }
    return 0;
}

int kvm_migrate_in(struct kvm_vm *vm, const char *dir, const struct deadline *d,
                   struct hvp_error *err)
{
    cleanup_close int fd = -1;

    if (open_state(dir, O_RDONLY, &fd, err) < 0 || prepare(vm, fd, vm->clone, d, err) < 0 ||
        run(vm, "migrate-incoming", d, err) < 0)
        return err->code;
    vm->state = HVP_VM_PAUSED;
    return 0;
}

/* Everything that QEMU compares when it loads a state, and what the guest has in its memory. */
int kvm_template_key(void *inst, const struct hvp_vm_spec *spec, char *buf, size_t len,
                     struct hvp_error *err)
{
    struct kvm_inst *in = inst;
    const struct kvm_config *k = &in->config;
    char path[BINARY_PATH_MAX], build[80], note[256];
    const struct machine *m;
    enum accel accel;

    if (kvm_machine(in, spec->machine, &m, err) < 0 || kvm_accel(in, &accel, note, 256, err) < 0 ||
        binary_find(k->qemu ? k->qemu : m->qemu, path, sizeof(path), err) < 0 ||
        binary_build_id(path, build, sizeof(build), err) < 0)
        return err->code;
    return key_text("kvm1", k, m->name, build, accel, spec, buf, len, err);
}
