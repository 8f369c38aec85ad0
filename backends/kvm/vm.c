/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One VM: a QEMU process made from a description, its control channel and its life.  QEMU gets
 * listening sockets, not connected ones: a channel can be opened again, also by another process.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include "binary.h"
#include "cmdline.h"
#include "common/file.h"
#include "common/util.h"
#include "confine.h"
#include "device.h"
#include "disk.h"
#include "kvm.h"
#include "saved.h"
#include "tsc.h"
#include "vsock.h"

#define FD_MAPS_MAX 64
#define FILES_MAX (1u << 20) /* open files of one QEMU */

/* Everything that lives only while QEMU is being started. */
struct launch {
    struct cmdline c;
    struct args args;
    struct hvp_fd_map maps[FD_MAPS_MAX];
    size_t n_maps;
    int owned[FD_MAPS_MAX]; /* descriptors to close once QEMU has them */
    size_t n_owned;
    uint32_t cids[FD_MAPS_MAX];
    size_t n_cids;
    char qemu[BINARY_PATH_MAX], firmware[BINARY_PATH_MAX];
    struct kvm_memory_file memory;
};

static int run_path(const struct kvm_vm *vm, const char *name, char *buf, size_t len,
                    struct hvp_error *err)
{
    if ((size_t)snprintf(buf, len, "%s/%s", vm->run_dir, name) >= len)
        return hvp_fail(err, ENAMETOOLONG, "'%.200s/%s' is too long", vm->run_dir, name);
    return 0;
}

static int map_fd(struct launch *l, int fd, int child_fd, bool ours, struct hvp_error *err)
{
    if (l->n_maps == FD_MAPS_MAX) {
        if (ours)
            close(fd);
        return hvp_fail(err, ENOSPC, "the VM's devices need more than %d descriptors", FD_MAPS_MAX);
    }
    l->maps[l->n_maps++] = (struct hvp_fd_map){.parent_fd = fd, .child_fd = child_fd};
    if (ours)
        l->owned[l->n_owned++] = fd;
    return 0;
}

static int make_socket(struct kvm_vm *vm, struct launch *l, const char *name, int child_fd,
                       struct hvp_error *err)
{
    char path[HVP_RUN_DIR_MAX + 64];
    int fd;

    if (run_path(vm, name, path, sizeof(path), err) < 0 || file_listen(path, &fd, err) < 0)
        return err->code;
    return map_fd(l, fd, child_fd, true, err);
}

/* Opened here: its directory is none that QEMU should see. */
static int open_console_log(struct launch *l, struct hvp_error *err)
{
    int fd;

    if (!l->c.spec->console_log[0])
        return 0;
    if (file_open_log(l->c.spec->console_log, &fd, err) < 0)
        return err->code;
    return map_fd(l, fd, CMDLINE_FD_CONSOLE_LOG, true, err);
}

static int make_vsock_channel(struct kvm_vm *vm, struct launch *l, struct hvp_error *err)
{
    int fd;

    if (vsock_listen(&vm->vsock_cid, &fd, &vm->listen_fd, err) < 0)
        return err->code;
    l->c.channel_cid = vm->vsock_cid;
    return map_fd(l, fd, CMDLINE_FD_AGENT, true, err);
}

static int make_serial_channels(struct kvm_vm *vm, struct launch *l, struct hvp_error *err)
{
    char name[32];

    for (uint32_t i = 0; i < l->c.spec->n_channels && i < KVM_MAX_CHANNELS; i++) {
        snprintf(name, sizeof(name), "agent%u.sock", i);
        if (make_socket(vm, l, name, CMDLINE_FD_AGENT + (int)i, err) < 0)
            return err->code;
    }
    return 0;
}

static int make_channels(struct kvm_vm *vm, struct launch *l, struct hvp_error *err)
{
    char path[HVP_RUN_DIR_MAX + 64];
    int log;

    if (run_path(vm, KVM_LOG_NAME, path, sizeof(path), err) < 0 ||
        file_open_log(path, &log, err) < 0 || map_fd(l, log, 1, true, err) < 0 ||
        map_fd(l, log, 2, false, err) < 0 ||
        make_socket(vm, l, KVM_QMP_NAME, CMDLINE_FD_QMP, err) < 0 ||
        make_socket(vm, l, KVM_CONSOLE_NAME, CMDLINE_FD_CONSOLE, err) < 0 ||
        open_console_log(l, err) < 0)
        return err->code;
    return l->c.config->channel == KVM_CHANNEL_VSOCK ? make_vsock_channel(vm, l, err)
                                                     : make_serial_channels(vm, l, err);
}

static int map_taps(struct launch *l, const struct hvp_nic *nic, int *child_fd,
                    struct hvp_error *err)
{
    for (uint32_t q = 0; q < nic->queues; q++)
        if (map_fd(l, nic->tap_fds[q], (*child_fd)++, false, err) < 0)
            return err->code;
    return 0;
}

static int map_vsock(struct launch *l, const struct hvp_vsock *v, int *child_fd,
                     struct hvp_error *err)
{
    int fd;

    if (l->n_cids == FD_MAPS_MAX)
        return hvp_fail(err, ENOSPC, "too many vsock devices");
    if (vsock_claim(v->cid, &l->cids[l->n_cids], &fd, err) < 0 ||
        map_fd(l, fd, (*child_fd)++, true, err) < 0)
        return err->code;
    l->n_cids++;
    return 0;
}

static int map_secret(struct launch *l, const struct hvp_disk *k, int *child_fd,
                      struct hvp_error *err)
{
    int fd;

    if (!k->secret_file)
        return 0;
    if (disk_secret_open(k, &fd, err) < 0)
        return err->code;
    return map_fd(l, fd, (*child_fd)++, true, err);
}

/* Descriptors of the devices, in the order in which cmdline.c counts them. */
static int collect_device_fds(struct launch *l, struct hvp_error *err)
{
    int child_fd = CMDLINE_FD_DEVICES, r = 0;

    for (size_t i = 0; i < l->c.spec->n_devices && r == 0; i++) {
        const struct hvp_device *dev = l->c.spec->devices[i];

        r = device_check(dev, err);
        if (r == 0 && dev->kind == HVP_DEV_NIC)
            r = map_taps(l, (const struct hvp_nic *)dev, &child_fd, err);
        else if (r == 0 && dev->kind == HVP_DEV_VSOCK)
            r = map_vsock(l, (const struct hvp_vsock *)dev, &child_fd, err);
        else if (r == 0 && dev->kind == HVP_DEV_DISK)
            r = map_secret(l, (const struct hvp_disk *)dev, &child_fd, err);
    }
    l->c.cids = l->cids;
    return r;
}

static int choose(struct kvm_inst *in, struct launch *l, struct hvp_error *err)
{
    struct kvm_config *k = &in->config;
    char note[256];

    l->c.config = k;
    if (kvm_machine(in, l->c.spec->machine, &l->c.machine, err) < 0 ||
        kvm_accel(in, &l->c.accel, note, sizeof(note), err) < 0 ||
        binary_find(k->qemu ? k->qemu : l->c.machine->qemu, l->qemu, sizeof(l->qemu), err) < 0 ||
        machine_check_kernel(l->c.machine, l->c.spec->kernel, err) < 0)
        return err->code;
    l->c.qemu = l->qemu;
    l->c.privileged = geteuid() == 0;
    l->c.firmware =
        machine_firmware(l->c.machine, k->firmware, l->c.accel, l->firmware, sizeof(l->firmware));
    if (l->c.machine->has_tsc && l->c.accel == ACCEL_TCG && !l->c.incoming) {
        l->c.tsc_khz = tsc_khz();
        l->c.tsc_reliable = tsc_is_reliable();
    }
    return 0;
}

static int spawn(struct kvm_vm *vm, struct launch *l, struct hvp_error *err)
{
    const struct hvp_host *host = vm->inst->host;
    struct rlimit files = {0};
    int32_t pid;
    int pidfd, r;

    if (!host->spawn)
        return hvp_fail(err, ENOSYS, "this core cannot start programs");
    /* Each file that the guest has open through the share is one of QEMU's. */
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_max = files.rlim_max < FILES_MAX ? files.rlim_max : FILES_MAX;
    const struct hvp_rlimit limit = {
        .resource = RLIMIT_NOFILE, .soft = files.rlim_max, .hard = files.rlim_max};
    struct hvp_spawn what = {.struct_size = sizeof(what),
                             .argv = (const char *const *)l->args.v,
                             .envp = l->memory.env[0] ? l->memory.env : NULL,
                             .cwd = vm->run_dir,
                             .fds = l->maps,
                             .n_fds = l->n_maps,
                             .rlimits = &limit,
                             .n_rlimits = files.rlim_max ? 1 : 0,
                             .death_signal = SIGKILL};

    confine(&what, &l->c);
    if (cmdline_small_pages(&l->c))
        what.flags |= HVP_SPAWN_SMALL_PAGES;
    r = host->spawn(host->cookie, &what, &pid, &pidfd, err);
    if (r < 0)
        return r;
    vm->has_network = !(what.flags & HVP_SPAWN_PRIVATE) || what.flags & HVP_SPAWN_HOST_NET;
    return child_adopt(&vm->child, pid, pidfd, l->c.spec->uuid, err);
}

static int launch(struct kvm_vm *vm, const struct hvp_vm_spec *spec, const char *dir,
                  const struct deadline *d, struct hvp_error *err)
{
    struct launch l = {.c = {.spec = spec, .incoming = dir != NULL}};
    int r = choose(vm->inst, &l, err);

    if (r == 0)
        r = kvm_memory_choose(vm, &l.c, dir, &l.memory, d, err);
    if (r == 0)
        r = make_channels(vm, &l, err);
    if (r == 0)
        r = collect_device_fds(&l, err);
    if (r == 0)
        r = cmdline_build(&l.args, &l.c, err);
    if (r == 0)
        r = spawn(vm, &l, err);
    /* Ours are closed here, so that QEMU's death is seen as the end of each connection. */
    for (size_t i = 0; i < l.n_owned; i++)
        close(l.owned[i]);
    if (r == 0 && l.c.machine->root_ports)
        vm->root_ports = vm->inst->config.hotplug_ports;
    args_done(&l.args);
    return r;
}

/* -netdev has no word for "no carrier", so it is said before the first guest instruction. */
static int settle_devices(struct kvm_vm *vm, const struct hvp_vm_spec *spec,
                          const struct deadline *d, struct hvp_error *err)
{
    for (size_t i = 0; i < spec->n_devices; i++) {
        struct kvm_device *dev = kvm_device_add(vm, spec->devices[i]);

        if (!dev)
            return hvp_fail(err, ENOMEM, "out of memory for device '%s'", spec->devices[i]->tag);
        if (dev->kind == HVP_DEV_DISK &&
            kvm_disk_check_alone(vm, (const struct hvp_disk *)spec->devices[i], d, err) < 0)
            return err->code;
        if (dev->kind == HVP_DEV_SHARE)
            snprintf(dev->addr, sizeof(dev->addr), "tag:%s", dev->tag);
        else
            snprintf(dev->addr, sizeof(dev->addr), "pci:0000:00:%02x.0", cmdline_slot(i));
        if (dev->kind == HVP_DEV_NIC && spec->devices[i]->flags & HVP_F_LINK_DOWN &&
            kvm_device_update(vm, spec->devices[i], (uint32_t)deadline_left_ms(d), err) < 0)
            return err->code;
    }
    return 0;
}

struct kvm_vm *kvm_vm_new(struct kvm_inst *in, struct hvp_error *err)
{
    struct kvm_vm *vm = calloc(1, sizeof(*vm));

    if (!vm) {
        hvp_fail(err, ENOMEM, "out of memory for a VM");
        return NULL;
    }
    vm->inst = in;
    vm->child = (struct child)CHILD_INIT;
    vm->epoll_fd = vm->listen_fd = -1;
    vm->events = (struct event_queue)EVENT_QUEUE_INIT;
    qmp_init(&vm->qmp, -1, kvm_on_event, vm);
    if (kvm_events_init(vm, err) < 0) {
        kvm_vm_close(vm);
        return NULL;
    }
    return vm;
}

/* dir NULL = a new VM, else one from what was saved there. */
static int create(struct kvm_vm *vm, const struct hvp_vm_spec *spec, const char *dir,
                  uint32_t timeout_ms, struct hvp_error *err)
{
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);
    struct hvp_vm_spec as_saved = *spec;

    if (strlen(spec->run_dir) > HVP_RUN_DIR_MAX)
        return hvp_fail(err, ENAMETOOLONG, "run_dir has more than %d bytes", HVP_RUN_DIR_MAX);
    vm->run_dir = strdup(spec->run_dir);
    vm->console_log = strdup(spec->console_log);
    if (!vm->run_dir || !vm->console_log)
        return hvp_fail(err, ENOMEM, "out of memory for a VM");
    vm->state = HVP_VM_CREATED;
    vm->memory = spec->memory;
    vm->memory_max = spec->memory_max;
    vm->vcpus = spec->vcpus;
    vm->vcpus_max = spec->vcpus_max;
    if (dir)
        as_saved.vcpus = saved_vcpus(dir, spec->vcpus, spec->vcpus_max);
    vm->vcpus_now = as_saved.vcpus;
    vm->n_channels = spec->n_channels;
    if (launch(vm, &as_saved, dir, &d, err) < 0 || kvm_qmp_connect(vm, &d, err) < 0 ||
        kvm_events_watch(vm, err) < 0 || (dir && kvm_migrate_in(vm, dir, &d, err) < 0) ||
        settle_devices(vm, spec, &d, err) < 0)
        return err->code;
    return 0;
}

static int make_vm(struct kvm_inst *in, const struct hvp_vm_spec *spec, const char *dir,
                   uint32_t timeout_ms, void **ret, struct hvp_error *err)
{
    struct kvm_vm *vm = kvm_vm_new(in, err);
    struct hvp_error ignored = {.struct_size = sizeof(ignored)};

    if (!vm)
        return err->code;
    if (create(vm, spec, dir, timeout_ms, err) < 0) {
        kvm_vm_destroy(vm, HVP_NO_TIMEOUT, &ignored); /* SIGKILL: QEMU cannot refuse */
        kvm_vm_close(vm);
        return err->code;
    }
    *ret = vm;
    return 0;
}

int kvm_vm_create(void *inst, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **vm,
                  struct hvp_error *err)
{
    return make_vm(inst, spec, NULL, timeout_ms, vm, err);
}

int kvm_vm_restore(void *inst, const struct hvp_vm_spec *spec, const char *dir, uint32_t flags,
                   uint32_t timeout_ms, void **vm, struct hvp_error *err)
{
    if (flags != 0)
        return hvp_fail(err, EINVAL, "unknown flags %#x for a restore", flags);
    return make_vm(inst, spec, dir, timeout_ms, vm, err);
}

int kvm_vm_start(void *p, uint32_t timeout_ms, struct hvp_error *err)
{
    struct kvm_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);

    if (vm->state != HVP_VM_CREATED)
        return hvp_fail(err, EINVAL, "the VM was started before");
    if (kvm_qmp(vm, "cont", NULL, NULL, &d, err) < 0)
        return err->code;
    if (vm->state == HVP_VM_CREATED)
        vm->state = HVP_VM_RUNNING;
    return 0;
}

static int pause_or_resume(struct kvm_vm *vm, const char *command, uint32_t state,
                           uint32_t timeout_ms, struct hvp_error *err)
{
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);

    kvm_events_collect(vm);
    if (vm->state != HVP_VM_RUNNING && vm->state != HVP_VM_PAUSED)
        return hvp_fail(err, EINVAL, "the VM does not run");
    if (kvm_qmp(vm, command, NULL, NULL, &d, err) < 0)
        return err->code;
    if (vm->state == HVP_VM_RUNNING || vm->state == HVP_VM_PAUSED)
        vm->state = state;
    return 0;
}

int kvm_vm_pause(void *vm, uint32_t timeout_ms, struct hvp_error *err)
{
    return pause_or_resume(vm, "stop", HVP_VM_PAUSED, timeout_ms, err);
}

int kvm_vm_resume(void *vm, uint32_t timeout_ms, struct hvp_error *err)
{
    return pause_or_resume(vm, "cont", HVP_VM_RUNNING, timeout_ms, err);
}

int kvm_vm_destroy(void *p, uint32_t timeout_ms, struct hvp_error *err)
{
    struct kvm_vm *vm = p;
    struct deadline d = deadline_start(vm->inst->host, timeout_ms);

    d.cancel_fd = -1;       /* to destroy is what core does after it has cancelled */
    kvm_events_collect(vm); /* an end that came before us is still an event */
    if (child_kill(&vm->child, &d, err) < 0)
        return err->code;
    if (!vm->end_told)
        vm->state = HVP_VM_STOPPED;
    vm->end_told = true;
    kvm_events_collect(vm); /* the descriptor has nothing more to say */
    return 0;
}

int kvm_vm_state(void *p, uint32_t *state, struct hvp_error *err)
{
    struct kvm_vm *vm = p;

    (void)err;
    kvm_events_collect(vm);
    *state = vm->state;
    return 0;
}

void kvm_vm_close(void *p)
{
    struct kvm_vm *vm = p;

    if (!vm)
        return;
    kvm_events_done(vm);
    qmp_done(&vm->qmp);
    child_done(&vm->child);
    while (vm->devices) {
        struct kvm_device *dev = vm->devices;

        vm->devices = dev->next;
        free(dev);
    }
    if (vm->listen_fd >= 0)
        close(vm->listen_fd);
    free(vm->run_dir);
    free(vm->console_log);
    free(vm->template_dir);
    free(vm);
}
