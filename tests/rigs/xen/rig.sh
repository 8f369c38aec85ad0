#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A real Xen with its dom0, of Debian's packages, emulated by QEMU with AMD's extension: VMs in it
# are PV and PVH. Usage, exit status and folders are those of tests/rigs/kvm/rig.sh.
set -euo pipefail
umask 022
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/rigs/lib.sh
. "$here/../lib.sh"
RIG_MEMORY=${RIG_MEMORY:-2560}
RIG_DOM0_MEMORY=${RIG_DOM0_MEMORY:-1280}

# xen-system is what an administrator installs; QEMU is the back-end of shares, channels and images.
# shellcheck disable=SC2034 # lib.sh reads them
packages=(
    xen-system-amd64 qemu-system-xen xenstore-utils mount kmod iproute2 procps jq busybox-static python3 procps util-linux
    libjson-c5 libyaml-0-2 libseccomp2 libmnl0 libkmod2 libsystemd0 strace qemu-utils e2fsprogs
)
# shellcheck disable=SC2034
boot_modules=(virtio_pci virtio_blk crc32c_generic ext4)
# shellcheck disable=SC2034
rig_files=("$here"/{rig.sh,dom0})

# QEMU's loader takes an uncompressed hypervisor, and pid 1 of dom0 is a script of ours.
make_root() {
    gunzip -c "$1"/boot/xen-*-amd64.gz > "$rig_new/xen"
    rm -rf -- "$1/sbin/init" "${1:?}"/boot/*
    install -m 0755 "$here/dom0" "$1/usr/sbin/init"
}

# SMAP: QEMU's emulation of far returns into PV's kernel, which runs in ring 3, trips over it.
boot() {
    begin_qemu "$1"
    local dom0="${RIG_DOM0_MEMORY}M"
    qemu+=(-M pc -cpu "max,-smap,$cpu_without" -kernel "$rig/xen")
    qemu+=(-append "console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning dom0_mem=$dom0,max:$dom0 dom0_max_vcpus=1 spec-ctrl=no,eager-fpu xpti=no smt=no watchdog=no cpufreq=none noreboot")
    qemu+=(-initrd "$rig/vmlinux console=hvc0 ${kernel_options[*]},$rig/initramfs")
    run_qemu
}

rig_main "$@"
