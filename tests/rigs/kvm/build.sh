# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The rig's disk, kernel and initramfs, sourced by rig.sh: built from Debian's packages and kept in
# the user's cache under a key of all that they are made of.
# Uses from rig.sh: here source_dir say die. Sets: rig.

declare here source_dir
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/anyvisor
rigs=$cache/rigs
rig='' kernel='' kernel_sha=''

# What runs in the machine, beyond Debian's essential packages.
packages=(
    systemd systemd-sysv dbus kmod iproute2 procps python3 strace jq busybox-static
    podman conmon crun catatonit containernetworking-plugins
    qemu-system-x86 libjson-c5 libyaml-0-2 libseccomp2 libmnl0 libkmod2
)
# The initramfs loads what the disk needs; the rest is loaded from the disk.
boot_modules=(virtio_pci virtio_blk crc32c_generic ext4)
# Drivers of hardware that the machine has not.
absent=(sound drivers/gpu drivers/media drivers/infiniband drivers/net/wireless
    drivers/net/ethernet drivers/staging drivers/iio drivers/hwmon drivers/usb drivers/scsi)

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
    { cat "$here"/{build.sh,init} "$here"/rig.{service,target} "$source_dir/guest/image/vmlinux.py" \
        "${sources[@]}"; echo "$kernel_sha"; } | sha256sum | cut -c1-16
}

make_root() {
    local root=$1 sources options=() p
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
    install -m 0644 "$here"/rig.{service,target} "$root/etc/systemd/system/"
    echo rig > "$root/etc/hostname"
    # Not empty: that would be a first boot, with presets and a machine id to be made.
    echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
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
        echo "file init 0755 $here/init"
        boot_module_files "$tree" "$release" | while read -r name; do
            echo "file m/$((n++))-${name##*/} 0644 $name"
        done
    } > "$spec"
    python3 "$source_dir/guest/image/mkcpio.py" "$spec" "$out"
    rm -- "$spec"
}

make_rig() {
    local new=$1 release
    say "building from Debian's packages (a minute or two)"
    dpkg-deb -x "$kernel" "$new/tree"
    release=$(ls "$new/tree/lib/modules")
    python3 "$source_dir/guest/image/vmlinux.py" "$new/tree/boot/vmlinuz-$release" "$new/vmlinux"
    make_root "$new/root"
    make_modules "$new/root" "$new/tree" "$release"
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
    rig=$rigs/kvm-$(rig_key)
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
