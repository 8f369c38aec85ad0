#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The figures of storage: docs/figures.md says what they mean.
#
#   storage.sh [--build DIR] [--backend kvm|fake] [-n N] [--smoke] [--count] [--bare] [NAME...]
#
# NAME: start (a container per kind of root file system), count (the same in millions of the guest's
# instructions), pull (from an image's archive to the end of a program), share (files on 9pfs) disk
# qcow2 device nbd iscsi (files on a disk of that kind), each beside the same program in bare QEMU
# with that device. Subject and floor take turns, and each goes first in every other turn. --count:
# in thousands of the guest's instructions instead. Bare QEMU's program is in a cgroup of the guest, as
# every container has to be; with --bare it is not.
# Exit status 0 = every figure was taken.
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../integration/storage/servers.sh
. "$here/../integration/storage/servers.sh"
own_network "$@"

build='' backend=kvm runs='' divisor=1 count='' flags=(--cgroup) names=()
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$2; shift ;;
    --backend) backend=$2; shift ;;
    -n) runs=$2; shift ;;
    --smoke) runs=1 divisor=20 ;;
    --count) count=1 ;;
    --bare) flags=() ;;
    -h | --help) sed -n '3,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) "$0" --help >&2; exit 2 ;;
    *) names+=("$1") ;;
    esac
    shift
done
[ ${#names[@]} -gt 0 ] || names=(start count pull share disk qcow2 device nbd iscsi)
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
  storage: {rootfs: [9pfs], volumes: [network, block, 9pfs]}
storage:
  cache: {dir: $WORK/cache}
annotations: {allow: [org.anyvisor.rootfs]}
classes:
- {name: tree, match: {annotations: {t: tree}}, storage: {rootfs: [block]}}
- {name: tmpfs, match: {annotations: {t: tmpfs}}, storage: {rootfs: [block], scratch: {kind: tmpfs}}}
- {name: server, match: {annotations: {t: server}}, storage: {rootfs: [network]}}
Y
loops=() FLOOR_GROUP=
trap 'rc=$?; [ -z "$FLOOR_GROUP" ] || rmdir "$FLOOR_GROUP"; [ ${#loops[@]} = 0 ] || losetup -d "${loops[@]}"; (exit $rc); leave' EXIT

# With -icount the guest's clock is its instructions, one a nanosecond, whatever else the machine does.
count_instructions() {
    cat > "$WORK/qemu-counted" <<'Q'
#!/bin/sh
case " $* " in *" -kernel "*) exec /usr/bin/qemu-system-x86_64 -icount shift=0 "$@" ;; esac
exec /usr/bin/qemu-system-x86_64 "$@"
Q
    chmod 755 "$WORK" "$WORK/qemu-counted"
    sed -i "s|^  # qemu: .*|  qemu: $WORK/qemu-counted|" "$WORK/etc/plugins.d/kvm.yaml"
    sed -i 's/^defaults:/&\n  boot_timeout: 200s/' "$ANYVISOR_CONFIG"
    LIMIT=300
}

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
        mapfile -t want < <(printf '%s\n' "${want[@]}" | tac)
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

# What /proc/uptime says when the program runs: of the clock that counts instructions, and runs on while
# the guest waits. A start takes a minute and more; each row is shown when it is there.
bench_count() {
    local kind i up idle floor=- target=-
    has_disks count || return 0
    count_instructions
    for kind in 9pfs tree tmpfs; do
        fresh_bundle "n.$kind" "[\"cat\",\"/proc/uptime\"] | .annotations.t = \"$kind\"" > /dev/null
        [ "$kind" = 9pfs ] || av run --bundle "$WORK/b/n.$kind" fill > /dev/null 2>&1 < /dev/null
        for ((i = 0; i < $(times 4); i++)); do
            read -r up idle < <(av run --bundle "$WORK/b/n.$kind" "n.$kind" 2> "$WORK/err" < /dev/null | tr -d '\r') ||
                { echo "# count, $kind: $(tail -n 1 "$WORK/err")"; continue; }
            awk -v up="$up" -v idle="$idle" 'BEGIN { print (up - idle) * 1000, up * 1000 }' >> "$WORK/count.$kind"
        done
        row "instructions, $kind" M "$WORK/count.$kind" 1 "$floor" -
        row "instructions and waits, $kind" M "$WORK/count.$kind" 2 "$floor" "$target"
        floor=$WORK/count.9pfs target=1
    done
}

# An archive of 2000 files and 32 MB, unpacked where it is not yet, and a program of it run to its end.
bench_pull() {
    local kind i d want=(9pfs first cached server)
    has_disks pull nbdkit || return 0
    mkdir -p "$WORK/nbd" "$WORK/tree/usr/share" && cp -a "$WORK/rootfs/." "$WORK/tree/"
    for ((d = 0; d < 20; d++)); do
        mkdir "$WORK/tree/usr/share/$d"
        head -c 1600000 /dev/urandom | split -b 16000 -a 3 - "$WORK/tree/usr/share/$d/f"
    done
    tar -cf "$WORK/image.tar" -C "$WORK/tree" .
    truncate -s 64M "$WORK/server.img" && mke2fs -q -t ext4 -d "$WORK/tree" -F "$WORK/server.img"
    nbd_server pull "$WORK/server.img" --readonly --unix "$WORK/nbd/p"
    fresh_bundle pull '["/bin/true"]' > /dev/null
    jq '.annotations.t = "tree"' "$WORK/b/pull/config.json" > "$WORK/tree.json"
    jq ".annotations = {t: \"server\", \"org.anyvisor.rootfs\": \"nbd+unix:///?socket=$WORK/nbd/p\"}" \
        "$WORK/b/pull/config.json" > "$WORK/server.json"
    cp "$WORK/b/pull/config.json" "$WORK/9pfs.json"
    for ((i = 0; i < $(times 5); i++)); do
        for kind in "${want[@]}"; do
            meter "$WORK/pull.$kind" bash -c "$(declare -f pull_one); pull_one $kind"
        done
    done
    row 'pull to end, 9pfs' ms "$WORK/pull.9pfs" 1 - -
    row 'pull to end, erofs, the first' ms "$WORK/pull.first" 1 "$WORK/pull.9pfs" -
    row 'pull to end, erofs, the next' ms "$WORK/pull.cached" 1 "$WORK/pull.9pfs" -
    row 'pull to end, image on NBD' ms "$WORK/pull.server" 1 "$WORK/pull.9pfs" -
    stop_server "$WORK/pull.pid"
}

# The next container of an image has its files already, and that on a server nothing at all.
pull_one() {
    local kind=$1 b=$WORK/b/pull config=$1
    case $kind in
    9pfs | first)
        rm -rf "$b/rootfs" && mkdir "$b/rootfs" && tar -xf "$WORK/image.tar" -C "$b/rootfs" || return 1
        [ "$kind" = 9pfs ] || config=tree
        ;;
    cached) config=tree ;;
    esac
    cp "$WORK/$config.json" "$b/config.json"
    "$AV" --root "$ROOT" run --bundle "$b" "pull.$kind"
}

# samples WHAT SUFFIX: what storage_load has printed on stdin goes to a file for each part.
samples() {
    local load name us
    while read -r load name us; do
        [ "$load" = load ] || continue
        case $us in *[!0-9\ ]*) echo "# $1$2: $name $us" ;; *) echo "$us" >> "$WORK/$1.$name$2" ;; esac
    done < <(tr -d '\r')
}

# floor WHAT BUNDLE DISK PROGRAM...: the words of bare QEMU with that sandbox's machine, in WORK/qemu
floor() {
    local b=$1 disk=$2
    shift 2
    "$here/initrd.sh" "$(image_of "$b")" "$TOOLS/bare_init" "$WORK/bare.cpio" ${disk:+block ext4} || return 1
    av create --bundle "$b" idle > "$WORK/out" 2>&1 < /dev/null || { cat "$WORK/out"; return 1; }
    python3 "$here/baseline.py" "$(qemu_of idle)" "$b/rootfs" "$WORK/bare.cpio" "$WORK/console" "$disk" \
        "${flags[@]}" "$@" > "$WORK/qemu"
    cpu_group "$(qemu_of idle)"
    av delete --force idle
    [ -s "$WORK/qemu" ]
}

# cpu_group PID: FLOOR_GROUP becomes a new cgroup beside that of the process, which has the same weight
# against the rest of the machine's processes: without, each thread of bare QEMU would have as much.
cpu_group() {
    local at
    [ -z "$FLOOR_GROUP" ] || return 0
    at=$(sed -n 's/^[0-9]*:\(cpu\|cpu,cpuacct\|cpuacct,cpu\)://p' "/proc/$1/cgroup")
    for at in /sys/fs/cgroup/cpu"$at" "/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$1/cgroup")"; do
        [ -f "$at/cgroup.procs" ] && [ "$at" != /sys/fs/cgroup/cpu ] || continue
        FLOOR_GROUP=/sys/fs/cgroup/${at#/sys/fs/cgroup/}
        FLOOR_GROUP=${FLOOR_GROUP%"/av-test-"*}/av-floor-${WORK##*.}
        mkdir "$FLOOR_GROUP" && return
    done
    FLOOR_GROUP=
}

run_floor() {  # run_floor WHAT WORD...
    : > "$WORK/console"
    (
        [ -z "$FLOOR_GROUP" ] || echo "$BASHPID" > "$FLOOR_GROUP/cgroup.procs"
        exec timeout 300 "${@:2}" > "$WORK/out" 2>&1 < /dev/null
    )
    samples "$1" .floor < "$WORK/console"
}

run_ours() {   # run_ours WHAT BUNDLE
    av run --bundle "$2" "$1" 2>&1 < /dev/null | samples "$1" ''
}

# files WHAT PLACE [TYPE SOURCE DISK]: the load in PLACE of a container and of bare QEMU. What is there
# is a mount of that type and source; bare QEMU has DISK.
files() {
    local what=$1 place=$2 type=${3:-} source=${4:-} disk=${5:-} b i name qemu=()
    b=$(fresh_bundle "$what" "[\"/load\",\"$place\",\"$divisor\"]
        ${type:+| .mounts += [{type:\"$type\",source:\"$source\",destination:\"$place\"\}]}")
    mkdir -p "$b/rootfs$place"
    cp "$TOOLS/storage_load" "$b/rootfs/load"
    if [ "$BACKEND" = kvm ]; then
        floor "$b" "$disk" /load "$place" "$divisor" || { MISSING=1; no_figure "$what" 'no bare QEMU'; return; }
        mapfile -d '' qemu < "$WORK/qemu"
    fi
    for ((i = 0; i < $(times 5); i++)); do
        [ $((i % 2)) = 0 ] || run_ours "$what" "$b"
        [ ${#qemu[@]} = 0 ] || run_floor "$what" "${qemu[@]}"
        [ $((i % 2)) = 1 ] || run_ours "$what" "$b"
    done
    for name in create stat unlink write read random-read random-write; do
        if [ ${#qemu[@]} = 0 ]; then row "$what: $name" ms "$WORK/$what.$name" 1 - -
        elif [ -n "$count" ]; then row "$what: $name" k "$WORK/$what.$name" 2 "$WORK/$what.$name.floor" 1.1
        else row "$what: $name" ms "$WORK/$what.$name" 1 "$WORK/$what.$name.floor" 1.1; fi
    done
}

bench_share() {
    files 9pfs /files
}

has_disks() {  # has_disks WHAT [PROGRAM]
    [ "$BACKEND" = kvm ] || { no_figure "$1" 'the fake back-end has none'; return 1; }
    [ -z "${2:-}" ] || command -v "$2" > /dev/null || { no_figure "$1" "$2 is not installed"; return 1; }
}

bench_disk() {
    has_disks disk || return 0
    image "$WORK/disk.img"
    files disk /disk anyvisor.block "$WORK/disk.img" "$WORK/disk.img"
}

bench_qcow2() {
    has_disks qcow2 qemu-img || return 0
    image "$WORK/q.raw"
    qemu-img convert -O qcow2 "$WORK/q.raw" "$WORK/q.qcow2"
    files qcow2 /disk anyvisor.block "$WORK/q.qcow2" "$WORK/q.qcow2"
}

bench_device() {
    local loop
    has_disks device || return 0
    image "$WORK/loop.img"
    loop=$(losetup --show -f "$WORK/loop.img" 2> /dev/null) || { no_figure device 'no loop devices'; return; }
    loops+=("$loop")
    files device /disk anyvisor.block "$loop" "$loop"
}

bench_nbd() {
    has_disks nbd nbdkit || return 0
    image "$WORK/nbd.img"
    mkdir -p "$WORK/nbd"
    nbd_server nbd "$WORK/nbd.img" --unix "$WORK/nbd/s"
    files nbd /disk anyvisor.network "nbd+unix:///?socket=$WORK/nbd/s" "$WORK/nbd/s"
    stop_server "$WORK/nbd.pid"
}

bench_iscsi() {
    has_disks iscsi tgtd || return 0
    image "$WORK/iscsi.img"
    iscsi_server "$WORK/iscsi.img" '' ''
    files iscsi /disk anyvisor.network "iscsi://127.0.0.1/$TARGET/1" server
    stop_server "$WORK/tgt.pid"
}

export WORK AV ROOT
facts
[ -z "$count" ] || count_instructions
for name in "${names[@]}"; do
    declare -F "bench_$name" > /dev/null || { echo "storage.sh: no figure '$name'" >&2; exit 2; }
    "bench_$name"
done
exit "$MISSING"
