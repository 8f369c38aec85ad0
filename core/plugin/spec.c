/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include "plugin/internal.h"

static int cannot(struct err *err, const char *tag, const char *what, const char *name)
{
    return err_set_phase(err, PHASE_PLUGIN, ENOTSUP, "device '%s': %s '%s' is not supported", tag,
                         what, name ? name : "?");
}

static int check_tag(const char *tag, struct err *err)
{
    size_t len = tag ? strlen(tag) : 0;

    if (len == 0 || len > HVP_TAG_MAX)
        return err_set_phase(err, PHASE_PLUGIN, EINVAL, "device tag '%s' is not 1 to %d bytes long",
                             tag ? tag : "", HVP_TAG_MAX);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)tag[i]) && !strchr("._-", tag[i]))
            return err_set_phase(err, PHASE_PLUGIN, EINVAL, "device tag '%s' has a bad character",
                                 tag);
    return 0;
}

/* struct_size of the device decides what may be read; the kinds' heads come from the first ABI. */
static int check_device(const struct hvp_caps *caps, uint32_t kinds, const struct hvp_device *d,
                        struct err *err)
{
    const struct hvp_disk *disk = (const struct hvp_disk *)d;
    const struct hvp_nic *nic = (const struct hvp_nic *)d;
    const struct hvp_share *share = (const struct hvp_share *)d;
    int r = check_tag(d->tag, err);

    if (r < 0)
        return r;
    if (d->kind >= 32 || !(kinds & 1u << d->kind))
        return cannot(err, d->tag, "device kind", plugin_device_name(d->kind));
    if (d->kind == HVP_DEV_DISK) {
        if (disk->protocol >= 32 || !(caps->disk_protocols & 1u << disk->protocol))
            return cannot(err, d->tag, "disk protocol", plugin_protocol_name(disk->protocol));
        if (disk->format >= 32 || !(caps->disk_formats & 1u << disk->format))
            return cannot(err, d->tag, "disk format", plugin_format_name(disk->format));
    }
    if (d->kind == HVP_DEV_NIC &&
        !(caps->flags & (nic->tap_fds ? HVP_CAP_NIC_FD : HVP_CAP_NIC_HOSTIF)))
        return cannot(err, d->tag, "connection", nic->tap_fds ? "nic-fd" : "nic-hostif");
    if (d->kind == HVP_DEV_SHARE &&
        !(caps->flags & (share->fs == HVP_FS_9P ? HVP_CAP_SHARE_9P : HVP_CAP_SHARE_VIRTIOFS)))
        return cannot(err, d->tag, "file system",
                      share->fs == HVP_FS_9P ? "share-9p" : "share-virtiofs");
    return 0;
}

static int check_sizes(const struct hvp_caps *caps, const struct hvp_vm_spec *s, struct err *err)
{
    if (s->vcpus == 0 || s->vcpus_max < s->vcpus || s->memory == 0 || s->memory_max < s->memory)
        return err_set_phase(err, PHASE_PLUGIN, EINVAL,
                             "a VM of %u to %u vcpus and %llu to %llu bytes makes no sense",
                             s->vcpus, s->vcpus_max, (unsigned long long)s->memory,
                             (unsigned long long)s->memory_max);
    if (caps->max_vcpus && s->vcpus > caps->max_vcpus)
        return err_set_phase(err, PHASE_PLUGIN, ENOTSUP, "%u vcpus: a VM can have %u", s->vcpus,
                             caps->max_vcpus);
    if (caps->max_memory && s->memory > caps->max_memory)
        return err_set_phase(err, PHASE_PLUGIN, ENOTSUP, "%llu bytes of memory: a VM can have %llu",
                             (unsigned long long)s->memory, (unsigned long long)caps->max_memory);
    if (s->n_channels == 0 || s->n_channels > caps->max_channels)
        return err_set_phase(err, PHASE_PLUGIN, ENOTSUP, "%u channels: a VM can have 1 to %u",
                             s->n_channels, caps->max_channels);
    return 0;
}

int plugin_spec_check(const struct hvp_caps *caps, const struct hvp_vm_spec *s, struct err *err)
{
    int r;

    if (!s->id || !*s->id || strlen(s->id) > 128)
        return err_set_phase(err, PHASE_PLUGIN, EINVAL,
                             "the container's id, which names its VM, has %zu bytes; 1 to 128 are "
                             "possible",
                             s->id ? strlen(s->id) : 0);
    if (!s->run_dir || strlen(s->run_dir) > HVP_RUN_DIR_MAX)
        return err_set_phase(err, PHASE_PLUGIN, ENAMETOOLONG,
                             "'%s' has more than %d bytes: sockets would not fit there",
                             s->run_dir ? s->run_dir : "", HVP_RUN_DIR_MAX);
    r = check_sizes(caps, s, err);
    for (size_t i = 0; r == 0 && i < s->n_devices; i++)
        r = check_device(caps, caps->coldplug, s->devices[i], err);
    return r;
}

int plugin_device_check(const struct hvp_caps *caps, const struct hvp_device *d, struct err *err)
{
    return check_device(caps, caps->hotplug, d, err);
}
