/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include <errno.h>
#include <string.h>
#include "common/util.h"

const char xen_config_help[] =
    "type  pvh (needs a CPU with virtualisation) or pv (runs on every Xen) (pvh)\n";

static const char *const types[] = {[XEN_PVH] = "pvh", [XEN_PV] = "pv"};

const char *xen_type_name(enum xen_type type)
{
    return types[type];
}

int xen_config_set(struct xen_config *c, const char *key, const char *value, struct hvp_error *err)
{
    if (strcmp(key, "type") != 0)
        return hvp_fail(err, EINVAL, "unknown key '%.100s'", key);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strcmp(value, types[i]) == 0) {
            c->type = (enum xen_type)i;
            return 0;
        }
    return hvp_fail(err, EINVAL, "'type: %.100s' is neither pvh nor pv", value);
}
