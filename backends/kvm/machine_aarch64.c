/* SPDX-License-Identifier: Apache-2.0 */
#include "machine_aarch64.h"

/*
 * The generic board, described by a device tree, without firmware: QEMU starts the kernel itself.
 * Cortex-A57 is emulated twice as fast as "max", whose pointer authentication costs.
 */
const struct machine machine_aarch64[] = {
    {
        .arch = "aarch64",
        .name = "virt",
        .qemu = "qemu-system-aarch64",
        .options = "virt,gic-version=max",
        .cpu_kvm = "host",
        .cpu_tcg = "cortex-a57",
        .bus = "pci",
        .pci_bus = "pcie.0",
        .firmware_tcg = "",
        .console_args = "",
        .console_word = "console=ttyAMA0",
        .max_vcpus = 123, /* of one GIC's redistributor region */
    },
    {0},
};
