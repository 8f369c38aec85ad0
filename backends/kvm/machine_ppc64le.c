/* SPDX-License-Identifier: Apache-2.0 */
#include "machine_ppc64le.h"

/*
 * QEMU's own firmware interface (VOF) instead of SLOF, which takes ten seconds to emulate and
 * offers nothing to a kernel that is loaded beforehand.
 */
const struct machine machine_ppc64le[] = {
    {
        .arch = "ppc64le",
        .name = "pseries",
        .qemu = "qemu-system-ppc64",
        .options = "pseries,x-vof=on",
        .cpu_kvm = "host",
        .cpu_tcg = "power9",
        .bus = "pci",
        .pci_bus = "pci.0",
        .firmware_tcg = "",
        .console_args = "spapr-vty,chardev=console",
        .console_word = "console=hvc0",
        .max_vcpus = 255,
    },
    {0},
};
