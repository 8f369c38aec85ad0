#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that are missing: deps.sh demo | test | kernel [--list]
# The one list of what anyvisor needs; demo.sh, test.sh and CI come here. "test" includes "demo"; "kernel" is for the targets guest-kernel.
set -euo pipefail

# To build and run: compiler and libraries, the guest's C library, QEMU, the guest image's tools.
demo_packages=(
    binutils cmake gcc libc6-dev ninja-build pkg-config
    libjson-c-dev libkmod-dev libprotobuf-c-dev libseccomp-dev libsystemd-dev libyaml-dev
    protobuf-c-compiler
    linux-libc-dev musl-tools
    qemu-system-data qemu-system-x86
    kmod python3 xz-utils
    busybox-static ca-certificates jq
)

# To test: sanitizers and fuzzing, linters, engines, and crun as the oracle,
# compilers and emulators of the other architectures.
test_packages=(
    clang-14 clang-format-14 libclang-rt-14-dev shellcheck universal-ctags
    apparmor cpio dpkg-dev e2fsprogs file mmdebstrap
    catatonit conmon containerd containernetworking-plugins crun docker-compose docker.io iproute2 iptables netavark podman
    procps python3-docker python3-grpcio runc slirp4netns strace uidmap valgrind g++ man-db scdoc
    libvirt-clients libvirt-daemon libvirt-daemon-driver-qemu libvirt-dev libxen-dev
    ceph-common ceph-mon ceph-osd gnutls-bin nbdkit nfs-ganesha nfs-ganesha-vfs qemu-block-extra qemu-utils tgt
    e2fsprogs erofs-utils squashfs-tools xfsprogs
    gcc-s390x-linux-gnu linux-libc-dev-s390x-cross qemu-system-misc
    gcc-aarch64-linux-gnu linux-libc-dev-arm64-cross qemu-system-arm
    gcc-powerpc64le-linux-gnu linux-libc-dev-ppc64el-cross qemu-system-ppc
    golang-go libicu72 libpam0g libpq5 libxml2 sqlite3
)

# To build the small guest kernel, with "test" also for other architectures.
kernel_packages=(bc bison flex libelf-dev make)

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# The package lists of a fresh system are empty, those of an old one name files that are gone.
install_packages() {
    local apt=(apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
    # CI's machine is not kept: dpkg need not wait for its disk.
    [ -z "${CI:-}" ] || apt+=(-o Dpkg::Options::=--force-unsafe-io)
    export DEBIAN_FRONTEND=noninteractive
    "${apt[@]}" install "$@" || { "${apt[@]}" update && "${apt[@]}" install "$@"; }
}

main() {
    local wanted=("${demo_packages[@]}") missing=() p
    case ${1:-} in
    demo) ;;
    test) wanted+=("${test_packages[@]}") ;;
    kernel) wanted+=("${kernel_packages[@]}") ;;
    *) echo "usage: deps.sh demo|test|kernel [--list]" >&2; exit 2 ;;
    esac
    if [ "${2:-}" = --list ]; then
        printf '%s\n' "${wanted[@]}"
        return
    fi
    for p in "${wanted[@]}"; do
        # 80 MB for a program that is often there without the package.
        [ "$p" != golang-go ] || ! command -v go > /dev/null || continue
        installed "$p" || missing+=("$p")
    done
    if [ ${#missing[@]} = 0 ]; then
        echo "deps: all ${#wanted[@]} packages are installed"
        return
    fi
    echo "deps: installing ${#missing[@]} of ${#wanted[@]} packages: ${missing[*]}"
    [ "$(id -u)" = 0 ] || { echo "deps: installing needs root" >&2; exit 1; }
    install_packages "${missing[@]}"
}

main "$@"
