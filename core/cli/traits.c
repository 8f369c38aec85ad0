/* SPDX-License-Identifier: Apache-2.0 */
/* What a back-end can do as names that a scheduler compares: OpenStack's placement takes
 * CUSTOM_[A-Z0-9_]+ of at most 255 bytes. docs/openstack.md lists them. */
#include "cli/traits.h"
#include <ctype.h>
#include <string.h>
#include "base/cleanup.h"

#define PREFIX "CUSTOM_ANYVISOR"

/* PREFIX_KIND_WORD, the word in capitals and with '_' for what is neither letter nor digit. */
static void add(struct strv *to, const char *kind, const char *word)
{
    cleanup_free char *name = xasprintf(PREFIX "_%s_%s", kind, word);

    for (char *c = name; *c; c++)
        *c = isalnum((unsigned char)*c) ? (char)toupper((unsigned char)*c) : '_';
    if (*word && !strv_has(to, name))
        strv_add(to, name);
}

static void add_mask(struct strv *to, const char *kind, uint64_t mask,
                     const char *(*name)(unsigned))
{
    for (unsigned bit = 0; bit < 64; bit++)
        if (mask & UINT64_C(1) << bit && name(bit))
            add(to, kind, name(bit));
}

void traits_add(const struct descriptor *d, const struct hvp_caps *c, struct strv *to)
{
    if (!strv_has(to, PREFIX))
        strv_add(to, PREFIX);
    add(to, "BACKEND", d->name);
    add(to, "ARCH", c->arch);
    add(to, "HYPERVISOR", c->hypervisor);
    add(to, "ACCEL", c->accel);
    add_mask(to, "CAP", c->flags, plugin_cap_name);
    add_mask(to, "HOTPLUG", c->hotplug, plugin_device_name);
    add_mask(to, "DISK", c->disk_protocols, plugin_protocol_name);
    add_mask(to, "FORMAT", c->disk_formats, plugin_format_name);
}
