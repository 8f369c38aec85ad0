/* SPDX-License-Identifier: Apache-2.0 */
#include "machine_x86.h"

/* Told that "rep movsb" is fast, the guest's kernel clears and copies its pages with it: under TCG
 * that is a turn for every byte instead of every eight, a tenth of a boot; where the page was code,
 * each turn also looks for what was translated of it: half of what a VM of a pool is taken with. */
#define CPU_TCG "max,-erms,-fsrm"

/*
 * q35 without what a container's VM never touches.  Under TCG qboot instead of SeaBIOS saves a
 * tenth of a second; the kernel is an uncompressed ELF, entered by its PVH note.
 *
 * microvm is ACPI hardware-reduced: no PIT, HPET or PM timer to measure the TSC against, so under
 * TCG the kernel is told its frequency, which there is the host's. q35's measures it, but on a busy
 * host takes the emulator's pauses for an unstable TSC and then reads the PM timer at every look at
 * the clock: an exit under QEMU's lock, a tenth of a clone's start.
 */
const struct machine machine_x86[] = {
    {
        .arch = "x86_64",
        .name = "q35",
        .qemu = "qemu-system-x86_64",
        .options =
            "q35,hpet=off,smm=off,vmport=off,i8042=off,usb=off,sata=off,smbus=off,graphics=off",
        .cpu_kvm = "host",
        .cpu_tcg = CPU_TCG,
        .bus = "pci",
        .pci_bus = "pcie.0",
        .firmware_tcg = "bios-microvm.bin",
        .console_args = "",
        .console_word = "console=ttyS0",
        /* On a busy host the emulated timer may be too late for the kernel, which panics then. */
        .tcg_word = "no_timer_check",
        .max_vcpus = 255, /* beyond that x2APIC and an IOMMU are needed */
        .root_ports = true,
        .adds_vcpus = true,
        .grows = true,
        .has_tsc = true,
        .shares_memory = true,
    },
    {
        .arch = "x86_64",
        .name = "microvm",
        .qemu = "qemu-system-x86_64",
        .options = "microvm,acpi=on,pcie=on,x-option-roms=off,rtc=on,pit=off,pic=off,"
                   "isa-serial=on,graphics=off",
        .cpu_kvm = "host",
        .cpu_tcg = CPU_TCG,
        .bus = "pci",
        .pci_bus = "pcie.0",
        .firmware_tcg = "",
        .console_args = "",
        .console_word = "console=ttyS0",
        .max_vcpus = 255,
        .root_ports = false,
        .has_tsc = true,
        .shares_memory = true,
    },
    {0},
};
