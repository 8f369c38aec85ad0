#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A Debian machine with systemd as pid 1, pure cgroup v2, KVM and vhost-vsock, emulated by QEMU.
#   rig.sh build                  makes its disk and kernel, when they are missing or out of date
#   rig.sh run SCRIPT [ARG...]    builds, boots, and runs SCRIPT (of the source tree) in it as root
# The source tree and AV_BUILD, the build folder, are in the machine under the same names,
# read-only. run's output is the script's and its exit status the script's, 124 when RIG_TIMEOUT
# seconds have passed, 125 when the machine itself fails. What the script writes into $RIG_OUT is in
# RIG_OUT here, if that is set, beside the machine's console.log.
set -euo pipefail
umask 022
export LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

here=$(cd "$(dirname "$0")" && pwd)
source_dir=$(cd "$here/../../.." && pwd)
RIG_TIMEOUT=${RIG_TIMEOUT:-600}
RIG_MEMORY=${RIG_MEMORY:-2048}
RIG_CPUS=${RIG_CPUS:-2}
qemu=()

say() { printf 'rig: %s\n' "$*" >&2; }
die() { say "$*"; exit 125; }

# shellcheck source=tests/rigs/kvm/build.sh
. "$here/build.sh"

# export_folder TAG PATH [OPTION]: gives the machine a folder of ours.
export_folder() {
    qemu+=(-fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap${3:-}")
    qemu+=(-device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}

# Runs QEMU; its status. The script's output is a serial port of virtio, ours is its other end.
boot() {
    local out=$1 kernel_options=(console=ttyS0 quiet panic=-1 no_timer_check mitigations=off nokaslr
        random.trust_cpu=on cryptomgr.notests systemd.unified_cgroup_hierarchy=1
        systemd.unit=rig.target)
    qemu=(qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none)
    qemu+=(-M q35 -cpu max -accel 'tcg,thread=multi' -smp "$RIG_CPUS" -m "$RIG_MEMORY")
    qemu+=(-kernel "$rig/vmlinux" -initrd "$rig/initramfs" -append "${kernel_options[*]}")
    qemu+=(-serial "file:$out/console.log")
    qemu+=(-drive "file=$rig/disk,format=raw,if=virtio,snapshot=on")
    qemu+=(-device virtio-serial-pci -chardev 'stdio,id=out,signal=off')
    qemu+=(-device 'virtserialport,chardev=out')
    export_folder out "$out"
    export_folder source "$source_dir" ,readonly=on
    export_folder build "$AV_BUILD" ,readonly=on
    # Standard input never ends: at its end QEMU would close the port.
    timeout --foreground -k 10 "$RIG_TIMEOUT" "${qemu[@]}" 0<> <(:)
}

# The folder that carries the command in and the status out.
make_out() {
    local script=$1
    shift
    if [ -n "${RIG_OUT:-}" ]; then
        mkdir -p -- "$RIG_OUT"
        out=$(realpath -- "$RIG_OUT")
        rm -f -- "$out/status"
    else
        out=$(mktemp -d "${TMPDIR:-/tmp}/rig.XXXXXX")
        # shellcheck disable=SC2064 # this very folder
        trap "rm -rf -- '$out'" EXIT
    fi
    cp -- "$here/main.sh" "$out/main.sh"
    printf '%s=%q\n' AV_BUILD "$AV_BUILD" RIG_SOURCE "$source_dir" > "$out/environment"
    printf 'exec %q %s\n' "$script" "${*@Q}" > "$out/command"
}

run() {
    local script out rc=0
    [ -f "$1" ] || die "'$1' is not a file"
    script=$(realpath -- "$1")
    case $script in "$source_dir"/*) ;; *) die "'$script' is not in '$source_dir'" ;; esac
    AV_BUILD=$(cd "${AV_BUILD:-$source_dir/build}" && pwd) || die "AV_BUILD is not a build folder"
    shift
    build
    make_out "$script" "$@"
    boot "$out" || rc=$?
    if [ "$rc" = 124 ]; then
        say "no end after $RIG_TIMEOUT s; the machine's console:"
    elif [ "$rc" = 0 ] && [ -s "$out/status" ]; then
        return "$(< "$out/status")"
    else
        say "the machine failed (QEMU's status: $rc); its console:"
        rc=125
    fi
    tail -n 40 -- "$out/console.log" >&2 || true
    return "$rc"
}

case ${1:-} in
build) [ $# = 1 ] || die "build takes no argument"; build ;;
run) [ $# -ge 2 ] || die "usage: rig.sh run SCRIPT [ARG...]"; shift; run "$@" ;;
*) die "usage: rig.sh build | run SCRIPT [ARG...]" ;;
esac
