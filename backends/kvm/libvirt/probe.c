/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "image.h"
#include "kvm/binary.h"
#include "lv.h"

#define GROWS_SINCE 7009000 /* its events of virtio-mem */
/*
 * Not here: device addresses, for libvirt does not know the numbers that the guest gives to its
 * buses; vsock.
 */
#define CAPS_ALWAYS                                                                                \
    (HVP_CAP_VMM_EXTERNAL | HVP_CAP_PAUSE | HVP_CAP_SHARE_9P | HVP_CAP_NIC_HOSTIF |                \
     HVP_CAP_MULTI_CHAN | HVP_CAP_STATS | HVP_CAP_CONSOLE | HVP_CAP_CONSOLE_LOG | HVP_CAP_PIDS |   \
     HVP_CAP_RENAME)

/* The boards whose devices domain.c can place. */
int lv_machine(struct lv_inst *in, const char *wanted, const struct machine **ret,
               struct hvp_error *err)
{
    const struct machine *m = machine_find(in->host->arch, wanted[0] ? wanted : "q35");

    if (!m || strcmp(m->name, "q35") != 0)
        return hvp_fail(err, ENOTSUP,
                        "no machine '%.40s' for %s guests; through libvirt there is "
                        "q35 for x86_64",
                        wanted, in->host->arch);
    *ret = m;
    return 0;
}

/* Which processors there are only QEMU itself knows. */
int lv_vm_words(void *inst, const struct hvp_vm_spec *spec, struct hvp_error *err)
{
    const struct machine *m;
    int r = lv_machine(inst, spec->machine, &m, err);

    return r < 0 ? r : machine_check_options(spec, err);
}

static void fill_devices(const struct lv_inst *in, const struct machine *m, struct hvp_caps *c)
{
    uint32_t disk_nic = 1u << HVP_DEV_DISK | 1u << HVP_DEV_NIC;

    c->flags = CAPS_ALWAYS | (m->adds_vcpus ? HVP_CAP_SET_VCPUS : 0);
    if (image_is_read_once(in->version))
        c->flags |= HVP_CAP_SNAPSHOT | HVP_CAP_TEMPLATE;
    if (in->version >= GROWS_SINCE)
        c->flags |= HVP_CAP_SET_MEMORY;
    c->coldplug = disk_nic | 1u << HVP_DEV_SHARE;
    if (in->config.kvm.hotplug_ports > 0)
        c->hotplug = c->unplug = disk_nic;
    c->hotplug_max = in->config.kvm.hotplug_ports;
    c->update = disk_nic;
    c->disk_formats = 1u << HVP_FORMAT_RAW | 1u << HVP_FORMAT_QCOW2 | 1u << HVP_FORMAT_VMDK;
    c->max_channels = LV_MAX_CHANNELS;
    c->max_vcpus = m->max_vcpus;
}

static void say_which(const struct lv_inst *in, struct hvp_caps *c)
{
    unsigned long v = in->version;
    size_t used = strlen(c->note);

    snprintf(c->note + used, sizeof(c->note) - used, "%sthrough libvirt %lu.%lu.%lu%s",
             used ? "; " : "", v / 1000000, v / 1000 % 1000, v % 1000,
             image_is_read_once(v) ? "" : ", of which templates have not been tried");
}

int lv_probe(void *inst, struct hvp_caps *caps, uint32_t timeout_ms, struct hvp_error *err)
{
    struct lv_inst *in = inst;
    struct deadline d = deadline_start(in->host, timeout_ms);
    struct hvp_caps c = {.struct_size = caps->struct_size};
    struct accel_facts facts;
    char path[BINARY_PATH_MAX];
    const struct machine *m;
    enum accel accel;

    accel_gather(&facts);
    if (lv_machine(in, "", &m, err) < 0 ||
        binary_find(in->config.kvm.qemu ? in->config.kvm.qemu : m->qemu, path, sizeof(path), err) <
            0 ||
        binary_build_id(path, c.build_id, sizeof(c.build_id), err) < 0 ||
        accel_choose(in->config.kvm.accel, m->arch, &facts, &accel, c.note, sizeof(c.note), err) <
            0 ||
        lv_connect(in, &d, err) < 0)
        return err->code;
    binary_version(in->host, path, c.build_id, c.version, sizeof(c.version), &d);
    fill_devices(in, m, &c);
    c.disk_protocols = binary_protocols(in->host, path, c.build_id, &d);
    say_which(in, &c);
    snprintf(c.hypervisor, sizeof(c.hypervisor), "qemu");
    snprintf(c.arch, sizeof(c.arch), "%s", m->arch);
    snprintf(c.machine, sizeof(c.machine), "%s", m->name);
    snprintf(c.accel, sizeof(c.accel), "%s", accel_name(accel));
    memcpy(caps, &c, c.struct_size < sizeof(c) ? c.struct_size : sizeof(c));
    return 0;
}
