#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the small guest kernel (vmlinux, config, manifest.json) from Debian's linux-source package
# and the fragments beside this script. Same inputs, same bytes. What is built is kept in the cache
# by the digest of its inputs: the quarter of an hour is spent once.
set -euo pipefail
umask 022
export LC_ALL=C TZ=UTC

here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../image/apt.sh source-path=SCRIPTDIR
. "$here/../image/apt.sh"

usage() {
    cat <<X
usage: build.sh --arch x86_64|s390x|ppc64le|aarch64 --output DIR [--cache DIR] [--source FILE.deb] [--config-only]
  --cache        downloads and built kernels (default: \${XDG_CACHE_HOME:-~/.cache}/anyvisor)
  --source       use this linux-source package instead of the one that Debian's meta package names
  --config-only  only look whether the fragments fit the source: writes DIR/config
X
}

say() { printf 'guest kernel: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
sha256() { sha256sum -- "$1" | cut -d' ' -f1; }

parse_options() {
    arch='' output='' source='' config_only=''
    cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/anyvisor
    while [ $# -gt 0 ]; do
        case $1 in
        --arch | --output | --cache | --source)
            [ $# -ge 2 ] || die "$1 needs a value"
            printf -v "${1#--}" %s "$2"
            shift 2
            ;;
        --config-only) config_only=1; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; die "unknown option '$1'" ;;
        esac
    done
    if [ -z "$arch" ] || [ -z "$output" ]; then
        usage >&2
        exit 2
    fi
    [ -f "$here/$arch.config" ] || die "no fragment for architecture '$arch'"
    [ -z "$source" ] || [ -f "$source" ] || die "source package '$source' is not a file"
}

# What the kernel's makefiles call the architecture, and the file of theirs that a VMM starts.
kernel_names() {
    apt_names
    case $arch in
    x86_64) karch=x86 image=vmlinux ;;
    s390x) karch=s390 image=arch/s390/boot/bzImage ;;
    ppc64le) karch=powerpc image=vmlinux ;;
    aarch64) karch=arm64 image=arch/arm64/boot/Image ;;
    esac
    cross=$triplet-
    ! apt_native || cross=
}

check_tools() {
    local tool missing=()
    for tool in make bc bison flex python3 gcc "${cross}gcc" "${cross}ld"; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    [ -f /usr/include/libelf.h ] || missing+=(libelf.h)
    [ ${#missing[@]} = 0 ] || die "not here: ${missing[*]}; .ci/deps.sh kernel installs what it takes"
}

# What Debian's meta package stands for at the moment.
source_name() {
    apt-cache "${apt_options[@]}" depends --no-recommends --no-suggests linux-source 2>/dev/null |
        awk '$1 == "Depends:" { print $2; exit }'
}

# The source is the same for all architectures: this machine's own apt has it.
find_source() {
    if [ -n "$source" ]; then
        source_sha=$(sha256 "$source")
        return
    fi
    exec 8>"$cache/lock" # image builds download there, too
    flock 8
    local target=$arch
    arch=$(uname -m)
    apt_package linux-source source_name
    arch=$target
    exec 8>&-
    source=$package source_sha=$package_sha
}

key_of_inputs() {
    { cat "$here/build.sh" "$here/kconfig.py" "$here/common.config" "$here/$arch.config"
        "${cross}gcc" --version
        "${cross}ld" --version
        echo "$source_sha"; } | sha256sum | cut -c1-16
}

unpack_source() {
    say "unpacking $(basename "$source")"
    [ "$(sha256 "$source")" = "$source_sha" ] || die "'$source' differs from apt's index: remove it and run again"
    tree=$(mktemp -d -- "$cache/source.XXXXXX")
    trap 'rm -rf -- "$tree"' EXIT
    dpkg-deb --fsys-tarfile "$source" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
        tar -xJ -C "$tree" --strip-components=1
    [ -f "$tree/Kconfig" ] || die "'$source' does not hold a kernel's source"
}

# Neither time nor user nor machine of the build is in the result.
kmake() {
    make -C "$tree" ARCH="$karch" CROSS_COMPILE="$cross" KBUILD_BUILD_TIMESTAMP="@${SOURCE_DATE_EPOCH:-0}" \
        KBUILD_BUILD_USER=anyvisor KBUILD_BUILD_HOST=anyvisor KBUILD_BUILD_VERSION=1 "$@"
}

configure() {
    cat -- "$here/common.config" "$here/$arch.config" >"$tree/.anyvisor.config"
    kmake -s KCONFIG_ALLCONFIG="$tree/.anyvisor.config" allnoconfig >"$tree/.log" 2>&1 ||
        { tail -n 20 "$tree/.log" >&2; die "the source's Kconfig fails"; }
    python3 "$here/kconfig.py" "$tree" "$tree/.config" "$here/common.config" "$here/$arch.config"
}

# One line for each hundred files, the last lines of the log for a failure.
compile() {
    local line n=0
    say "compiling for $arch: some 2000 files, a quarter of an hour with two processors"
    if ! kmake -j"$(nproc)" "$(basename "$image")" 2>&1 | tee "$tree/.log" | while read -r line; do
        case $line in CC\ * | AS\ *) n=$((n + 1)) ;; *) continue ;; esac
        [ $((n % 100)) != 0 ] || say "$n files, $SECONDS s"
    done; then
        tail -n 20 "$tree/.log" >&2
        die "the kernel for $arch does not compile"
    fi
}

# Result into folder $1.
collect() {
    case $image in
    vmlinux) "${cross}strip" -s -o "$1/vmlinux" "$tree/$image" ;;
    *) cp -- "$tree/$image" "$1/vmlinux" ;;
    esac
    cp -- "$tree/.config" "$1/config"
    cat >"$1/manifest.json" <<X
{
  "version": 1,
  "architecture": "$arch",
  "release": "$(cat "$tree/include/config/kernel.release")",
  "source": {"package": "$(dpkg-deb -f "$source" Package)", "version": "$(dpkg-deb -f "$source" Version)",
             "sha256": "$source_sha"},
  "compiler": "$("${cross}gcc" --version | head -n 1)",
  "files": {"vmlinux": {"sha256": "$(sha256 "$1/vmlinux")", "size": $(stat -c %s "$1/vmlinux")}},
  "inputs": "$key"
}
X
}

# build_into DIR: its manifest.json comes last: who finds it, finds the rest.
build_into() {
    local new
    unpack_source
    configure
    compile
    new=$(mktemp -d -- "$cache/stage.XXXXXX")
    collect "$new"
    chmod 0755 "$new"
    rm -rf -- "$cache/small-$arch-"* "$tree"
    mv -- "$new" "$1"
    trap - EXIT
}

parse_options "$@"
kernel_names
check_tools
mkdir -p -- "$cache" "$output"
find_source
if [ -n "$config_only" ]; then
    unpack_source
    configure
    cp -- "$tree/.config" "$output/config"
    say "$arch: the fragments fit $(basename "$source")"
    exit 0
fi
key=$(key_of_inputs)
exec 9>"$cache/small-$arch.lock"
flock -n 9 || { say "waiting for another build of it"; flock 9; }
built=$cache/small-$arch-$key
[ -f "$built/manifest.json" ] || build_into "$built"
install -m 0644 -- "$built"/{vmlinux,config,manifest.json} "$output/"
say "$arch ready: $(basename "$source"), $(du -k "$output/vmlinux" | cut -f1) KiB in $output"
