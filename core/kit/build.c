/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "kit/internal.h"

/* Of this process's own network namespace. */
int kit_tap(void)
{
    struct ifreq r = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd >= 0 && ioctl(fd, TUNSETIFF, &r) < 0)
        close_fd(&fd);
    return fd;
}

struct hvp_nic kit_nic(const char *tag, const int *tap, uint8_t last, uint32_t flags)
{
    return (struct hvp_nic){.d = {.struct_size = sizeof(struct hvp_nic),
                                  .kind = HVP_DEV_NIC,
                                  .flags = flags,
                                  .tag = tag},
                            .tap_fds = tap,
                            .queues = 1,
                            .mtu = 1400,
                            .mac = {2, 0, 0, 0, 0, last}};
}

struct hvp_share kit_share(const struct kit *k)
{
    return (struct hvp_share){
        .d = {.struct_size = sizeof(struct hvp_share), .kind = HVP_DEV_SHARE, .tag = "share"},
        .dir = k->share,
        .fs = kit_has(k, HVP_CAP_SHARE_9P) ? HVP_FS_9P : HVP_FS_VIRTIOFS};
}

/* Equal descriptions have equal keys, a VM of another size has another one. */
static void check_key(struct kit *k, const struct hvp_vm_spec *spec)
{
    char key[HVP_REF_MAX] = "", same[HVP_REF_MAX] = "", other[HVP_REF_MAX] = "";
    struct hvp_vm_spec larger = *spec;
    bool good;

    larger.memory = larger.memory_max = 2 * spec->memory;
    good = KIT_CALL(k, template_key, k->inst, spec, key, sizeof(key)) == 0 &&
           KIT_CALL(k, template_key, k->inst, spec, same, sizeof(same)) == 0 &&
           KIT_CALL(k, template_key, k->inst, &larger, other, sizeof(other)) == 0;
    kit_that(k, good && strcmp(key, same) == 0 && strcmp(key, other) != 0,
             "the template's key names what must be equal", "'%s', then '%s'; larger: '%s' %s", key,
             same, other, k->err.msg);
}

static void name_vm(struct kit *k, struct kit_vm *vm)
{
    unsigned pid = (unsigned)getpid(), n = ++k->n_vms;

    snprintf(vm->id, sizeof(vm->id), "kit-%u-%u", pid, n);
    snprintf(vm->uuid, sizeof(vm->uuid), "%08x-4b17-4000-8000-%012x", pid, n);
    snprintf(vm->run_dir, sizeof(vm->run_dir), "%s/vm%u", k->work, n);
    mkdir(vm->run_dir, 0700);
}

static bool cold(const struct kit *k, uint32_t kind)
{
    return k->caps.coldplug & 1u << kind;
}

static struct hvp_vm_spec describe(const struct kit *k, const struct kit_vm_wish *w,
                                   const struct kit_vm *vm)
{
    uint64_t memory = 256 * KIT_MIB;

    return (struct hvp_vm_spec){
        .struct_size = sizeof(struct hvp_vm_spec),
        .id = vm->id,
        .uuid = vm->uuid,
        .vcpus = 1,
        .vcpus_max = kit_has(k, HVP_CAP_SET_VCPUS) ? 2 : 1,
        .memory = memory,
        .memory_max = kit_has(k, HVP_CAP_SET_MEMORY) ? 2 * memory : memory,
        .machine = w->machine ? w->machine : "",
        .cpu_model = "",
        .kernel = w->kernel        ? w->kernel
                  : k->kernel_less ? ""
                                   : k->o->kernel,
        .initrd = k->kernel_less || !k->o->initrd ? "" : k->o->initrd,
        .cmdline = w->cmdline                       ? w->cmdline
                   : kit_has(k, HVP_CAP_SET_MEMORY) ? KIT_CMDLINE " anyvisor.preload=memory"
                                                    : KIT_CMDLINE,
        .run_dir = vm->run_dir,
        .console_log = k->console,
        .options = w->options,
        .n_options = w->options ? 1 : 0,
        .n_channels = 1,
        .template_dir = w->template_dir ? w->template_dir : "",
    };
}

static uint32_t limit(const struct kit_vm_wish *w)
{
    if (w->try_once)
        return 0;
    return w->timeout_ms ? w->timeout_ms : KIT_OP_MS;
}

int kit_build(struct kit *k, const struct kit_vm_wish *w, struct kit_vm *ret)
{
    bool by_fd = kit_has(k, HVP_CAP_NIC_FD), wants_nic = cold(k, HVP_DEV_NIC) && !w->no_nic;
    cleanup_fd int tap = wants_nic && by_fd ? kit_tap() : -1;
    bool has_link = k->caps.update & 1u << HVP_DEV_NIC;
    const struct hvp_nic nic =
        kit_nic("eth0", by_fd ? &tap : NULL, 1, has_link ? HVP_F_LINK_DOWN : 0);
    const struct hvp_share share = kit_share(k);
    const struct hvp_device *devices[3];
    struct hvp_vm_spec spec;

    *ret = (struct kit_vm){.has_nic = wants_nic && (!by_fd || tap >= 0)};
    name_vm(k, ret);
    spec = describe(k, w, ret);
    if (cold(k, HVP_DEV_SHARE))
        devices[spec.n_devices++] = w->share ? &w->share->d : &share.d;
    if (ret->has_nic)
        devices[spec.n_devices++] = &nic.d;
    if (w->more)
        devices[spec.n_devices++] = w->more;
    spec.devices = devices;
    if (w->dir)
        return KIT_CALL(k, vm_restore, k->inst, &spec, w->dir, 0, limit(w), &ret->vm);
    if (w->check_key && kit_has(k, HVP_CAP_TEMPLATE))
        check_key(k, &spec);
    return KIT_CALL(k, vm_create, k->inst, &spec, limit(w), &ret->vm);
}

static bool must_make(struct kit *k, const struct kit_vm_wish *wish, struct kit_vm *ret,
                      const char *what)
{
    return kit_ok(k, kit_build(k, wish, ret), what) &&
           kit_that(k, ret->vm != NULL, "there is a handle", "it is NULL");
}

bool kit_make(struct kit *k, struct kit_vm *ret, const char *what)
{
    const struct kit_vm_wish wish = {0};

    return must_make(k, &wish, ret, what);
}

bool kit_make_template(struct kit *k, struct kit_vm *ret, const char *what)
{
    struct kit_vm_wish wish = {.check_key = true};

    snprintf(k->template_dir, sizeof(k->template_dir), "%s/template", k->work);
    if (kit_has(k, HVP_CAP_TEMPLATE) && mkdir(k->template_dir, 0700) == 0)
        wish.template_dir = k->template_dir;
    return must_make(k, &wish, ret, what);
}

void kit_destroy(struct kit *k, struct kit_vm *vm, const char *what)
{
    kit_ok(k, KIT_CALL(k, vm_destroy, vm->vm, KIT_OP_MS), what);
    kit_step(k, "vm_close");
    k->ops->vm_close(vm->vm);
    vm->vm = NULL;
}

void kit_drop(struct kit *k, struct kit_vm *vm)
{
    if (vm->vm) {
        KIT_CALL(k, vm_destroy, vm->vm, KIT_OP_MS);
        k->ops->vm_close(vm->vm);
    }
    vm->vm = NULL;
}

uint32_t kit_state(struct kit *k, void *vm)
{
    uint32_t state = 0;

    KIT_CALL(k, vm_state, vm, &state);
    return state;
}

int32_t kit_pid(struct kit *k, void *vm)
{
    int32_t pid = 0;
    size_t n = 0;

    if (!kit_has(k, HVP_CAP_PIDS) || KIT_CALL(k, vm_pids, vm, &pid, 1, &n) < 0 || n < 1)
        return 0;
    return pid;
}
