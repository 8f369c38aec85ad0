#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The small guest kernel, when it is built: VMs get it by themselves and it has what containers use,
# without a module to load. kernel.sh kvm|kvm-ARCH
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: kernel.sh BACKEND}"
ARCH=${1#kvm}
ARCH=${ARCH#-}
ARCH=${ARCH:-$(uname -m)}
SMALL=$AV_BUILD/share/anyvisor/guest/$ARCH/small
[ -f "$SMALL/vmlinux" ] || skip_all "the small kernel is not built: cmake --build BUILD --target guest-kernel-$ARCH"
[ "$ARCH" = "$(uname -m)" ] || far_rootfs "$ARCH" || { result "busybox for $ARCH" 1; exit 1; }
RELEASE=$(jq -r .release "$SMALL/manifest.json")

b=$(bundle k1 '.process.args=["sleep","1000"] | .process.capabilities[] += ["CAP_NET_ADMIN","CAP_SYS_ADMIN"] | .annotations["org.anyvisor.arch"]="'"$ARCH"'"
    | del(.linux.readonlyPaths, .linux.maskedPaths)')
x() { av exec k1 "$@"; }
# has WHAT FILE WORD...: each word is one of the file's, as the container sees it.
has() {
    local what=$1 file=$2 words w missing=
    shift 2
    words=" $(x cat "$file" | tr '\n\t' '  ') "
    for w in "$@"; do
        case $words in *" $w "*) ;; *) missing+=" $w" ;; esac
    done
    same "$what" "" "$missing"
}

check "explain says that it is taken" 0 "^kernel: +$SMALL/vmlinux \(the small one" av explain "$b"
same "explain --format json, too" small "$(av explain --format json "$b" | jq -r .plan.kernel_kind)"
check "check mentions it" 0 "^ok +guest image: .*/$ARCH, with the small kernel" av check
av create --bundle "$b" k1 > "$WORK/created" 2>&1 < /dev/null
result "create" $? "$(cat "$WORK/created")"
check "start" 0 '' av start k1
check "it is the kernel that runs" 0 "^$RELEASE$" x uname -r
check "nothing is a module" 0 '^0$' x sh -c 'wc -l < /proc/modules'
# Emulated s390x and ppc64le machines have no huge pages, and a kernel without them no hugetlbfs.
case $ARCH in s390x | ppc64le) huge= ;; *) huge=hugetlbfs ;; esac
has "file systems" /proc/filesystems tmpfs devtmpfs overlay 9p ext4 xfs squashfs erofs fuse virtiofs nfs nfs4 \
    cgroup2 mqueue $huge
has "cgroup controllers" /sys/fs/cgroup/cgroup.controllers cpu cpuset io memory pids
same "namespaces" "cgroup ipc mnt net pid time user uts" \
    "$(x ls /proc/self/ns | grep -v _for_children | tr '\n' ' ' | sed 's/ $//')"
has "tables of iptables" /proc/net/ip_tables_targets MASQUERADE REDIRECT LOG TCPMSS REJECT
has "devices" /proc/misc tun fuse loop-control vsock
has "seccomp" /proc/sys/kernel/seccomp/actions_avail kill_process errno user_notif log allow
check "veth, bridge and vlan links can be made" 0 '' x unshare -n sh -c '
    ip link add v0 type veth && ip link add br0 type bridge && ip link set v0 master br0 &&
    ip link add link v0 name v0.5 type vlan id 5'
check "a BPF filter is compiled" 0 '^[12]$' x cat /proc/sys/net/core/bpf_jit_enable
check "a user namespace" 0 '^65534$' x unshare -U id -u
check "dmesg is for those who may" 0 '^1$' x cat /proc/sys/kernel/dmesg_restrict
check "kill" 0 '' av kill k1 KILL

# With a kernel of one's own the small one's image would not fit, nor the other way round.
sed -i "s|vm: {|vm: {kernel: $AV_BUILD/share/anyvisor/guest/$ARCH/vmlinux, |" "$WORK/etc/anyvisor.yaml"
same "a configured kernel wins, with the image of modules" "configured $ARCH/initramfs.cpio" \
    "$(av explain --format json "$b" | jq -r '.plan | "\(.kernel_kind) \(.image | split("/")[-2:] | join("/"))"')"
finish
