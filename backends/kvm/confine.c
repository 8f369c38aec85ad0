/* SPDX-License-Identifier: Apache-2.0 */
#include "confine.h"
#include <linux/capability.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include "common/file.h"
#include "common/util.h"
#include "options.h"

#define CAP(name) (UINT64_C(1) << (name))
/*
 * What serving a file tree with foreign owners takes: owners, modes, set-id bits and file
 * capabilities.  Not DAC_READ_SEARCH, which opens any file of a file system by its handle; not
 * MKNOD, for a device node in the share is of use to nobody but the host; no change of ids.
 */
#define FILE_CAPS                                                                                  \
    (CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER) | CAP(CAP_FSETID) | CAP(CAP_SETFCAP))
/* The last range of ids that no distribution and no container tool gives to anybody. */
#define UID_FIRST UINT32_C(0x70000000)
#define UID_MASK UINT32_C(0x0fffffff)

/* True when id exists in this user namespace; true as well where nobody can tell. */
static bool is_mapped(const char *map, uint32_t id)
{
    char text[4096];
    unsigned long first, count;
    int used;

    if (file_read_text(map, text, sizeof(text)) < 0)
        return true;
    for (const char *p = text; sscanf(p, "%lu %*u %lu%n", &first, &count, &used) == 2; p += used)
        if (id >= first && id - first < count)
            return true;
    return false;
}

/* Derived from the UUID: two VMs have different users, which can neither signal nor trace each
 * other. */
static uint32_t own_id(const char *uuid)
{
    uint32_t hash = 2166136261u;

    for (; *uuid; uuid++)
        hash = (hash ^ (unsigned char)*uuid) * 16777619u;
    return UID_FIRST + (hash & UID_MASK);
}

/* Now, or later through a hot-plug port. */
static bool has_files(const struct cmdline *c)
{
    const struct hvp_vm_spec *spec = c->spec;

    if (c->config->hotplug_ports > 0 || c->memory)
        return true;
    for (size_t i = 0; i < spec->n_devices; i++)
        if (spec->devices[i]->kind == HVP_DEV_SHARE || spec->devices[i]->kind == HVP_DEV_DISK)
            return true;
    return false;
}

/* Without capabilities it is the group that opens the device. */
static uint32_t kvm_group(uint32_t otherwise)
{
    struct stat st;

    return stat("/dev/kvm", &st) == 0 && st.st_mode & S_IRGRP ? st.st_gid : otherwise;
}

bool confine_needs_network(const struct hvp_device *dev)
{
    const struct hvp_disk *k = (const struct hvp_disk *)dev;

    if (dev->kind != HVP_DEV_DISK || k->protocol == HVP_PROTO_FILE ||
        k->protocol == HVP_PROTO_BLOCK)
        return false;
    return k->protocol != HVP_PROTO_NBD || !options_get(k->options, k->n_options, "socket");
}

void confine(struct hvp_spawn *what, const struct cmdline *c)
{
    const struct hvp_vm_spec *spec = c->spec;
    const struct kvm_config *config = c->config;
    uint32_t id = config->user == KVM_USER_AUTO ? own_id(spec->uuid) : config->user;

    if (geteuid() != 0)
        return;
    what->flags |= HVP_SPAWN_KEEP_CAPS | HVP_SPAWN_PRIVATE;
    if (config->host_network)
        what->flags |= HVP_SPAWN_HOST_NET;
    for (size_t i = 0; i < spec->n_devices; i++)
        if (confine_needs_network(spec->devices[i]))
            what->flags |= HVP_SPAWN_HOST_NET;
    what->keep_caps = has_files(c) ? FILE_CAPS : 0;
    if (config->user == KVM_USER_AUTO &&
        !(is_mapped("/proc/self/uid_map", id) && is_mapped("/proc/self/gid_map", id)))
        return; /* root of a user namespace is nobody outside */
    what->flags |= HVP_SPAWN_SETUID;
    what->uid = what->gid = id;
    if (!what->keep_caps)
        what->gid = kvm_group(id);
}
