#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From the order to the agent's HELLO, beside bare QEMU with the same kernel, image and machine, for
# each back-end named: of QEMU's own, those of other architectures if their images are built. Of Xen
# tests/rigs/xen/bench.sh takes the same figures, of libvirt libvirt.sh.
#
#   boot.sh [--build DIR] [-n N] [BACKEND...]
#
# BACKEND: kvm kvm-s390x kvm-aarch64 kvm-ppc64le (default: all)
here=$(cd "$(dirname "$0")" && pwd)
build='' runs='' backends=()
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$2; shift ;;
    -n) runs=$2; shift ;;
    -h | --help) sed -n '3,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "boot.sh: unknown option '$1'" >&2; exit 2 ;;
    *) backends+=("$1") ;;
    esac
    shift
done
[ ${#backends[@]} -gt 0 ] || backends=(kvm kvm-s390x kvm-aarch64 kvm-ppc64le)
[ -z "$build" ] || export AV_BUILD=$build

# shellcheck source=../integration/lib.sh
. "$here/../integration/lib.sh"
# shellcheck source=figures.sh
. "$here/figures.sh"
setup kvm

use_backend() {  # use_backend NAME: for what follows
    BACKEND=$1
    sed -i "s/^  hypervisor: .*/  hypervisor: [$1]/" "$ANYVISOR_CONFIG"
}

# From the command to HELLO: what comes after it is the container's, which bare QEMU does not make.
ours() {  # ours BUNDLE
    local after
    meter "$WORK/create" "$AV" --root "$ROOT" create --bundle "$1" boot || return
    after=$(av timings --format json boot |
        jq '[.phases[] | {(.name): .at_us}] | add | .created - .hello')
    awk -v after="$after" '{ print $1 - after }' "$WORK/create" >> "$WORK/ours"
    rm "$WORK/create"
}

bench_backend() {
    local b i arch=${1#kvm-}
    [ "$arch" != kvm ] || arch=$(uname -m)
    rm -f "$WORK/ours" "$WORK/bare"
    # Nothing is executed: the rootfs may be of any architecture.
    b=$(fresh_bundle boot "[\"/bin/true\"] | .annotations={\"org.anyvisor.arch\":\"$arch\"}")
    av create --bundle "$b" boot > "$WORK/out" 2>&1 < /dev/null ||
        { no_figure "$1" "$(tail -n 1 "$WORK/out")"; return; }
    python3 "$here/baseline.py" "$(qemu_of boot)" "$b/rootfs" "$(image_of "$b")" "$WORK/console" > "$WORK/words"
    av delete --force boot
    for ((i = 0; i < $(times 5); i++)); do
        python3 "$here/bare_hello.py" "$WORK/words" >> "$WORK/bare" 2> "$WORK/out" || tail -n 1 "$WORK/out"
        ours "$b"
        av delete --force boot
    done
    row "boot to HELLO, $1" ms "$WORK/ours" 1 "$WORK/bare" 1.15
}

facts
for name in "${backends[@]}"; do
    use_backend "$name"
    bench_backend "$name"
done
exit "$MISSING"
