# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the rigs share, sourced by */rig.sh: a machine made of Debian's packages, kept in the user's
# cache under a key of all that it is made of, and run by QEMU with our trees inside.
# A rig sets here and brings
#   packages, boot_modules   what its disk and its initramfs hold
#   rig_files                files that its key covers, beyond these
#   make_root ROOT           what is its own, on the disk and in $rig_new
#   boot OUT                 runs QEMU with "${qemu[@]}" begun; its status

declare here
declare -a packages boot_modules rig_files
source_dir=$(cd "$here/../../.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/anyvisor
rigs=$cache/rigs
rig='' rig_new='' kernel='' kernel_sha=''
RIG_TIMEOUT=${RIG_TIMEOUT:-600}
RIG_CPUS=${RIG_CPUS:-2}
qemu=()
# Drivers of hardware that the machines have not.
absent=(sound drivers/gpu drivers/media drivers/infiniband drivers/net/wireless
    drivers/net/ethernet drivers/staging drivers/iio drivers/hwmon drivers/usb drivers/scsi)
# For every kernel in a machine: it is emulated, and thrown away.
# shellcheck disable=SC2034 # the rigs read it
kernel_options=(quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on cryptomgr.notests)

# What an emulated processor had better not have: "rep movsb" announced as fast, of which the emulator
# makes a turn for each byte, and a fifth level of page tables to walk.
# shellcheck disable=SC2034 # the rigs read it
cpu_without=-erms,-fsrm,-la57

say() { printf 'rig: %s\n' "$*" >&2; }
die() { say "$*"; exit 125; }

# The guest image's kernel: its tools find, fetch and check Debian's package.
find_kernel() {
    # shellcheck disable=SC2034 # kernel.sh reads them
    local arch=x86_64 package='' package_sha='' cache=$cache here=$source_dir/guest/image
    mkdir -p -- "$cache"
    # shellcheck source=guest/image/kernel.sh
    . "$here/kernel.sh"
    sha256() { sha256sum -- "$1" | cut -d' ' -f1; }
    { flock 9; kernel_package; } 9> "$cache/lock"
    kernel=$package kernel_sha=$package_sha
}

# The machine's own apt sources, wherever they are written.
apt_sources() {
    local f
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ ! -s "$f" ] || printf '%s\n' "$f"
    done
}

rig_key() {
    local sources
    mapfile -t sources < <(apt_sources)
    { cat "$here/../lib.sh" "$here/../init" "${rig_files[@]}" "$source_dir/guest/image/vmlinux.py" \
        "${sources[@]}"; echo "$kernel_sha"; } | sha256sum | cut -c1-16
}

# The tree of the disk, of Debian's essential packages and the rig's.
make_base() {
    local root=$1 sources options=(--dpkgopt=force-unsafe-io) p
    mapfile -t sources < <(apt_sources)
    for p in doc man locale info; do
        options+=("--dpkgopt=path-exclude=/usr/share/$p/*")
    done
    apt-config dump Acquire > "$root.apt.conf"      # proxies and the like
    # shellcheck disable=SC1091 # the host's own name of its release
    mmdebstrap --quiet --mode=root --variant=essential "${options[@]}" \
        --aptopt='APT::Install-Recommends "false"' --aptopt="$root.apt.conf" \
        --include="$(IFS=,; echo "${packages[*]}")" \
        "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" "${sources[@]}" >&2
    # There is no network in the machine; what apt was told of ours stays out of the cache.
    rm -rf -- "$root.apt.conf" "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/etc/apt
    echo rig > "$root/etc/hostname"
}

make_modules() {
    local root=$1 tree=$2 release=$3 p
    for p in "${absent[@]}"; do
        rm -rf -- "$tree/lib/modules/$release/kernel/${p:?}"
    done
    depmod -b "$tree" "$release"
    mkdir -p "$root/usr/lib/modules"
    cp -a "$tree/lib/modules/$release" "$root/usr/lib/modules/"
}

boot_module_files() {
    local m
    for m in "${boot_modules[@]}"; do
        modprobe -C /dev/null -d "$1" -S "$2" --show-depends "$m"
    done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

make_initramfs() {
    local tree=$1 release=$2 out=$3 spec=$3.spec n=10 name
    {
        for name in bin dev m new proc sys; do echo "dir $name 0755"; done
        echo 'nod dev/console 0600 c 5 1'
        echo 'file bin/busybox 0755 /bin/busybox'
        echo "file init 0755 $here/../init"
        boot_module_files "$tree" "$release" | while read -r name; do
            echo "file m/$((n++))-${name##*/} 0644 $name"
        done
    } > "$spec"
    python3 "$source_dir/guest/image/mkcpio.py" "$spec" "$out"
    rm -- "$spec"
}

make_rig() {
    # shellcheck disable=SC2034 # for make_root
    rig_new=$1
    local new=$1 release
    say "building from Debian's packages (a minute or two)"
    dpkg-deb -x "$kernel" "$new/tree"
    release=$(ls "$new/tree/lib/modules")
    python3 "$source_dir/guest/image/vmlinux.py" "$new/tree/boot/vmlinuz-$release" "$new/vmlinux"
    make_base "$new/root"
    make_modules "$new/root" "$new/tree" "$release"
    make_root "$new/root"
    make_initramfs "$new/tree" "$release" "$new/initramfs"
    truncate -s 4G "$new/disk"
    mkfs.ext4 -q -O ^has_journal -E lazy_itable_init=1 -d "$new/root" "$new/disk"
    rm -rf --one-file-system -- "$new/root" "$new/tree"
}

check_tools() {
    local tool
    for tool in mmdebstrap mkfs.ext4 qemu-system-x86_64 modprobe python3; do
        command -v "$tool" > /dev/null || die "$tool is missing: '.ci/deps.sh test' installs it"
    done
    [ "$(id -u)" = 0 ] || die "the machine is built and run by root"
}

# Sets rig, the folder of the machine's files. Others that nobody has used for a week are removed.
build() {
    local new
    check_tools
    find_kernel
    rig=$rigs/${here##*/}-$(rig_key)
    mkdir -p -- "$rigs"
    exec 8> "$rigs/lock"
    flock 8
    if [ ! -d "$rig" ]; then
        new=$(mktemp -d -- "$rigs/new.XXXXXX")
        # shellcheck disable=SC2064 # this very folder
        trap "rm -rf --one-file-system -- '$new'" EXIT
        make_rig "$new"
        mv -- "$new" "$rig"
        trap - EXIT
    fi
    touch -- "$rig"
    find "$rigs" -mindepth 1 -maxdepth 1 -type d -mtime +7 -exec rm -rf --one-file-system -- {} +
    exec 8>&-
}

# export_folder TAG PATH [OPTION]: gives the machine a folder of ours.
export_folder() {
    qemu+=(-fsdev "local,id=$1,path=$2,security_model=none,multidevs=remap${3:-}")
    qemu+=(-device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}

# What every machine has. The script's output is a serial port of virtio, ours is its other end.
begin_qemu() {
    local out=$1
    qemu=(qemu-system-x86_64 -nodefaults -no-user-config -no-reboot -display none)
    qemu+=(-accel 'tcg,thread=multi' -smp "$RIG_CPUS" -m "$RIG_MEMORY")
    qemu+=(-serial "file:$out/console.log")
    qemu+=(-drive "file=$rig/disk,format=raw,if=virtio,snapshot=on")
    qemu+=(-device virtio-serial-pci -chardev 'stdio,id=out,signal=off')
    qemu+=(-device 'virtserialport,chardev=out')
    export_folder out "$out"
    export_folder source "$source_dir" ,readonly=on
    export_folder build "$AV_BUILD" ,readonly=on
}

# Standard input never ends: at its end QEMU would close the port.
run_qemu() {
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

rig_main() {
    case ${1:-} in
    build) [ $# = 1 ] || die "build takes no argument"; build ;;
    run) [ $# -ge 2 ] || die "usage: rig.sh run SCRIPT [ARG...]"; shift; run "$@" ;;
    *) die "usage: rig.sh build | run SCRIPT [ARG...]" ;;
    esac
}
