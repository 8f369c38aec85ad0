/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - the keys of this back-end's descriptor.  Pure.
 * Filled by plugin.c before the first probe; read by probe.c and domain.c.
 */
#ifndef XEN_CONFIG_H
#define XEN_CONFIG_H
#include <anyvisor/hvp.h>

enum xen_type { XEN_PVH, XEN_PV };

struct xen_config {
    enum xen_type type;
};

extern const char xen_config_help[];

int xen_config_set(struct xen_config *c, const char *key, const char *value, struct hvp_error *err);
const char *xen_type_name(enum xen_type type);

#endif
