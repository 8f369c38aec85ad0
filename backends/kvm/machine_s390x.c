/* SPDX-License-Identifier: Apache-2.0 */
#include "machine_s390x.h"

/*
 * No PCI: each virtio device is a channel device of its own (virtio-ccw).  The console is the
 * firmware's (SCLP), a terminal by the name ttysclp0.  The kernel is Debian's bzImage as it is:
 * QEMU needs the start code in front.
 */
const struct machine machine_s390x[] = {
    {
        .arch = "s390x",
        .name = "s390-ccw-virtio",
        .qemu = "qemu-system-s390x",
        .options = "s390-ccw-virtio",
        .cpu_kvm = "host",
        .cpu_tcg = "max",
        .bus = "ccw",
        .firmware_tcg = "",
        .console_args = "sclpconsole,chardev=console",
        .console_word = "console=ttysclp0",
        .max_vcpus = 248,
    },
    {0},
};
