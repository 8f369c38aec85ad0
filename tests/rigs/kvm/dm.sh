#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Device mapper: a root file system on a thin snapshot, mounted in the bundle as containerd's
# devmapper snapshotter does, and a volume on a linear device, which is what an LVM volume is. Both
# go to one VM as disks. Runs in the rig, whose kernel has device mapper.
. "$(dirname "$0")/../../integration/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
export DM_DISABLE_UDEV=1        # nobody else makes the nodes there
if ! modprobe -a dm-mod dm-thin-pool 2> /dev/null || ! command -v dmsetup > /dev/null; then
    skip_all "no device mapper here: rig.sh run $0"
fi
setup kvm
LIMIT=240
sed -i 's/^defaults:/&\n  boot_timeout: 200s\n  storage: {rootfs: [block], volumes: [block, 9pfs]}/' "$ANYVISOR_CONFIG"

loops=()
remove_all() {
    umount "$WORK/b/dm/rootfs" "$WORK/see"
    dmsetup remove --retry av-snap av-thin av-pool av-lv
    losetup -d "${loops[@]}"
}
trap 'rc=$?; remove_all 2> /dev/null; (exit $rc); leave' EXIT
device() { # device SIZE: DEVICE of a new loop device
    truncate -s "$1" "$WORK/loop.${#loops[@]}" && DEVICE=$(losetup --show -f "$WORK/loop.${#loops[@]}") && loops+=("$DEVICE")
}

# --- the pool, an image in it, and the container's snapshot of that
device 4M && meta=$DEVICE && device 64M && data=$DEVICE && device 24M && volume=$DEVICE || skip_all "no loop devices"
dmsetup create av-pool --table "0 131072 thin-pool $meta $data 128 0 1 skip_block_zeroing"
dmsetup message av-pool 0 'create_thin 0'
dmsetup create av-thin --table '0 65536 thin /dev/mapper/av-pool 0'
mke2fs -q -t ext4 -d "$WORK/rootfs" /dev/mapper/av-thin
dmsetup suspend av-thin
dmsetup message av-pool 0 'create_snap 1 0'
dmsetup resume av-thin
check "a thin snapshot" 0 '' dmsetup create av-snap --table '0 65536 thin /dev/mapper/av-pool 1'
check "a linear device" 0 '' dmsetup create av-lv --table "0 40960 linear $volume 8192"
mke2fs -q -t ext4 /dev/mapper/av-lv

b=$(bundle dm "$(sh_args 'grep -E " (/|/v) ext4 " /proc/mounts; echo new > /new; echo kept > /v/kept; cat /etc/passwd | head -n 1') |
    .mounts += [{type:\"anyvisor.block\",source:\"/dev/mapper/av-lv\",destination:\"/v\"}]")
rm -rf "$b/rootfs" && mkdir "$b/rootfs" && mount /dev/mapper/av-snap "$b/rootfs"
check "explain says whose mount it is" 0 "rootfs: block: the device '/dev/mapper/av-snap' behind the mount" av explain "$b"
av run --bundle "$b" dm > "$WORK/out" 2>&1 < /dev/null
same "a container on both ends well" 0 $?
check "its root is a disk" 0 '^/dev/vd[a-z] / ext4 rw' cat "$WORK/out"
check "so is its volume" 0 '^/dev/vd[a-z] /v ext4 rw' cat "$WORK/out"
check "with the image's files" 0 '^root:x:0' cat "$WORK/out"
check "the host has let the snapshot go" 1 '' grep -F "$b/rootfs" /proc/self/mountinfo
on() { debugfs -R "cat $2" "/dev/mapper/$1" 2> /dev/null; } # on DEVICE FILE
same "which has what was written" new "$(on av-snap /new)"
same "and the image has not" "" "$(on av-thin /new)"
same "the volume has its own" kept "$(on av-lv /kept)"
for d in snap lv; do check "$d is clean" 0 clean e2fsck -n "/dev/mapper/av-$d"; done
remove_all 2> /dev/null
same "no device of ours is in use" "" "$(dmsetup ls | grep -o '^av-[a-z]*')"
finish
