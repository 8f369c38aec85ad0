#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the guest image (vmlinux, initramfs.cpio, manifest.json) from Debian's kernel package and
# the agent, and small/initramfs.cpio for a kernel without modules (guest/kernel). Same inputs, same bytes; nothing is done when the inputs have not changed.
# The host's own kernel is never touched: the package is downloaded and unpacked, not installed.
set -euo pipefail
umask 022
export LC_ALL=C TZ=UTC PATH="$PATH:/usr/sbin:/sbin"

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=./kernel.sh source-path=SCRIPTDIR
. "$here/kernel.sh"

usage() {
    cat <<EOF
usage: build.sh --arch x86_64|s390x|ppc64le|aarch64 --agent FILE --output DIR [--cache DIR] [--package FILE.deb]
  --agent    static program that becomes /init
  --cache    downloads and unpacked kernels (default: \${XDG_CACHE_HOME:-~/.cache}/anyvisor)
  --package  use this kernel package instead of the one that Debian's meta package names
EOF
}

say() { printf 'guest image: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
sha256() { sha256sum -- "$1" | cut -d' ' -f1; }

parse_options() {
    arch='' agent='' output='' package=''
    cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/anyvisor
    while [ $# -gt 0 ]; do
        case $1 in
        --arch | --agent | --output | --cache | --package)
            [ $# -ge 2 ] || die "$1 needs a value"
            printf -v "${1#--}" %s "$2"
            shift 2
            ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; die "unknown option '$1'" ;;
        esac
    done
    if [ -z "$arch" ] || [ -z "$agent" ] || [ -z "$output" ]; then
        usage >&2
        exit 2
    fi
    [ -f "$here/modules.$arch" ] || die "no module list for architecture '$arch'"
    [ -f "$agent" ] || die "agent '$agent' is not a file"
    [ -z "$package" ] || [ -f "$package" ] || die "package '$package' is not a file"
}

# pid 1 has no library and no loader beside it, so a dynamic one would only panic the guest.
check_agent() {
    local headers
    headers=$(readelf -lW -- "$agent" 2>/dev/null) || die "agent '$agent' is not an ELF program"
    case $headers in
    *INTERP*) die "agent '$agent' is dynamically linked, it must be static" ;;
    esac
}

up_to_date() {
    [ -f "$output/manifest.json" ] || return 1
    python3 "$here/manifest.py" check --inputs "$inputs" "$output"
}

write_common_spec() {
    local d
    for d in dev etc etc/anyvisor lib lib/modules proc run sbin sys tmp; do
        echo "dir $d 0755"
    done
    echo 'nod dev/console 0600 c 5 1'
    echo 'nod dev/null 0666 c 1 3'
    echo "file init 0755 $agent"
}

write_module_spec() {
    local ko
    echo 'link sbin/modprobe 0777 /init'
    echo "file etc/anyvisor/modules 0644 $stage/modules.list"
    for ko in "$stage"/modules/*.ko; do
        echo "file lib/modules/${ko##*/} 0644 $ko"
    done
}

make_image() {
    local tmp=$output/.new
    rm -rf -- "$tmp"
    mkdir -p -- "$tmp/small" "$output/small"
    write_common_spec >"$tmp/spec"
    python3 "$here/mkcpio.py" "$tmp/spec" "$tmp/small/initramfs.cpio"
    write_module_spec >>"$tmp/spec"
    python3 "$here/mkcpio.py" "$tmp/spec" "$tmp/initramfs.cpio"
    cp -- "$stage/vmlinux" "$tmp/vmlinux"
    python3 "$here/manifest.py" write --arch "$arch" --inputs "$inputs" --agent "$agent" \
        --kernel "$stage/kernel.json" --modules "$stage/modules.list" "$tmp"
    # The manifest goes last: who finds it, finds the files that it names.
    mv -f -- "$tmp/small/initramfs.cpio" "$output/small/"
    mv -f -- "$tmp/vmlinux" "$tmp/initramfs.cpio" "$output/"
    mv -f -- "$tmp/manifest.json" "$output/"
    rm -rf -- "$tmp"
}

parse_options "$@"
check_agent
mkdir -p -- "$cache" "$output"
exec 9>"$cache/lock"
flock -n 9 || { say "waiting for another build that uses '$cache'"; flock 9; }

kernel_package
kernel_stage
inputs=$(cat "$here/build.sh" "$here/mkcpio.py" "$here/manifest.py" "$agent" |
    { sha256sum; echo "$stage_key ${SOURCE_DATE_EPOCH:-0}"; } | sha256sum | cut -d' ' -f1)
if up_to_date; then
    touch -- "$output"/{vmlinux,initramfs.cpio,small/initramfs.cpio,manifest.json}
    say "$arch is up to date"
    exit 0
fi
make_image
say "$arch ready: $(basename "$package"), initramfs $(du -k "$output/initramfs.cpio" | cut -f1) KiB"
