#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The figures of storage: docs/figures.md says what they mean.
#
#   storage.sh [--build DIR] [--backend kvm|fake] [-n N] [--smoke] [NAME...]
#
# NAME: start (a container per kind of root file system) share disk (files on 9pfs, and on a disk,
# beside the same program in bare QEMU). They take turns. Exit status 0 = every figure was taken.
here=$(cd "$(dirname "$0")" && pwd)

build='' backend=kvm runs='' divisor=1 names=()
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$2; shift ;;
    --backend) backend=$2; shift ;;
    -n) runs=$2; shift ;;
    --smoke) runs=1 divisor=20 ;;
    -h | --help) sed -n '3,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) "$0" --help >&2; exit 2 ;;
    *) names+=("$1") ;;
    esac
    shift
done
[ ${#names[@]} -gt 0 ] || names=(start share disk)
[ -z "$build" ] || export AV_BUILD=$build

# shellcheck source=../integration/lib.sh
. "$here/../integration/lib.sh"
# shellcheck source=figures.sh
. "$here/figures.sh"
PATH=$PATH:/usr/sbin:/sbin
setup "$backend"
for tool in mkfs.erofs mke2fs; do
    command -v $tool > /dev/null || skip_all "$tool is not installed"
done
cat > "$ANYVISOR_CONFIG" <<Y
version: 1
plugins_dir: plugins.d
defaults:
  hypervisor: [$BACKEND]
  vm: {memory: 256MiB, vcpus: 1}
  storage: {rootfs: [9pfs], volumes: [block, 9pfs]}
storage:
  cache: {dir: $WORK/cache}
annotations: {allow: [org.anyvisor.rootfs]}
classes:
- {name: tree, match: {annotations: {t: tree}}, storage: {rootfs: [block]}}
- {name: tmpfs, match: {annotations: {t: tmpfs}}, storage: {rootfs: [block], scratch: {kind: tmpfs}}}
Y

image() {  # image FILE [FOLDER]: an ext4, with what is in FOLDER
    truncate -s 64M "$1" && mke2fs -q -t ext4 ${2:+-d "$2"} -F "$1"
}

bench_start() {
    local kind i want=()
    image "$WORK/root.img" "$WORK/rootfs"
    fresh_bundle s.9pfs '["/bin/true"]' > /dev/null
    fresh_bundle s.erofs '["/bin/true"] | .annotations.t = "tree"' > /dev/null
    fresh_bundle s.tmpfs '["/bin/true"] | .annotations.t = "tmpfs"' > /dev/null
    fresh_bundle s.image "[\"/bin/true\"] | .annotations = {t: \"tree\", \"org.anyvisor.rootfs\": \"$WORK/root.img,rw\"}" > /dev/null
    [ "$BACKEND" = kvm ] && want=(9pfs erofs tmpfs image) || want=(9pfs)
    for kind in "${want[@]:1}"; do av run --bundle "$WORK/b/s.$kind" fill > /dev/null < /dev/null; done
    for ((i = 0; i < $(times 5); i++)); do
        for kind in "${want[@]}"; do
            meter "$WORK/start.$kind" "$AV" --root "$ROOT" run --bundle "$WORK/b/s.$kind" "s.$kind"
        done
    done
    row 'start, 9pfs' ms "$WORK/start.9pfs" 1 - -
    [ "$BACKEND" = kvm ] || return
    row 'start, cached erofs and disk' ms "$WORK/start.erofs" 1 "$WORK/start.9pfs" 1
    row 'start, cached erofs and tmpfs' ms "$WORK/start.tmpfs" 1 "$WORK/start.9pfs" 1
    row 'start, image (ext4, rw)' ms "$WORK/start.image" 1 "$WORK/start.9pfs" 1
}

# samples WHAT SUFFIX: what storage_load has printed on stdin goes to a file for each part.
samples() {
    local load name us
    while read -r load name us; do
        [ "$load" = load ] || continue
        case $us in *[!0-9]*) echo "# $1$2: $name $us" ;; *) echo "$us" >> "$WORK/$1.$name$2" ;; esac
    done < <(tr -d '\r')
}

# floor WHAT BUNDLE DISK PROGRAM...: the words of bare QEMU with that sandbox's machine, in WORK/qemu
floor() {
    local b=$1 disk=$2
    shift 2
    "$here/initrd.sh" "$(image_of "$b")" "$TOOLS/bare_init" "$WORK/bare.cpio" ${disk:+block ext4} || return 1
    av create --bundle "$b" idle > /dev/null 2>&1 < /dev/null || return 1
    python3 "$here/baseline.py" "$(qemu_of idle)" "$b/rootfs" "$WORK/bare.cpio" "$WORK/console" "$disk" \
        "$@" > "$WORK/qemu"
    av delete --force idle
    [ -s "$WORK/qemu" ]
}

# files WHAT PLACE [DISK]: the load in PLACE of a container and of bare QEMU
files() {
    local what=$1 place=$2 disk=${3:-} b i name qemu=()
    b=$(fresh_bundle "$what" "[\"/load\",\"$place\",\"$divisor\"]
        ${disk:+| .mounts += [{type:\"anyvisor.block\",source:\"$disk\",destination:\"$place\"\}]}")
    mkdir -p "$b/rootfs$place"
    cp "$TOOLS/storage_load" "$b/rootfs/load"
    if [ "$BACKEND" = kvm ]; then
        floor "$b" "$disk" /load "$place" "$divisor" || { MISSING=1; no_figure "$what" 'no bare QEMU'; return; }
        mapfile -d '' qemu < "$WORK/qemu"
    fi
    for ((i = 0; i < $(times 5); i++)); do
        [ ${#qemu[@]} = 0 ] || {
            : > "$WORK/console"
            timeout 120 "${qemu[@]}" > "$WORK/out" 2>&1 < /dev/null
            samples "$what" .floor < "$WORK/console"
        }
        av run --bundle "$b" "$what" 2>&1 < /dev/null | samples "$what" ''
    done
    for name in create stat unlink write read random-read random-write; do
        if [ ${#qemu[@]} = 0 ]; then row "$what: $name" ms "$WORK/$what.$name" 1 - -
        else row "$what: $name" ms "$WORK/$what.$name" 1 "$WORK/$what.$name.floor" 1.1; fi
    done
}

bench_share() {
    files 9pfs /files
}

bench_disk() {
    [ "$BACKEND" = kvm ] || { no_figure disk 'the fake back-end has none'; return; }
    image "$WORK/disk.img"
    files disk /disk "$WORK/disk.img"
}

facts
for name in "${names[@]}"; do
    declare -F "bench_$name" > /dev/null || { echo "storage.sh: no figure '$name'" >&2; exit 2; }
    "bench_$name"
done
exit "$MISSING"
