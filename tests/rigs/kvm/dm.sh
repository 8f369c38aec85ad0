#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Device mapper: a root file system on a thin snapshot, mounted in the bundle as containerd's
# devmapper snapshotter does, and volumes on a linear device, on a linear and on a thin volume of LVM.
# They go to one VM as disks, and so does, while that runs, a thin snapshot of LVM as the root of a
# second container. Runs in the rig, whose kernel has device mapper.
. "$(dirname "$0")/../../integration/lib.sh"
PATH=$PATH:/usr/sbin:/sbin
export DM_DISABLE_UDEV=1        # nobody else makes the nodes there
if ! modprobe -a dm-mod dm-thin-pool 2> /dev/null || ! command -v dmsetup lvm > /dev/null; then
    skip_all "no device mapper here: rig.sh run $0"
fi
setup kvm
LIMIT=450
VG=av${WORK##*.}
sed -i 's/^defaults:/&\n  boot_timeout: 400s\n  storage: {rootfs: [block], volumes: [block, 9pfs]}/' "$ANYVISOR_CONFIG"

loops=()
lv() { # lv COMMAND...: of LVM, on our devices alone, by itself: neither udev nor dmeventd runs
    lvm "$1" -q -y --config "devices { filter=[\"a|^/dev/loop|\",\"r|.*|\"] use_devicesfile=0
        obtain_device_list_from_udev=0 }
        activation { udev_sync=0 udev_rules=0 monitoring=0 }" "${@:2}" 3>&-
}
remove_all() {
    umount "$WORK"/b/{dm,lvm}/rootfs "$WORK/see"
    dmsetup remove --retry av-snap av-thin av-pool av-lv
    lv vgremove -f "$VG"
    losetup -d "${loops[@]}"
}
trap 'rc=$?; remove_all 2> /dev/null >&2; (exit $rc); leave' EXIT
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

# --- the same of LVM: a linear volume, a thin one, a thin one's snapshot
device 160M
check "a volume group" 0 '' lv vgcreate "$VG" "$DEVICE"
check "a linear volume" 0 '' lv lvcreate -L 16M -n linear "$VG"
check "a thin pool" 0 '' lv lvcreate --type thin-pool -L 96M --poolmetadatasize 4M -n pool "$VG"
check "a thin volume" 0 '' lv lvcreate --type thin -V 256M -n thin --thinpool pool "$VG"
check "and one with an image" 0 '' lv lvcreate --type thin -V 64M -n image --thinpool pool "$VG"
mke2fs -q -t ext4 "/dev/$VG/linear" && mke2fs -q -t ext4 "/dev/$VG/thin" && mke2fs -q -t ext4 -d "$WORK/rootfs" "/dev/$VG/image"
check "whose snapshot is a container's" 0 '' lv lvcreate -s -kn -n snap "$VG/image"

b=$(bundle dm "$(sh_args 'grep -E " (/|/v|/linear|/thin) ext4 " /proc/mounts; echo new > /new; echo kept > /v/kept
        echo linear > /linear/f; echo thin > /thin/f; cat /etc/passwd | head -n 1; echo ready; sleep 1000') |
    .mounts += [{type:\"anyvisor.block\",source:\"/dev/mapper/av-lv\",destination:\"/v\"},
                {type:\"anyvisor.block\",source:\"/dev/$VG/linear\",destination:\"/linear\"},
                {type:\"anyvisor.block\",source:\"/dev/$VG/thin\",destination:\"/thin\"}]")
rm -rf "$b/rootfs" && mkdir "$b/rootfs" && mount /dev/mapper/av-snap "$b/rootfs"
check "explain says whose mount it is" 0 "rootfs: block: the device '/dev/mapper/av-snap' behind the mount" av explain "$b"
av run --bundle "$b" dm > "$WORK/out" 2>&1 < /dev/null &
check "a container starts on all" 0 '' until_ok "$LIMIT" grep -q ready "$WORK/out"
check "its root is a disk" 0 '^/dev/vd[a-z] / ext4 rw' cat "$WORK/out"
for v in v linear thin; do check "so is its volume $v" 0 "^/dev/vd[a-z] /$v ext4 rw" cat "$WORK/out"; done
check "with the image's files" 0 '^root:x:0' cat "$WORK/out"
check "the host has let the snapshot go" 1 '' grep -F "$b/rootfs" /proc/self/mountinfo

# --- a container that joins, with its root on LVM's snapshot
b=$(bundle lvm "$(in_pod dm) | $(sh_args 'grep " / ext4 " /proc/mounts; echo new > /new; cat /etc/passwd | head -n 1')")
rm -rf "$b/rootfs" && mkdir "$b/rootfs" && mount "/dev/$VG/snap" "$b/rootfs"
av run --bundle "$b" lvm > "$WORK/out2" 2>&1 < /dev/null
same "a container joins the VM with a volume of LVM as its root" 0 $?
check "which is a disk" 0 '^/dev/vd[a-z] / ext4 rw' cat "$WORK/out2"
check "with its image's files" 0 '^root:x:0' cat "$WORK/out2"
check "the host has let that go, too" 1 '' grep -F "$b/rootfs" /proc/self/mountinfo
check "both are deleted" 0 '' av delete --force lvm
check "with their VM" 0 '' av delete --force dm

on() { debugfs -R "cat $2" "/dev/$1" 2> /dev/null; } # on DEVICE FILE
same "the snapshot has what was written" new "$(on mapper/av-snap /new)"
same "and the image has not" "" "$(on mapper/av-thin /new)"
same "so has LVM's" new "$(on "$VG/snap" /new)"
same "and its image has not" "" "$(on "$VG/image" /new)"
same "the volumes have their own" "kept linear thin" "$(on mapper/av-lv /kept) $(on "$VG/linear" /f) $(on "$VG/thin" /f)"
for d in mapper/av-snap mapper/av-lv "$VG/snap" "$VG/linear" "$VG/thin"; do check "$d is clean" 0 clean e2fsck -n "/dev/$d"; done
remove_all > "$WORK/removed" 2>&1
same "no device of ours is in use" "" "$(dmsetup ls | grep -oE "^(av-[a-z]*|$VG-.*)")"
finish
