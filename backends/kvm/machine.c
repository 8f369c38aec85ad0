/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"
#include <stdio.h>
#include <string.h>
#include "machine_aarch64.h"
#include "machine_ppc64le.h"
#include "machine_s390x.h"
#include "machine_x86.h"

/* A new architecture: its table, one line here. */
static const struct machine *const tables[] = {machine_x86, machine_aarch64, machine_ppc64le,
                                               machine_s390x};

const struct machine *machine_find(const char *arch, const char *name)
{
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct machine *m = tables[i]; m->arch; m++)
            if (strcmp(m->arch, arch) == 0 && (!name[0] || strcmp(m->name, name) == 0))
                return m;
    return NULL;
}

void machine_names(const char *arch, char *buf, size_t len)
{
    size_t used = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
        for (const struct machine *m = tables[i]; m->arch; m++)
            if (strcmp(m->arch, arch) == 0 && used < len)
                used += (size_t)snprintf(buf + used, len - used, "%s%s", used ? ", " : "", m->name);
}
