/* SPDX-License-Identifier: Apache-2.0 */
/* One VM: a transient domain, which the daemon keeps when this process goes. */
#include <errno.h>
#include <inttypes.h>
#include <libvirt/virterror.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "common/file.h"
#include "common/util.h"
#include "kvm/binary.h"
#include "lv.h"

#define CAP(name) (UINT64_C(1) << (name))
/* What serving a tree of files with foreign owners takes. */
#define FILE_CAPS (CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER))

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

/* QEMU's own words would be "could not load kernel", without what to do. */
static int check_kernel(const char *kernel, const char *arch, struct hvp_error *err)
{
    if (access(kernel, R_OK) == 0)
        return 0;
    return hvp_fail(err, errno,
                    "guest kernel '%.300s' for %s: %s; build its image with `cmake --build BUILD "
                    "--target guest-image-%s`",
                    kernel, arch, strerror(errno), arch);
}

static const char *choose_firmware(const struct lv_domain *d, char *buf, size_t len)
{
    const char *fw = d->config->kvm.firmware ? d->config->kvm.firmware : "auto";

    if (fw[0] == '/')
        return fw;
    if (strcmp(fw, "auto") == 0 && d->accel == ACCEL_TCG && d->machine->firmware_tcg[0] &&
        binary_find_data(d->machine->firmware_tcg, buf, len) == 0)
        return buf;
    return NULL;
}

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
        check_kernel(spec->kernel, d.machine->arch, err) < 0)
        return err->code;
    d.emulator = emulator;
    d.firmware = choose_firmware(&d, firmware, sizeof(firmware));
    d.as_root = lv_config_is_system(config);
    return lv_domain_xml(x, &d, err);
}

static int define(struct lv_call *c)
{
    c->ret_dom = virDomainCreateXML(c->conn, c->text, c->flags);
    return c->ret_dom ? 0 : -1;
}

/* Takes the text over. */
static int make_domain(struct lv_vm *vm, char *text, const struct deadline *d,
                       struct hvp_error *err)
{
    struct lv_call *c = lv_call_new(NULL, define, err);
    int r;

    if (!c) {
        free(text);
        return err->code;
    }
    virConnectRef(vm->inst->conn);
    c->conn = vm->inst->conn;
    c->text = text;
    c->flags = VIR_DOMAIN_START_PAUSED;
    r = lv_call_run(c, d, "create the domain", err);
    if (r == 0) {
        vm->dom = c->ret_dom;
        c->ret_dom = NULL;
    }
    lv_call_free(c);
    return r;
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
    if (!share || vm->pid <= 0 || !lv_config_is_system(&vm->inst->config) ||
        (caps_of(vm->pid) & FILE_CAPS) == FILE_CAPS)
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

static int create(struct lv_vm *vm, const struct hvp_vm_spec *spec, const struct deadline *d,
                  struct hvp_error *err)
{
    struct xml x = {0};

    if (strlen(spec->run_dir) > HVP_RUN_DIR_MAX)
        return hvp_fail(err, ENAMETOOLONG, "run_dir has more than %d bytes", HVP_RUN_DIR_MAX);
    vm->run_dir = strdup(spec->run_dir);
    vm->console_log = strdup(spec->console_log);
    vm->n_channels = spec->n_channels;
    if (!vm->run_dir || !vm->console_log)
        return hvp_fail(err, ENOMEM, "out of memory for a VM");
    if (describe(vm, spec, &x, err) < 0 || lv_connect(vm->inst, d, err) < 0 ||
        make_devices(vm, spec, err) < 0) {
        xml_done(&x);
        return err->code;
    }
    if (make_domain(vm, x.text, d, err) < 0)
        return err->code;
    note_process(vm);
    return lv_events_watch(vm, err) < 0 ? err->code : check_rights(vm, spec, err);
}

int lv_vm_create(void *inst, const struct hvp_vm_spec *spec, uint32_t timeout_ms, void **ret,
                 struct hvp_error *err)
{
    struct lv_inst *in = inst;
    struct deadline d = deadline_start(in->host, timeout_ms);
    struct lv_vm *vm = lv_vm_new(in, spec->uuid, err);
    struct hvp_error ignored = {.struct_size = sizeof(ignored)};

    if (!vm)
        return err->code;
    if (create(vm, spec, &d, err) < 0) {
        if (vm->dom)
            (void)lv_vm_destroy(vm, HVP_NO_TIMEOUT, &ignored);
        lv_secrets_remove(vm, NULL);
        lv_vm_close(vm);
        return err->code;
    }
    *ret = vm;
    return 0;
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
