/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "binary.h"
#include "common/util.h"
#include "kvm.h"

#define CAPS_ALWAYS                                                                                \
    (HVP_CAP_VMM_CHILD | HVP_CAP_PAUSE | HVP_CAP_SHARE_9P | HVP_CAP_NIC_FD | HVP_CAP_STATS |       \
     HVP_CAP_CONSOLE | HVP_CAP_CONSOLE_LOG | HVP_CAP_DEVICE_ADDR | HVP_CAP_PIDS)
/* Where the agent's channel is a serial port. */
#define CAPS_SERIAL (HVP_CAP_MULTI_CHAN | HVP_CAP_SNAPSHOT | HVP_CAP_TEMPLATE)

int kvm_machine(struct kvm_inst *in, const char *wanted, const struct machine **ret,
                struct hvp_error *err)
{
    const char *name = wanted[0] ? wanted : in->config.machine ? in->config.machine : "";
    const struct machine *m = machine_find(in->host->arch, name);
    char names[128];

    if (m) {
        *ret = m;
        return 0;
    }
    machine_names(in->host->arch, names, sizeof(names));
    if (!names[0])
        return hvp_fail(err, ENOTSUP, "there is no machine for %s guests", in->host->arch);
    return hvp_fail(err, ENOTSUP, "no machine '%.40s' for %s guests; there is: %s", name,
                    in->host->arch, names);
}

/* Which processors there are only QEMU itself knows. */
int kvm_vm_words(void *inst, const struct hvp_vm_spec *spec, struct hvp_error *err)
{
    const struct machine *m;
    int r = kvm_machine(inst, spec->machine, &m, err);

    return r < 0 ? r : machine_check_options(spec, err);
}

int kvm_accel(struct kvm_inst *in, enum accel *ret, char *note, size_t len, struct hvp_error *err)
{
    struct accel_facts facts;

    accel_gather(&facts);
    return accel_choose(in->config.accel, in->host->arch, &facts, ret, note, len, err);
}

/* 0 or -errno. */
static int try_vsock(void)
{
    cleanup_close int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);

    return fd < 0 ? -errno : 0;
}

/* A guest has one vsock device, and one that was saved looks for its host where that was: so where
 * it carries the channel, it can neither be plugged nor is there a second life for the VM. */
static int probe_channel(const struct kvm_config *config, struct hvp_caps *c, struct hvp_error *err)
{
    int r = try_vsock();
    size_t used;

    c->max_channels = KVM_MAX_CHANNELS;
    if (config->channel == KVM_CHANNEL_SERIAL) {
        c->flags |= CAPS_SERIAL | (r == 0 ? HVP_CAP_VSOCK : 0);
        c->coldplug |= r == 0 ? 1u << HVP_DEV_VSOCK : 0;
        return 0;
    }
    c->max_channels = 1;
    if (r < 0)
        return hvp_fail(err, -r,
                        "'channel: vsock' needs '/dev/vhost-vsock': %s; load the module "
                        "vhost_vsock, or take 'channel: serial'",
                        strerror(-r));
    used = strlen(c->note);
    snprintf(c->note + used, sizeof(c->note) - used, "%sthe agent's channel is a vsock",
             used ? "; " : "");
    return 0;
}

static void fill_devices(struct kvm_inst *in, const struct machine *m, struct hvp_caps *c)
{
    uint32_t disk_nic = 1u << HVP_DEV_DISK | 1u << HVP_DEV_NIC;

    c->flags = CAPS_ALWAYS;
    c->coldplug = disk_nic | 1u << HVP_DEV_SHARE;
    if (m->root_ports && in->config.hotplug_ports > 0)
        c->hotplug = c->unplug = disk_nic;
    c->hotplug_max = c->hotplug ? in->config.hotplug_ports : 0;
    c->update = disk_nic;
    c->flags |= m->adds_vcpus ? HVP_CAP_SET_VCPUS : 0;
    c->flags |= m->grows ? HVP_CAP_SET_MEMORY : 0;
    c->disk_formats = 1u << HVP_FORMAT_RAW | 1u << HVP_FORMAT_QCOW2 | 1u << HVP_FORMAT_VMDK |
                      1u << HVP_FORMAT_VHDX;
    c->max_vcpus = m->max_vcpus;
}

/* Only files are looked at, but for QEMU's version the first time: a probe is part of each start.
 */
int kvm_probe(void *inst, struct hvp_caps *caps, uint32_t timeout_ms, struct hvp_error *err)
{
    struct kvm_inst *in = inst;
    struct deadline d = deadline_start(in->host, timeout_ms);
    struct hvp_caps c = {.struct_size = caps->struct_size};
    char path[BINARY_PATH_MAX];
    const struct machine *m;
    enum accel accel;

    if (kvm_machine(in, "", &m, err) < 0 ||
        binary_find(in->config.qemu ? in->config.qemu : m->qemu, path, sizeof(path), err) < 0 ||
        binary_build_id(path, c.build_id, sizeof(c.build_id), err) < 0 ||
        kvm_accel(in, &accel, c.note, sizeof(c.note), err) < 0)
        return err->code;
    binary_version(in->host, path, c.build_id, c.version, sizeof(c.version), &d);
    fill_devices(in, m, &c);
    if (probe_channel(&in->config, &c, err) < 0)
        return err->code;
    c.disk_protocols = binary_protocols(in->host, path, c.build_id, &d);
    snprintf(c.hypervisor, sizeof(c.hypervisor), "qemu");
    snprintf(c.arch, sizeof(c.arch), "%s", m->arch);
    snprintf(c.machine, sizeof(c.machine), "%s", m->name);
    snprintf(c.accel, sizeof(c.accel), "%s", accel_name(accel));
    memcpy(caps, &c, c.struct_size < sizeof(c) ? c.struct_size : sizeof(c));
    return 0;
}
