#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Disks: images, devices, scratch file systems, images of directories; what goes wrong with them;
# a disk for a running VM; and no acknowledged write lost when the VM is killed (--long: 200 kills).
. "$(dirname "$0")/../lib.sh"
setup "${1:?usage: block.sh BACKEND [--long]}"
LONG=${2:-}
PATH=$PATH:/usr/sbin:/sbin
for tool in mkfs.erofs mke2fs mkfs.xfs mksquashfs qemu-img debugfs; do
    command -v $tool > /dev/null || skip_all "$tool is not installed"
done
cat > "$ANYVISOR_CONFIG" <<X
version: 1
plugins_dir: plugins.d
defaults:
  hypervisor: [$BACKEND]
  vm: {memory: 256MiB, vcpus: 1}
  storage: {rootfs: [9pfs], volumes: [block, 9pfs], images: ["$WORK/bound/*.img"]}
storage:
  cache: {dir: $WORK/cache}
annotations: {allow: [org.anyvisor.rootfs]}
classes:
- {name: tree, match: {annotations: {t: tree}}, storage: {rootfs: [block]}}
- {name: tmpfs, match: {annotations: {t: tmpfs}}, storage: {rootfs: [block], scratch: {kind: tmpfs, size: 16MiB}}}
- {name: only, match: {annotations: {t: only}}, storage: {volumes: [block]}}
- {name: share, match: {annotations: {t: share}}, storage: {volumes: [9pfs]}}
X
disk() { # disk SOURCE DEST [OPTIONS]: a jq filter that adds a mount of it
    printf '.mounts += [{type:"anyvisor.block",source:"%s",destination:"%s",options:[%s]}]' "$1" "$2" "${3:-}"
}
class() { printf '.annotations.t="%s"' "$1"; }
image() { # image FILE [SIZE]: an ext4
    truncate -s "${2:-32M}" "$1" && mke2fs -q -t ext4 -F "$1" > /dev/null
}
on() { debugfs -R "cat $2" "$1" 2> /dev/null; } # on IMAGE FILE

# --- decisions that need no VM
image "$WORK/a.img"
mkdir -p "$WORK/dir" "$WORK/src"
echo file > "$WORK/file"
b=$(bundle why "$(disk "$WORK/a.img" /a) | .mounts += [{type:\"bind\",source:\"$WORK/dir\",destination:\"/d\",options:[\"rbind\"]}] | $(class tree)")
explained() { # explained NAME REGEX: of the bundle, by a back-end that has disks
    if [ "$BACKEND" = fake ]; then
        check "$1: not without disks" 1 "block: the back-end cannot plug disks" av explain "$b"
    else
        check "$1" 0 "$2" av explain "$b"
    fi
}
explained "explain tells of the rootfs" 'rootfs: block: a read-only image made of the directory'
explained "and of a disk" "'/a': block: a disk image"
explained "and of a directory" "'/d': 9pfs: the host's directory, shared .block: it is a directory"
same "without making anything" "" "$(find "$WORK/cache" 2> /dev/null)"
b=$(bundle no "$(disk "$WORK/a.img" /a) | $(class share)")
check "a policy without block refuses a disk" 1 "^anyvisor: storage: config.json: mounts\[[0-9]+\] '/a': class 'share': .*9pfs: a disk image is no directory$" \
    av create --bundle "$b" no
b=$(bundle no2 ".mounts += [{type:\"bind\",source:\"$WORK/dir\",destination:\"/d\",options:[\"rbind\"]}] | $(class only)")
check "a policy of block alone refuses a directory" 1 "'/d': class 'only': .*block: it is a directory of the host; for a disk use" av create --bundle "$b" no
mkdir -p "$WORK/bound"
image "$WORK/bound/b.img"
bound=".mounts += [{type:\"bind\",source:\"$WORK/bound/b.img\",destination:\"/bound\",options:[\"rbind\"]}]"
b=$(bundle bound "$bound")
explained "a file that the policy calls an image is one" "'/bound': block: a disk image"
b=$(bundle nobound "$bound | $(class share)")
check "unless the class shares all" 1 "'/bound': class 'share': .*9pfs: a disk image is no directory" av create --bundle "$b" no
qemu-img create -q -f qcow2 -F raw -b /etc/passwd "$WORK/leak.qcow2" > /dev/null
b=$(bundle leak "$(disk "$WORK/leak.qcow2" /a)")
check "an image that names another file is refused" 1 "leak.qcow2' has a backing file: make" av create --bundle "$b" no
cp "$WORK/leak.qcow2" "$WORK/leak.img"
b=$(bundle leak2 "$(disk "$WORK/leak.img" /a)")
check "so is one that only looks like qcow2" 1 "looks like a qcow2 image: say format=" av create --bundle "$b" no
qemu-img create -q -f qcow2 -o "data_file=$WORK/data.raw,data_file_raw=on" "$WORK/data.qcow2" 8M
b=$(bundle leak3 "$(disk "$WORK/data.qcow2" /a)")
check "and one that keeps its data in another file" 1 "data.qcow2' keeps its data in another file: make" av create --bundle "$b" no
b=$(bundle gone "$(disk "$WORK/gone.img" /a)")
check "a missing image is named" 1 "mounts\[[0-9]+\] '/a': .*$WORK/gone.img: No such file" av create --bundle "$b" no
b=$(bundle opt "$(disk "$WORK/a.img" /a '"fs=ntfs"')")
check "a wrong option is named" 1 "option 'fs=ntfs': expected fs=ext4, xfs, erofs or squashfs" av create --bundle "$b" no
b=$(bundle szie '.mounts += [{type:"anyvisor.scratch",destination:"/s",options:["szie=1GiB"]}]')
check "so is a misspelt one" 1 "mounts\[[0-9]+\] '/s': option 'szie=1GiB': unknown, did you mean 'size='" av create --bundle "$b" no
b=$(bundle ask ".annotations[\"org.anyvisor.rootfs\"]=\"$WORK/root.img\" | $(class share)")
sed -i 's/^annotations:.*/annotations: {allow: []}/' "$ANYVISOR_CONFIG"
check "a workload may not choose its own rootfs unless it is let" 0 'org.anyvisor.rootfs is not in annotations.allow' av explain "$b"
sed -i 's/^annotations:.*/annotations: {allow: [org.anyvisor.rootfs]}/' "$ANYVISOR_CONFIG"

# --- the cache of images: no VM is needed to fill it
tree=$(bundle tree "$(sh_args 'echo hello') | $(class tree)")
chmod 1777 "$tree/rootfs/tmp"
fill() { # fill ID [FAULT]: a create that ends when its disks are there
    ANYVISOR_FAULT=${2:-cli.disks:fail} av create --bundle "$tree" "$1"
}
cached() { find "$WORK/cache" -name "*.erofs" -printf '%f\n' | sort; }
rm -rf "$WORK/cache"
fill one > "$WORK/one" 2>&1 < /dev/null &
one=$!
fill two > "$WORK/two" 2>&1 < /dev/null
wait $one
same "two that start at once make one image" 1 "$(cached | wc -l)"
key=$(cached)
same "and both have it" 2 "$(grep -l 'fault cli.disks' "$WORK/one" "$WORK/two" | wc -l)"
same "nothing else is left there" 1 "$(find "$WORK/cache" -name 'build-*' -o -name 'scratch-*' -o -name '*.erofs' | wc -l)"
before=$(stat -c '%i %Y' "$WORK/cache/$key")
check "a third one takes it" 1 'fault cli.disks' fill c
same "as it is" "$before" "$(stat -c '%i %Y' "$WORK/cache/$key")"
chmod 600 "$WORK/cache/$key"
printf garbage | dd of="$WORK/cache/$key" bs=1 seek=2000 conv=notrunc status=none
check "a damaged image is told" 1 "cached image '$WORK/cache/$key' is damaged, making it anew" fill c
same "and made anew" yes "$([ "$before" != "$(stat -c '%i %Y' "$WORK/cache/$key")" ] && echo yes)"
truncate -s 4096 "$WORK/cache/$key" 2> /dev/null
check "so is a short one" 1 "is damaged, making it anew" fill c
cp -a "$WORK/cache" "$WORK/moved" && rm -rf "$WORK/cache" && mv "$WORK/moved" "$WORK/cache"
before=$(stat -c %i "$WORK/cache/$key")
fill copied > /dev/null 2>&1 < /dev/null
same "a cache that was copied is good" "$before" "$(stat -c %i "$WORK/cache/$key")"
rm -rf "$WORK/cache"
check "kill -9 of who makes it" 137 '' fill killed storage.image-made
same "leaves no image" "" "$(cached)"
check "and the next one makes it" 1 'fault cli.disks' fill next
same "with the same name" "$key" "$(cached)"
exec 7> "$WORK/cache/lock-${key:0:1}"
flock 7 && mv "$WORK/cache/$key" "$WORK/aside"
"$AV" --root "$ROOT" create --bundle "$tree" waits > "$WORK/waits" 2>&1 < /dev/null 7>&- &
waits=$!
check "who needs an image that another makes waits" 0 '' until_ok 20 pgrep -P $waits -x flock
kill -TERM $waits
wait $waits
same "SIGTERM ends that" "1 interrupted by SIGTERM" "$? $(grep -o 'interrupted by SIGTERM' "$WORK/waits")"
exec 7>&-
mv "$WORK/aside" "$WORK/cache/$key"
check "delete --force after the kill" 0 '' av delete --force killed
echo > "$WORK/cache/build-0123"; echo > "$WORK/cache/scratch-1-1-abcdef"
check "gc" 0 '' av gc
same "removes what makers that were killed have left" "" "$(find "$WORK/cache" -name 'build-*' -o -name 'scratch-*')"
before=$(stat -c '%i %Y' "$WORK/cache/$key")
points="cli.disks cli.monitor-spawned monitor.listen"
[ "$BACKEND" = fake ] || points="$points monitor.hello cli.created cli.committed"
for p in $points; do
    fill "k-$p" "$p" > "$WORK/out" 2>&1 < /dev/null
    same "kill -9 at $p" yes "$([ $? != 0 ] && echo yes)"
    check "$p: delete --force" 0 '' av delete --force "k-$p"
    check "$p: gc" 0 '' av gc
    same "$p: no disk of it is left" "" "$(find "$WORK/cache" -name 'build-*' -o -name 'scratch-*')"
done
same "and the image is as it was" "$before" "$(stat -c '%i %Y' "$WORK/cache/$key")"
echo more > "$tree/rootfs/more"
check "changed files make another image" 1 'fault cli.disks' fill c
same "beside the first" 2 "$(cached | wc -l)"
sed -i "s|cache: {dir: .*|cache: {dir: $WORK/cache, max_size: 1MiB}|" "$ANYVISOR_CONFIG"
echo other > "$tree/rootfs/more"
check "a small cache" 1 'fault cli.disks' fill c
same "keeps only the newest image" 1 "$(cached | wc -l)"
sed -i "s|cache: {dir: .*|cache: {dir: $WORK/small}|" "$ANYVISOR_CONFIG"
mkdir -p "$WORK/small"
mount -t tmpfs -o size=400k small "$WORK/small"
check "a full disk is told" 1 "make an image of '$tree/rootfs' in '$WORK/small': .*(No space|ENOSPC|failed)" fill c
same "and nothing is left on it" "" "$(find "$WORK/small" -type f -size +0)"
umount "$WORK/small"
sed -i "s|cache: {dir: .*|cache: {dir: $WORK/cache}|" "$ANYVISOR_CONFIG"

# --- an overlay, as engines make the rootfs: its layers name the image
lower() { # lower NAME: a bundle whose rootfs is an overlay over the one below
    mkdir -p "$WORK/b/$1/rootfs" "$WORK/up/$1" "$WORK/work/$1"
    mount -t overlay overlay -o "lowerdir=$WORK/rootfs,upperdir=$WORK/up/$1,workdir=$WORK/work/$1" "$WORK/b/$1/rootfs" &&
        "$AV" spec --bundle "$WORK/b/$1" > /dev/null &&
        jq ".process.terminal=false | $(class tree)" "$WORK/b/$1/config.json" > "$WORK/j" && mv "$WORK/j" "$WORK/b/$1/config.json"
}
rm -rf "$WORK/cache"
for n in o1 o2; do
    lower $n
    ANYVISOR_FAULT=cli.disks:fail av create --bundle "$WORK/b/$n" $n > "$WORK/out" 2>&1 < /dev/null
done
same "containers of the same layers have one image" "1 fault" "$(cached | wc -l) $(grep -o '^[a-z: ]*fault' "$WORK/out" | grep -o fault)"
echo own > "$WORK/b/o2/rootfs/own"
ANYVISOR_FAULT=cli.disks:fail av create --bundle "$WORK/b/o2" o3 > "$WORK/out" 2>&1 < /dev/null
same "what is in a container's own layer makes another one" 2 "$(cached | wc -l)"
umount "$WORK/b/o1/rootfs" "$WORK/b/o2/rootfs"

[ "$BACKEND" != fake ] || finish

# --- every kind of disk in one VM, whose root is an image of its directory
image "$WORK/q.raw"
qemu-img convert -O qcow2 "$WORK/q.raw" "$WORK/q.qcow2"
truncate -s 320M "$WORK/x.img" && mkfs.xfs -q "$WORK/x.img"
echo inside > "$WORK/src/f"
mkdir "$WORK/src/sub" && echo below > "$WORK/src/sub/f"
mkfs.erofs --quiet "$WORK/e.img" "$WORK/src" > /dev/null 2>&1
mksquashfs "$WORK/src" "$WORK/s.img" -quiet -no-progress > /dev/null
image "$WORK/ro.img"
before=$(sha256sum < "$WORK/ro.img")
# The host's file system below one image has no room for what its own one promises.
mkdir "$WORK/tight"
mount -t tmpfs -o size=8M tight "$WORK/tight"
image "$WORK/tight/t.img" 64M
# The pipe keeps the VM up until its processes have been looked at.
b=$(bundle all "$(sh_args 'for d in a q x; do echo new > /$d/f && sync && echo "$d writes"; done
    cat /e/f /s/f; echo "sub $(cat /sub/f)"
    echo x > /bound/f && echo "bound writes"
    echo x > /ro/f || echo "ro refuses"
    dd if=/dev/zero of=/scratch/f bs=1M 2>&1 | grep -q "No space" && echo "scratch is full"
    echo via > /d/f; cat /file
    grep -q "^overlay / overlay rw" /proc/mounts && echo "root is an overlay"
    echo x > /new && echo "root writes"; stat -c "tmp %a" /tmp; echo ready; read x
    dd if=/dev/zero of=/tight/f bs=1M count=32 conv=fsync 2>&1 | grep -q "Input/output error" && echo "the host is full"
    echo more > /a/more && sync /a/more && echo "a writes on"') | $(class tree) |
    $(disk "$WORK/a.img" /a) | $(disk "$WORK/q.qcow2" /q '"nosuid"') | $(disk "$WORK/x.img" /x) |
    $(disk "$WORK/e.img" /e) | $(disk "$WORK/s.img" /s) | $(disk "$WORK/e.img" /sub '"ro","subdir=sub"') |
    $(disk "$WORK/ro.img" /ro '"ro"') | $(disk "$WORK/tight/t.img" /tight) | $bound |
    .mounts += [{type:\"anyvisor.scratch\",destination:\"/scratch\",options:[\"size=24MiB\"]},
    {type:\"bind\",source:\"$WORK/dir\",destination:\"/d\",options:[\"rbind\"]},
    {type:\"bind\",source:\"$WORK/file\",destination:\"/file\",options:[\"bind\",\"ro\"]}]")
chmod 1777 "$b/rootfs/tmp"
mkfifo "$WORK/in"
exec 8<> "$WORK/in"
av run --bundle "$b" all < "$WORK/in" > "$WORK/out" 2>&1 &
cli=$!
until_ok 90 grep -q ready "$WORK/out"
qemu=$(tr '\0' ' ' < "/proc/$(vmm_of all)/cmdline" | tr -d '\\') # which JSON has before each slash
same "scratch disks have no name any more" "" "$(find "$WORK/cache" -name 'scratch-*')"
monitor=$(cut -d' ' -f1 "$ROOT/all/monitor")
folder=$(grep -oE '"(/[^"]*)?/disks/' <<< "$qemu" | head -n 1)
check "the VMM sees its disks" 0 '^[0-9a-f]{8}-r$' ls "/proc/$(vmm_of all)/root${folder#?}"
check "and not the folder that they are in" 1 '' test -e "/proc/$monitor/root$WORK/a.img"
locked() { # locked NAME ID FILTER: an image that the VM may write to is refused
    check "$1" 1 "storage: disk '$WORK/a.img': another container, VM or program of this host has it open" \
        av create --bundle "$(bundle "$2" "$3")" "$2"
}
locked "an image that a VM writes to is not another one's" l1 "$(disk "$WORK/a.img" /a)"
locked "not even to read" l2 "$(disk "$WORK/a.img" /a '"ro"')"
truncate -s 48M "$WORK/a.img"                # grown by the host: the guest's disk stays as it was
echo >&8
wait $cli
same "the container ends well" 0 $?
umount "$WORK/tight"
for line in 'a writes' 'q writes' 'x writes' inside 'sub below' 'ro refuses' 'scratch is full' file \
    'bound writes' 'root is an overlay' 'root writes' 'tmp 1777' 'the host is full' 'a writes on'; do
    check "in the guest: $line" 0 "^$line$" cat "$WORK/out"
done
same "a raw image has what was written" new "$(on "$WORK/a.img" /f)"
check "and was unmounted" 0 'clean' e2fsck -n "$WORK/a.img"
same "and has what was written after it grew" more "$(on "$WORK/a.img" /more)"
qemu-img convert -O raw "$WORK/q.qcow2" "$WORK/q.raw"
same "so has a qcow2 image" new "$(on "$WORK/q.raw" /f)"
same "a shared directory, too" via "$(cat "$WORK/dir/f")"
same "a read-only image is as it was" "$before" "$(sha256sum < "$WORK/ro.img")"
same "and the rootfs, which the image was made of" "" "$(find "$b/rootfs" -newer "$WORK/in" -type f)"
ro_disks() { grep -oE '"read-only":true' <<< "$1" | wc -l; }
nodes=$([ "$BACKEND" = kvm-libvirt ] && echo 1 || echo 2)    # of each disk that say so
same "it is the VMM that keeps them so" yes "$([ "$(ro_disks "$qemu")" -ge $((4 * nodes)) ] && echo yes)"

# --- a root file system in an image; one whose writes have little room
image "$WORK/root.img" 64M
mke2fs -q -t ext4 -F -d "$WORK/rootfs" "$WORK/root.img" > /dev/null
before=$(sha256sum < "$WORK/root.img")
b=$(bundle ann "$(sh_args 'echo new > /new; cat /new') | .annotations[\"org.anyvisor.rootfs\"]=\"$WORK/root.img\" | .annotations.t=\"tree\"")
check "a rootfs image by annotation" 0 '^new' av run --bundle "$b" ann
same "is not written" "$before" "$(sha256sum < "$WORK/root.img")"
b=$(bundle ann2 "$(sh_args 'echo kept > /kept; dd if=/dev/zero of=/big bs=1M count=80 2>&1 | grep -c "No space"') | .annotations[\"org.anyvisor.rootfs\"]=\"$WORK/root.img,rw\" | .annotations.t=\"tree\"")
check "unless it says rw" 0 '^1$' av run --bundle "$b" ann2
same "then it is" kept "$(on "$WORK/root.img" /kept)"
b=$(bundle tmp "$(sh_args 'dd if=/dev/zero of=/big bs=1M count=40 2>&1 | grep -c "No space"') | $(class tmpfs)")
check "a tmpfs for what is written has its size" 0 '^1$' av run --bundle "$b" tmp

# --- devices: given to the container as they are, and behind the rootfs of an engine's snapshotter
image "$WORK/dev.img"
image "$WORK/dev2.img"
loop=$(losetup --show -f "$WORK/dev.img" 2> /dev/null)
loop2=$(losetup --show -f -r "$WORK/dev2.img" 2> /dev/null)
if [ -b "$loop" ] && [ -b "$loop2" ]; then
    device() { # device NODE PATH ACCESS: a jq filter that adds the device
        printf '.linux.devices += [{path:"%s",type:"b",major:%d,minor:%d,fileMode:384,uid:0,gid:0}] | ' \
            "$2" "$(stat -c 0x%t "$1")" "$(stat -c 0x%T "$1")"
        printf '.linux.resources.devices += [{allow:true,type:"b",major:%d,minor:%d,access:"%s"}]' \
            "$(stat -c 0x%t "$1")" "$(stat -c 0x%T "$1")" "$3"
    }
    mkdir -p "$WORK/b/dev/rootfs"
    mount "$loop" "$WORK/b/dev/rootfs" && cp -a "$WORK/rootfs/." "$WORK/b/dev/rootfs/"
    mount "$loop" "$WORK/dir"
    b=$(bundle dev "$(sh_args 'echo kept > /kept; grep " / " /proc/mounts; stat -c "%F %a" /dev/xvdz
        dd if=/dev/xvdz bs=1 skip=1080 count=2 2>/dev/null | hexdump -e "\"magic %04x\n\""
        dd if=/dev/zero of=/dev/xvdz bs=512 count=1 2>&1 | grep -c -E "not permitted|Read-only"') | $(device "$loop2" /dev/xvdz r) | $(class tree)")
    check "a device that is mounted elsewhere stays the host's" 0 "rootfs: block: a read-only image made" av explain "$b"
    umount "$WORK/dir"
    check "else it is the container's rootfs" 0 "rootfs: block: the device '$loop' behind the mount" av explain "$b"
    av run --bundle "$b" dev > "$WORK/out" 2>&1 < /dev/null
    same "with which it runs" 0 $?
    check "on it" 0 '^/dev/vd[a-z] / ext4 rw' cat "$WORK/out"
    check "the host has let it go" 1 '' grep -F "$WORK/b/dev/rootfs" /proc/self/mountinfo
    same "and finds it written" kept "$(on "$WORK/dev.img" /kept)"
    check "a device is a device" 0 '^block special file 600' cat "$WORK/out"
    check "that can be read" 0 '^magic ef53' cat "$WORK/out"
    check "and only read" 0 '^1$' cat "$WORK/out"
    b=$(bundle nodev "$(device "$loop" /dev/xvdz r) | $(class share)")
    check "without block in the policy it is refused" 1 "'/dev/xvdz' is a block device of the host" av create --bundle "$b" nodev
else
    skip "block devices" "no loop device"
fi
for l in $loop $loop2; do losetup -d "$l"; done

# --- what is no file system, for the guest to find out
head -c 1M /dev/urandom > "$WORK/noise.img"
b=$(bundle noise "$(disk "$WORK/noise.img" /n)")
check "a disk without a file system fails the create" 1 "^anyvisor: mount on '/n': disk '[^']*' holds none of the file systems" \
    av create --bundle "$b" noise
truncate -s 1M "$WORK/a.img"
b=$(bundle short "$(disk "$WORK/a.img" /n)")
check "so does a damaged one" 1 "mount on '/n': mount disk '[^']*' as ext4" av create --bundle "$b" short

# --- a disk for a container that joins a running VM
image "$WORK/hot.img"
LOOP='while :; do sleep 0.1; done'
cri() { printf '.annotations={"io.kubernetes.cri.container-type":"%s","io.kubernetes.cri.sandbox-id":"%s"}' "$1" "$2"; }
b=$(bundle pod "$(sh_args "$LOOP") | $(cri sandbox pod)")
av run --detach --bundle "$b" --pid-file "$WORK/pid" pod > /dev/null 2>&1 < /dev/null
pod=$(cat "$WORK/pid")
join="del(.hostname) | .linux.namespaces=[{type:\"pid\"},{type:\"mount\"},{type:\"ipc\",path:\"/proc/$pod/ns/ipc\"},
    {type:\"uts\",path:\"/proc/$pod/ns/uts\"},{type:\"network\",path:\"/proc/$pod/ns/net\"}] | $(cri container pod)"
for round in 1 2; do
    b=$(bundle "hot$round" "$(sh_args "cat /h/f; echo round $round > /h/f; sync") | $join | $(disk "$WORK/hot.img" /h)")
    check "round $round: a member with a disk is made" 0 '' \
        sh -c "'$AV' --root '$ROOT' create --bundle '$b' hot$round > '$WORK/hot$round' 2>&1 < /dev/null"
    [ $round = 2 ] || for o in '' '"ro"'; do
        check "nor is it another member's${o:+ to read}" 1 "storage: disk '$WORK/hot.img': another container, VM or program" \
            av create --bundle "$(bundle "also${o:+ro}" "$join | $(disk "$WORK/hot.img" /h "$o")")" "also${o:+ro}"
    done
    check "it starts" 0 '' av start "hot$round"
    check "and ends" 0 '' until_ok 20 has_status "hot$round" stopped
    check "its delete unplugs the disk" 0 '' av delete "hot$round"
    same "which has what it wrote" "round $round" "$(on "$WORK/hot.img" /f)"
    check "and is clean" 0 'clean' e2fsck -n "$WORK/hot.img"
done
same "the second one found what the first one wrote" "round 1" "$(cat "$WORK/hot2")"
check "the VM goes on" 0 '^here$' av exec pod echo here
check "and ends" 0 '' av delete --force pod

# --- no acknowledged write is lost: the VM is killed with all its disks while they are written
DISKS=4
KILLS=$([ "$LONG" = --long ] && echo 200 || echo 20)
writer='for d in '$(seq -s ' ' $DISKS)'; do (i=0; while :; do i=$((i + 1))
    echo "$i" | dd of=/d$d/f.$i conv=fsync 2>/dev/null && echo "$d $i"; done) & done; wait'
filter=$(sh_args "$writer")
for d in $(seq $DISKS); do
    image "$WORK/k$d.img" 64M
    filter="$filter | $(disk "$WORK/k$d.img" "/d$d")"
done
acked() { [ "$(wc -l < "$WORK/acks")" -ge "$1" ]; }
lost=0 seen=0
for kill in $(seq $((KILLS / DISKS))); do
    for d in $(seq $DISKS); do image "$WORK/k$d.img" 64M; done
    b=$(bundle "kill$kill" "$filter")
    av run --bundle "$b" "kill$kill" > "$WORK/acks" 2> "$WORK/err" < /dev/null &
    cli=$!
    until_ok 90 acked $((10 + RANDOM % 60))
    kill -9 "$(vmm_of "kill$kill")"
    wait $cli
    check "kill $kill: delete --force" 0 '' av delete --force "kill$kill"
    for d in $(seq $DISKS); do
        e2fsck -fp "$WORK/k$d.img" > /dev/null 2>&1     # replays the journal
        # The last line may be cut off by the kill.
        grep -E "^$d [0-9]+$" "$WORK/acks" | sed "s|^$d \(.*\)|cat f.\1|" > "$WORK/script"
        n=$(wc -l < "$WORK/script")
        got=$(debugfs -f "$WORK/script" "$WORK/k$d.img" 2> /dev/null | grep -cE '^[0-9]+$')
        seen=$((seen + n)) lost=$((lost + n - got))
    done
done
same "of $seen acknowledged writes to $KILLS killed disks none is lost" 0 $lost
same "and there were some" yes "$([ "$seen" -ge "$KILLS" ] && echo yes)"
finish
