/* SPDX-License-Identifier: Apache-2.0 */
#include "key.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

/* Two files are the same one, as far as this goes: name, size, time. */
static void file_key(const char *path, char *buf, size_t len)
{
    struct stat st = {0};

    if (path[0] && stat(path, &st) < 0)
        st.st_size = -1;
    snprintf(buf, len, "%" PRId64 ".%" PRId64, (int64_t)st.st_size, (int64_t)st.st_mtim.tv_sec);
}

int key_text(const char *prefix, const struct kvm_config *config, const char *machine,
             const char *build, enum accel accel, const struct hvp_vm_spec *spec, char *buf,
             size_t len, struct hvp_error *err)
{
    char kernel[48], initrd[48], devices[64] = "";
    int n;

    file_key(spec->kernel, kernel, sizeof(kernel));
    file_key(spec->initrd, initrd, sizeof(initrd));
    for (size_t i = 0; i < spec->n_devices && i < sizeof(devices) - 1; i++)
        devices[i] = (char)('0' + spec->devices[i]->kind);
    n = snprintf(buf, len,
                 "%s qemu=%s machine=%s accel=%s cpu=%s vcpus=%u-%u memory=%" PRIu64 "-%" PRIu64
                 "/%d firmware=%s kernel=%s initrd=%s channels=%u ports=%u devices=%s",
                 prefix, build, machine, accel_name(accel),
                 spec->cpu_model[0] ? spec->cpu_model
                 : config->cpu      ? config->cpu
                                    : "default",
                 spec->vcpus, spec->vcpus_max, spec->memory, spec->memory_max, config->memory,
                 config->firmware ? config->firmware : "auto", kernel, initrd, spec->n_channels,
                 config->hotplug_ports, devices);
    if (n < 0 || (size_t)n >= len)
        return hvp_fail(err, ENAMETOOLONG, "the template's key needs %d bytes", n);
    return 0;
}
