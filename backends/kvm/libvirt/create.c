/* SPDX-License-Identifier: Apache-2.0 */
/* Making a VM: a transient domain, which the daemon keeps when this process goes. */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/file.h"
#include "common/util.h"
#include "kvm/binary.h"
#include "kvm/memory.h"
#include "kvm/saved.h"
#include "lv.h"

#define CAP(name) (UINT64_C(1) << (name))
/* What serving a tree of files with foreign owners takes. */
#define FILE_CAPS (CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER))

static int describe(struct lv_vm *vm, const struct hvp_vm_spec *spec, struct xml *x,
                    struct hvp_error *err)
{
    struct lv_config *config = &vm->inst->config;
    struct lv_domain d = {.spec = spec, .config = config};
    char emulator[BINARY_PATH_MAX], firmware[BINARY_PATH_MAX], note[256];
    struct accel_facts facts;

    accel_gather(&facts);
    if (lv_machine(vm->inst, spec->machine, &d.machine, err) < 0 ||
        accel_choose(config->kvm.accel, d.machine->arch, &facts, &d.accel, note, sizeof(note),
                     err) < 0 ||
        binary_find(config->kvm.qemu ? config->kvm.qemu : d.machine->qemu, emulator,
                    sizeof(emulator), err) < 0 ||
        machine_check_kernel(d.machine, spec->kernel, err) < 0)
        return err->code;
    d.emulator = emulator;
    d.firmware =
        machine_firmware(d.machine, config->kvm.firmware, d.accel, firmware, sizeof(firmware));
    d.as_root = geteuid() == 0; /* a user's own daemon can make QEMU nobody else */
    return lv_domain_xml(x, &d, err);
}

static int define(struct lv_call *c)
{
    c->ret_dom = virDomainCreateXML(c->conn, c->text, VIR_DOMAIN_START_PAUSED);
    return c->ret_dom ? 0 : -1;
}

static int make_devices(struct lv_vm *vm, const struct hvp_vm_spec *spec, struct hvp_error *err)
{
    for (size_t i = 0; i < spec->n_devices; i++) {
        const struct hvp_device *dev = spec->devices[i];
        struct lv_place at = lv_cold_place(i);

        if (lv_device_check(dev, err) < 0 || !lv_device_add(vm, dev, &at, err) ||
            (dev->kind == HVP_DEV_DISK &&
             lv_secret_make(vm, (const struct hvp_disk *)dev, err) < 0))
            return err->code;
    }
    vm->next_number = (unsigned)spec->n_devices;
    return 0;
}

static uint64_t caps_of(pid_t pid)
{
    char path[64], text[4096], *at;

    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    if (file_read_text(path, text, sizeof(text)) < 0)
        return UINT64_MAX; /* not to be seen, so nothing to be said */
    at = strstr(text, "CapEff:");
    return at ? strtoull(at + strlen("CapEff:"), NULL, 16) : UINT64_MAX;
}

/* Without them the container sees files that it cannot open, long after the start. */
static int check_rights(const struct lv_vm *vm, const struct hvp_vm_spec *spec,
                        struct hvp_error *err)
{
    bool share = false;

    for (size_t i = 0; i < spec->n_devices; i++)
        share = share || spec->devices[i]->kind == HVP_DEV_SHARE;
    if (!share || vm->pid <= 0 || geteuid() != 0 || (caps_of(vm->pid) & FILE_CAPS) == FILE_CAPS)
        return 0;
    return hvp_fail(err, EPERM,
                    "libvirt has taken from QEMU the capabilities that serving the container's "
                    "files takes: set 'clear_emulator_capabilities = 0' in its qemu.conf and "
                    "restart its daemon");
}

static void note_process(struct lv_vm *vm)
{
    vm->pid = lv_find_pid(vm->uuid);
    if (vm->pid > 0)
        vm->pidfd = (int)syscall(SYS_pidfd_open, vm->pid, 0); /* CLOEXEC by definition */
}

/* Who has named a resource partition wants libvirt's cgroups, others those that the engine reads.
 */
static int enter_cgroups(const struct lv_vm *vm, struct hvp_error *err)
{
    const struct hvp_host *host = vm->inst->host;

    if (vm->pid <= 0 || vm->inst->config.partition || !HVP_HAS(host, struct hvp_host, adopt) ||
        !host->adopt)
        return 0;
    return host->adopt(host->cookie, vm->pid, err);
}

/* dir NULL = a new VM, else one from what was saved there. */
static int create(struct lv_vm *vm, const struct hvp_vm_spec *spec, const char *dir,
                  const struct deadline *d, struct hvp_error *err)
{
    struct hvp_vm_spec as_saved = *spec;
    struct xml x = {0};
    int r;

    if (strlen(spec->run_dir) > HVP_RUN_DIR_MAX)
        return hvp_fail(err, ENAMETOOLONG, "run_dir has more than %d bytes", HVP_RUN_DIR_MAX);
    vm->run_dir = strdup(spec->run_dir);
    vm->console_log = strdup(spec->console_log);
    vm->n_channels = spec->n_channels;
    vm->memory = spec->memory;
    vm->memory_max = spec->memory_max;
    vm->memory_room = memory_room(spec);
    vm->vcpus = spec->vcpus;
    vm->vcpus_max = spec->vcpus_max;
    if (dir)
        as_saved.vcpus = saved_vcpus(dir, spec->vcpus, spec->vcpus_max);
    vm->vcpus_now = as_saved.vcpus;
    if (!vm->run_dir || !vm->console_log)
        return hvp_fail(err, ENOMEM, "out of memory for a VM");
    if (describe(vm, &as_saved, &x, err) < 0 || lv_connect(vm->inst, d, err) < 0 ||
        make_devices(vm, spec, err) < 0) {
        xml_done(&x);
        return err->code;
    }
    r = dir ? lv_restore(vm, dir, x.text, d, err)
            : lv_call_domain(vm, define, x.text, d, "create the domain", err);
    xml_done(&x);
    if (r < 0)
        return r;
    note_process(vm);
    if (lv_events_watch(vm, err) < 0 || check_rights(vm, spec, err) < 0)
        return err->code;
    return enter_cgroups(vm, err);
}

static int make_vm(struct lv_inst *in, const struct hvp_vm_spec *spec, const char *dir,
                   uint32_t timeout_ms, void **ret, struct hvp_error *err)
{
    struct deadline d = deadline_start(in->host, timeout_ms);
    struct lv_vm *vm = lv_vm_new(in, spec->uuid, err);
    struct hvp_error ignored = {.struct_size = sizeof(ignored)};

    if (!vm)
        return err->code;
    if (create(vm, spec, dir, &d, err) < 0) {
        if (vm->dom)
            (void)lv_vm_destroy(vm, HVP_NO_TIMEOUT, &ignored);
        lv_secrets_remove(vm, NULL);
        lv_vm_close(vm);
        return err->code;
    }
    *ret = vm;
    return 0;
}

int lv_vm_create(void *inst, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **vm,
                 struct hvp_error *err)
{
    return make_vm(inst, spec, NULL, timeout_ms, vm, err);
}

int lv_vm_restore(void *inst, const struct hvp_vm_spec *spec, const char *dir, uint32_t flags,
                  uint32_t timeout_ms, void **vm, struct hvp_error *err)
{
    if (flags != 0)
        return hvp_fail(err, EINVAL, "unknown flags %#x for a restore", flags);
    return make_vm(inst, spec, dir, timeout_ms, vm, err);
}
