#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From the order to the agent's HELLO, beside bare QEMU with the same kernel, image and machine, for
# each back-end named: of QEMU's own, those of other architectures if their images are built. Of it
# until the VM is there, its end, and the memory of the host's processes. Of Xen
# tests/rigs/xen/bench.sh takes the same figures, of libvirt libvirt.sh, of nested KVM
# tests/rigs/kvm/figures.sh.
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
    -h | --help) sed -n '3,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
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
# Columns: HELLO, the VM created, its end, memory; as bare_hello.py's without the second.
ours() {  # ours BUNDLE
    local us
    meter "$WORK/create" "$AV" --root "$ROOT" create --bundle "$1" boot || return
    us=$(av timings --format json boot | jq -r '[.phases[] | {(.name): .at_us}] | add |
        "\(.created - .hello) \(.created - .vm_created)"')
    pss_kib boot > "$WORK/pss"
    meter "$WORK/delete" "$AV" --root "$ROOT" delete --force boot
    printf '%s %s %s %s\n' "$us" "$(cut -d' ' -f1 "$WORK/create")" "$(cut -d' ' -f1 "$WORK/delete")" "$(cat "$WORK/pss")" |
        awk '{ print $3 - $1, $3 - $2, $4, $5 }' >> "$WORK/ours"
    rm "$WORK/create" "$WORK/delete"
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
        python3 "$here/bare_hello.py" "$WORK/words" > "$WORK/words.us" 2> "$WORK/out" || tail -n 1 "$WORK/out"
        cut -d' ' -f1,3- "$WORK/words.us" >> "$WORK/bare"
        ours "$b"
    done
    row "boot to HELLO, $1" ms "$WORK/ours" 1 "$WORK/bare" 1.15
    row '  of it until the VM is there' ms "$WORK/ours" 2 "$WORK/bare" -
    row '  its end (delete; SIGKILL)' ms "$WORK/ours" 3 "$WORK/bare" -
    row '  memory of all processes, PSS' KiB "$WORK/ours" 4 "$WORK/bare" -
}

facts
for name in "${backends[@]}"; do
    use_backend "$name"
    bench_backend "$name"
done
exit "$MISSING"
