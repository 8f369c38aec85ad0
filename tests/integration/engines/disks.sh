# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# disks.sh - engines whose containers have disks instead of shared directories. Sourced after
# lib.sh's setup, before the engine gets to know its runtimes:
#
#     disks_setup "$P/anyvisor"     # class "disk", and a wrapper $P/anyvisor-disk that chooses it
#     -v "$DISK_IMAGE:/data"        # an ext4 as a volume
#     sh -c "$DISK_SCRIPT"          # the container's program: disks_seen looks at what it says

# What it writes to the volume is there when it is started again, what it writes to the root is not.
# shellcheck disable=SC2016,SC2034 # for the container's shell; used by the scripts
DISK_SCRIPT='trap "exit 7" TERM
    grep -o "^[^ ]* / [a-z0-9]*" /proc/mounts; grep -o " /data [a-z0-9]*" /proc/mounts
    echo x >> /root/new; echo x >> /data/new
    echo root $(wc -l < /root/new) data $(wc -l < /data/new) from $(cat /etc/layer)
    while :; do sleep 0.1; done'

disks_possible() {
    [ "$BACKEND" != fake ] || { skip "containers on disks" "the fake back-end has none"; return 1; }
    if ! command -v mkfs.erofs mke2fs e2fsck > /dev/null; then
        skip "containers on disks" "erofs-utils or e2fsprogs is not installed"
        return 1
    fi
}

disks_setup() {
    DISK_IMAGE=$WORK/data.img
    echo image > "$WORK/rootfs/etc/layer"
    cat >> "$ANYVISOR_CONFIG" <<X
storage: {cache: {dir: $WORK/cache}}
classes:
- name: disk
  match: {runtime: none}
  storage: {rootfs: [block], volumes: [block, 9pfs], images: ["$DISK_IMAGE"]}
X
    sed 's| "\$@"$| --class disk "$@"|' "$1" > "$1-disk"
    chmod +x "$1-disk"
    truncate -s 32M "$DISK_IMAGE"
    mke2fs -q -t ext4 -F "$DISK_IMAGE"
}

# disks_seen ROUND LOGS...: what the container says when it runs for the first, second... time.
disks_seen() {
    local round=$1
    shift
    disks_told() { "$@" 2>&1 | grep -q "data $round from"; }
    check "on disks: round $round" 0 '' until_ok 30 disks_told "$@"
    check "the root is an image with a layer on top" 0 '^overlay / overlay' "$@"
    check "the volume is a disk" 0 '^ /data ext4' "$@"
    check "the layer is new, the volume is kept" 0 "^root 1 data $round from image" "$@"
}

# One image for all containers of the same files; what was written is safe.
disks_kept() {
    same "on disks: the image was made once" 1 "$(find "$WORK/cache" -name '*.erofs' | wc -l)"
    check "on disks: the volume is clean" 0 'clean' e2fsck -n "$DISK_IMAGE"
}
