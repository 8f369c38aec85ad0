/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "binary.h"
#include "machine_aarch64.h"
#include "machine_ppc64le.h"
#include "machine_s390x.h"
#include "machine_x86.h"
#include "memory.h"

#define MEMORY_MIN (UINT64_C(16) << 20) /* bytes; less boots nothing */

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

int machine_check_options(const struct hvp_vm_spec *s, struct hvp_error *err)
{
    if (s->n_options > 0)
        return hvp_fail(err, EINVAL, "unknown option '%.100s'", s->options[0].key);
    return 0;
}

int machine_check(const struct machine *m, const struct hvp_vm_spec *s, struct hvp_error *err)
{
    if (s->vcpus < 1 || s->vcpus > m->max_vcpus)
        return hvp_fail(err, EINVAL, "%u vCPUs, but machine '%s' has 1 to %u", s->vcpus, m->name,
                        m->max_vcpus);
    if (s->memory < MEMORY_MIN)
        return hvp_fail(err, EINVAL, "%" PRIu64 " bytes of memory are too few for a VM", s->memory);
    if (s->vcpus_max > s->vcpus && !m->adds_vcpus)
        return hvp_fail(err, ENOTSUP, "a VM of machine '%s' gets no more vCPUs while it runs",
                        m->name);
    if (s->vcpus_max > m->max_vcpus)
        return hvp_fail(err, EINVAL, "%u vCPUs at most, but machine '%s' has 1 to %u", s->vcpus_max,
                        m->name, m->max_vcpus);
    if (memory_grows(s) && !m->grows)
        return hvp_fail(err, ENOTSUP, "a VM of machine '%s' gets no more memory while it runs",
                        m->name);
    return machine_check_options(s, err);
}

int machine_check_kernel(const struct machine *m, const char *kernel, struct hvp_error *err)
{
    if (access(kernel, R_OK) == 0)
        return 0;
    return hvp_fail(err, errno,
                    "guest kernel '%.300s' for %s: %s; build its image with `cmake --build BUILD "
                    "--target guest-image-%s`",
                    kernel, m->arch, strerror(errno), m->arch);
}

const char *machine_firmware(const struct machine *m, const char *configured, enum accel accel,
                             char *buf, size_t len)
{
    if (configured && configured[0] == '/')
        return configured;
    if ((!configured || strcmp(configured, "auto") == 0) && accel == ACCEL_TCG &&
        m->firmware_tcg[0] && binary_find_data(m->firmware_tcg, buf, len) == 0)
        return buf;
    return NULL;
}
