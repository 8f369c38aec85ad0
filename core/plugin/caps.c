/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include "plugin/internal.h"

/* What a set bit obliges: an op that must exist, other bits that must be set. */
struct obligation {
    uint64_t bit;
    size_t op; /* offset in struct hvp_plugin; 0 = none */
    const char *op_name;
    uint64_t bits;
};

#define OBLIGES_OP(bit_, op_)                                                                      \
    {                                                                                              \
        bit_, offsetof(struct hvp_plugin, op_), #op_, 0                                            \
    }
#define OBLIGES_BIT(bit_, other_)                                                                  \
    {                                                                                              \
        bit_, 0, NULL, other_                                                                      \
    }

static const struct obligation obligations[] = {
    OBLIGES_OP(HVP_CAP_VMM_EXTERNAL, vm_list),
    OBLIGES_OP(HVP_CAP_PAUSE, vm_pause),
    OBLIGES_OP(HVP_CAP_PAUSE, vm_resume),
    OBLIGES_OP(HVP_CAP_NIC_HOSTIF, nic_hostif),
    OBLIGES_OP(HVP_CAP_STATS, vm_stats),
    OBLIGES_OP(HVP_CAP_SNAPSHOT, vm_save),
    OBLIGES_OP(HVP_CAP_SNAPSHOT, vm_restore),
    OBLIGES_BIT(HVP_CAP_SNAPSHOT, HVP_CAP_PAUSE),
    OBLIGES_OP(HVP_CAP_TEMPLATE, template_key),
    OBLIGES_BIT(HVP_CAP_TEMPLATE, HVP_CAP_SNAPSHOT),
    OBLIGES_OP(HVP_CAP_STOP, vm_stop),
    OBLIGES_OP(HVP_CAP_CONSOLE, console_open),
    OBLIGES_OP(HVP_CAP_SET_VCPUS, vm_set_vcpus),
    OBLIGES_OP(HVP_CAP_SET_MEMORY, vm_set_memory),
    OBLIGES_OP(HVP_CAP_DEVICE_ADDR, device_addr),
    OBLIGES_OP(HVP_CAP_PIDS, vm_pids),
    OBLIGES_OP(HVP_CAP_RENAME, vm_rename),
};

static bool has_op(const struct plugin *p, size_t offset)
{
    void *op;

    memcpy(&op, (const char *)&p->so->ops + offset, sizeof(op));
    return op != NULL;
}

static const char *name_of(uint64_t bit)
{
    return plugin_cap_name((unsigned)__builtin_ctzll(bit));
}

static int lie(const struct plugin *p, struct err *err, const char *what, const char *lacks)
{
    return err_set_phase(err, PHASE_PLUGIN, EPROTO,
                         "back-end '%s' claims '%s' but has no '%s': refused", p->d->name, what,
                         lacks);
}

static int check_bits(const struct plugin *p, uint64_t flags, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(obligations); i++) {
        const struct obligation *o = &obligations[i];

        if (!(flags & o->bit))
            continue;
        if (o->op && !has_op(p, o->op))
            return lie(p, err, name_of(o->bit), o->op_name);
        if ((flags & o->bits) != o->bits)
            return lie(p, err, name_of(o->bit), name_of(o->bits));
    }
    return 0;
}

/* The masks of device kinds against the ops and bits that such devices need. */
static int check_devices(const struct plugin *p, const struct hvp_caps *c, struct err *err)
{
    uint32_t any = c->coldplug | c->hotplug;

    if (c->hotplug && !p->so->ops.device_attach)
        return lie(p, err, "hot-plug", "device_attach");
    if (c->unplug && !p->so->ops.device_detach)
        return lie(p, err, "unplug", "device_detach");
    if (c->update && !p->so->ops.device_update)
        return lie(p, err, "update of devices", "device_update");
    if ((any & 1u << HVP_DEV_DISK) && (!c->disk_protocols || !c->disk_formats))
        return lie(p, err, "disks", "disk protocol and format");
    if ((any & 1u << HVP_DEV_NIC) && !(c->flags & (HVP_CAP_NIC_FD | HVP_CAP_NIC_HOSTIF)))
        return lie(p, err, "NICs", "nic-fd' or 'nic-hostif");
    if ((any & 1u << HVP_DEV_SHARE) && !(c->flags & (HVP_CAP_SHARE_9P | HVP_CAP_SHARE_VIRTIOFS)))
        return lie(p, err, "shares", "share-9p' or 'share-virtiofs");
    if (!(any & 1u << HVP_DEV_SHARE) && (c->flags & (HVP_CAP_SHARE_9P | HVP_CAP_SHARE_VIRTIOFS)))
        return lie(p, err, "shares", "way to plug one");
    if (!(any & 1u << HVP_DEV_NIC) && (c->flags & (HVP_CAP_NIC_FD | HVP_CAP_NIC_HOSTIF)))
        return lie(p, err, "NICs", "way to plug one");
    if (!(any & 1u << HVP_DEV_VSOCK) != !(c->flags & HVP_CAP_VSOCK))
        return lie(p, err, "vsock", c->flags & HVP_CAP_VSOCK ? "way to plug one" : "vsock");
    return 0;
}

#define TERMINATED(array) (memchr(array, '\0', sizeof(array)) != NULL)

static bool strings_end(const struct hvp_caps *c)
{
    return TERMINATED(c->hypervisor) && TERMINATED(c->version) && TERMINATED(c->arch) &&
           TERMINATED(c->machine) && TERMINATED(c->accel) && TERMINATED(c->build_id) &&
           TERMINATED(c->note);
}

int plugin_caps_check(const struct plugin *p, const struct hvp_caps *c, struct err *err)
{
    const uint64_t owner = HVP_CAP_VMM_CHILD | HVP_CAP_VMM_EXTERNAL;
    int r;

    if (!strings_end(c))
        return err_set_phase(err, PHASE_PLUGIN, EPROTO,
                             "back-end '%s': probe gave a string without an end", p->d->name);
    if ((c->flags & owner) == 0 || (c->flags & owner) == owner)
        return err_set_phase(err, PHASE_PLUGIN, EPROTO,
                             "back-end '%s' must claim either 'vmm-child' or 'vmm-external'",
                             p->d->name);
    if (strcmp(c->arch, p->arch) != 0)
        return err_set_phase(err, PHASE_PLUGIN, EPROTO,
                             "back-end '%s' makes guests for '%s', its descriptor says '%s'",
                             p->d->name, c->arch, p->arch);
    if (c->max_channels == 0 || (c->max_channels > 1) != !!(c->flags & HVP_CAP_MULTI_CHAN))
        return err_set_phase(err, PHASE_PLUGIN, EPROTO,
                             "back-end '%s': %u channels do not go with its 'multi-chan' bit",
                             p->d->name, c->max_channels);
    r = check_bits(p, c->flags, err);
    return r < 0 ? r : check_devices(p, c, err);
}

bool plugin_nics(const struct hvp_caps *caps)
{
    return caps->coldplug & 1u << HVP_DEV_NIC &&
           caps->flags & (HVP_CAP_NIC_FD | HVP_CAP_NIC_HOSTIF);
}

bool plugin_nics_hostif(const struct hvp_caps *caps)
{
    return plugin_nics(caps) && !(caps->flags & HVP_CAP_NIC_FD);
}
