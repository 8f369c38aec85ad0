/* SPDX-License-Identifier: Apache-2.0 */
#include "domain.h"
#include <errno.h>
#include <string.h>
#include "common/util.h"

#define KIB UINT64_C(1024)

static int set(char **to, const char *text, struct hvp_error *err)
{
    *to = strdup(text);
    return *to ? 0 : hvp_fail(err, ENOMEM, "out of memory for a domain");
}

static libxl_domain_type type_of(const struct xen_config *c)
{
    return c->type == XEN_PV ? LIBXL_DOMAIN_TYPE_PV : LIBXL_DOMAIN_TYPE_PVH;
}

static int parse_uuid(const char *text, libxl_uuid *ret, struct hvp_error *err)
{
    if (libxl_uuid_from_string(ret, text) != 0)
        return hvp_fail(err, EINVAL, "'%.40s' is not a UUID", text);
    return 0;
}

static int describe_creation(struct xen_vm *vm, const struct hvp_vm_spec *spec,
                             libxl_domain_create_info *c, struct hvp_error *err)
{
    libxl_domain_create_info_init(c);
    c->type = type_of(&vm->inst->config);
    if (asprintf(&c->name, XEN_NAME_PREFIX "%s", spec->id) < 0) {
        c->name = NULL;
        return hvp_fail(err, ENOMEM, "out of memory for a domain");
    }
    return parse_uuid(spec->uuid, &c->uuid, err);
}

/* Disks have no serial number on Xen: the agent learns from its command line which one is which.
 * And nothing tells a guest that it was paused: it would take the time for a CPU that stalls. */
static int describe_cmdline(struct xen_vm *vm, const struct hvp_vm_spec *spec, char **ret,
                            struct hvp_error *err)
{
    cleanup_free char *line = NULL;
    size_t size;
    cleanup_file FILE *f = open_memstream(&line, &size);

    if (!f)
        return hvp_fail(err, ENOMEM, "out of memory for a command line");
    fprintf(f, "%s console=hvc0 anyvisor.hvc=1 rcupdate.rcu_cpu_stall_suppress=1", spec->cmdline);
    for (struct xen_device *d = vm->devices; d; d = d->next)
        if (d->kind == HVP_DEV_DISK)
            fprintf(f, " anyvisor.disk=%s:%s", d->vdev, d->tag);
    if (fflush(f) != 0)
        return hvp_fail(err, ENOMEM, "out of memory for a command line");
    return set(ret, line, err);
}

int domain_vcpus(struct xen_vm *vm, uint32_t n, libxl_bitmap *ret, struct hvp_error *err)
{
    libxl_bitmap_init(ret);
    if (libxl_cpu_bitmap_alloc(vm->loop.ctx, ret, (int)vm->vcpus_max))
        return hvp_fail(err, ENOMEM, "out of memory for %u vCPUs", vm->vcpus_max);
    for (uint32_t i = 0; i < n; i++)
        libxl_bitmap_set(ret, (int)i);
    return 0;
}

static int describe_build(struct xen_vm *vm, const struct hvp_vm_spec *spec,
                          libxl_domain_build_info *b, struct hvp_error *err)
{
    libxl_domain_build_info_init(b);
    libxl_domain_build_info_init_type(b, type_of(&vm->inst->config));
    b->max_vcpus = (int)spec->vcpus_max;
    if (domain_vcpus(vm, spec->vcpus, &b->avail_vcpus, err) < 0)
        return err->code;
    b->max_memkb = spec->memory_max / KIB;
    b->target_memkb = spec->memory / KIB;
    /* The guest reads the CPU's own counter: no exit for each look at the clock, and Xen as a guest
     * of an emulated machine cannot emulate the instruction. */
    b->tsc_mode = LIBXL_TSC_MODE_NATIVE;
    if (set(&b->kernel, spec->kernel, err) < 0 ||
        (spec->initrd[0] && set(&b->ramdisk, spec->initrd, err) < 0))
        return err->code;
    return describe_cmdline(vm, spec, &b->cmdline, err);
}

static int describe_channel(const struct xen_vm *vm, libxl_domain_config *c, struct hvp_error *err)
{
    c->channels = calloc(1, sizeof(*c->channels));
    if (!c->channels)
        return hvp_fail(err, ENOMEM, "out of memory for a channel");
    c->num_channels = 1;
    libxl_device_channel_init(c->channels); /* its number stays open: the first is /dev/hvc1 */
    libxl_device_channel_init_connection(c->channels, LIBXL_CHANNEL_CONNECTION_SOCKET);
    if (asprintf(&c->channels->u.socket.path, "%s/" XEN_CHANNEL_NAME, vm->run_dir) < 0) {
        c->channels->u.socket.path = NULL;
        return hvp_fail(err, ENOMEM, "out of memory for a channel");
    }
    return set(&c->channels->name, "agent", err);
}

static const char *model_of(const struct hvp_share *s)
{
    for (size_t i = 0; i < s->n_options; i++)
        if (strcmp(s->options[i].key, "security_model") == 0)
            return s->options[i].value;
    return "passthrough";
}

static int describe_share(const struct hvp_share *s, libxl_device_p9 *p, struct hvp_error *err)
{
    libxl_device_p9_init(p);
    if (set(&p->tag, s->d.tag, err) < 0 || set(&p->path, s->dir, err) < 0)
        return err->code;
    return set(&p->security_model, model_of(s), err);
}

bool domain_disk_is_phy(const struct hvp_disk *disk)
{
    return disk->protocol == HVP_PROTO_BLOCK && disk->format == HVP_FORMAT_RAW;
}

int domain_disk(const struct hvp_disk *disk, const char *vdev, libxl_device_disk *ret,
                struct hvp_error *err)
{
    /* A block device goes through the kernel, an image through QEMU: no loop device to leak. */
    ret->backend = domain_disk_is_phy(disk) ? LIBXL_DISK_BACKEND_PHY : LIBXL_DISK_BACKEND_QDISK;
    ret->format =
        disk->format == HVP_FORMAT_QCOW2 ? LIBXL_DISK_FORMAT_QCOW2 : LIBXL_DISK_FORMAT_RAW;
    ret->readwrite = !(disk->d.flags & HVP_F_READONLY);
    ret->removable = 1;
    libxl_defbool_set(&ret->discard_enable, disk->discard);
    if (set(&ret->pdev_path, disk->path, err) < 0)
        return err->code;
    return set(&ret->vdev, vdev, err);
}

static int describe_devices(struct xen_vm *vm, const struct hvp_vm_spec *spec,
                            libxl_domain_config *c, struct hvp_error *err)
{
    c->disks = calloc(spec->n_devices + 1, sizeof(*c->disks));
    c->p9s = calloc(spec->n_devices + 1, sizeof(*c->p9s));
    c->nics = calloc(spec->n_devices + 1, sizeof(*c->nics));
    if (!c->disks || !c->p9s || !c->nics)
        return hvp_fail(err, ENOMEM, "out of memory for devices");
    for (size_t i = 0; i < spec->n_devices; i++) {
        const struct hvp_device *dev = spec->devices[i];

        if (dev->kind == HVP_DEV_SHARE) {
            if (describe_share((const struct hvp_share *)dev, &c->p9s[c->num_p9s++], err) < 0)
                return err->code;
        } else if (dev->kind == HVP_DEV_NIC) {
            libxl_device_nic *nic = &c->nics[c->num_nics++];

            libxl_device_nic_init(nic);
            if (domain_nic((const struct hvp_nic *)dev, xen_device_find(vm, dev->tag)->nic, nic,
                           err) < 0)
                return err->code;
        } else if (dev->kind == HVP_DEV_DISK) {
            libxl_device_disk *disk = &c->disks[c->num_disks++];

            libxl_device_disk_init(disk);
            if (domain_disk((const struct hvp_disk *)dev, xen_device_find(vm, dev->tag)->vdev, disk,
                            err) < 0)
                return err->code;
        }
    }
    return 0;
}

int domain_describe(struct xen_vm *vm, const struct hvp_vm_spec *spec, libxl_domain_config *ret,
                    struct hvp_error *err)
{
    libxl_domain_config_init(ret);
    if (describe_creation(vm, spec, &ret->c_info, err) < 0 ||
        describe_build(vm, spec, &ret->b_info, err) < 0 || describe_channel(vm, ret, err) < 0)
        return err->code;
    return describe_devices(vm, spec, ret, err);
}
