#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Debian machine with systemd as pid 1, pure cgroup v2, KVM and vhost-vsock, emulated by QEMU.
#   rig.sh build                  makes its disk and kernel, when they are missing or out of date
#   rig.sh run SCRIPT [ARG...]    builds, boots, and runs SCRIPT (of the source tree) in it as root
# The source tree and AV_BUILD, the build folder, are in the machine under the same names,
# read-only. run's output is the script's and its exit status the script's, 124 when RIG_TIMEOUT
# seconds have passed, 125 when the machine itself fails. What the script writes into $RIG_OUT is in
# RIG_OUT here, if that is set, beside the machine's console.log. RIG_WITH=libvirt: a machine that
# has the packages of libvirt.packages, too.
set -euo pipefail
umask 022
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/rigs/lib.sh
. "$here/../lib.sh"
RIG_MEMORY=${RIG_MEMORY:-2048}

# What runs in the machine, beyond Debian's essential packages.
# shellcheck disable=SC2034 # lib.sh reads them
packages=(
    systemd systemd-sysv dbus dmsetup lvm2 thin-provisioning-tools kmod iproute2 procps python3 strace jq busybox-static
    podman conmon crun catatonit containernetworking-plugins
    e2fsprogs qemu-system-x86 libjson-c5 libyaml-0-2 libseccomp2 libmnl0 libkmod2
)
# The initramfs loads what the disk needs; the rest is loaded from the disk.
# shellcheck disable=SC2034
boot_modules=(virtio_pci virtio_blk crc32c_generic ext4)
# shellcheck disable=SC2034
rig_files=("$here"/rig.{sh,service,target})
if [ "${RIG_WITH:-}" = libvirt ]; then
    rig_files+=("$here/libvirt.packages")
    mapfile -t -O "${#packages[@]}" packages < "$here/libvirt.packages"
fi

make_root() {
    install -m 0644 "$here"/rig.{service,target} "$1/etc/systemd/system/"
    # Not empty: that would be a first boot, with presets and a machine id to be made.
    echo 0123456789abcdef0123456789abcdef > "$1/etc/machine-id"
}

boot() {
    begin_qemu "$1"
    qemu+=(-M q35 -cpu "max,$cpu_without" -kernel "$rig/vmlinux" -initrd "$rig/initramfs")
    qemu+=(-append "console=ttyS0 no_timer_check ${kernel_options[*]} systemd.unified_cgroup_hierarchy=1 systemd.unit=rig.target")
    run_qemu
}

rig_main "$@"
