#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One domain with a share and a NIC: of PV one that boots with disks of each kind, of PVH one that has waited in
# a pool, as VMs with disks from the start do not. Then the scripts named run their containers in it; at the end its
# monitor is killed, and what is left found again.
# Usage: pod.sh TYPE [SCRIPT...], in the rig, in its dom0.
export XEN_TYPE=${1:?usage: pod.sh pv|pvh [SCRIPT...]}
shift
. "$(dirname "$0")/../../integration/lib.sh"
if [ ! -e /proc/xen/capabilities ]; then
    skip_all "this host is no dom0 of Xen: rig.sh run $0"
fi
export TMPDIR=/var/tmp # the view has files with user attributes, which a tmpfs has not
setup xen
NS=avt-${WORK##*.}
loop='' ro=''
free_host() {
    ip netns del "$NS" 2> /dev/null
    [ -z "$loop" ] || losetup -d "$loop"
    [ -z "$ro" ] || losetup -d "$ro"
}
trap 'rc=$?; free_host; (exit $rc); leave' EXIT
domains() { xl list | awk '$1 ~ /^anyvisor-/ { print $1 }'; }
no_domain() { [ -z "$(domains)" ]; }
disk() { printf '.mounts += [{type:"anyvisor.block",source:"%s",destination:"%s",options:[%s]}]' "$1" "$2" "${3:-}"; }
image() { truncate -s 16M "$1" && mke2fs -q -t ext4 -F "$1" > /dev/null; }
on() { debugfs -R "cat $2" "$1" 2> /dev/null; }
in_guest() { av exec pod "$@" < /dev/null; }
remove_cgroups() { find /sys/fs/cgroup -depth -type d -path "*/av-test-${WORK##*.}/*" -exec rmdir {} +; }

# --- what the VM is made of
ip netns add "$NS" && ip -n "$NS" link set lo up
ip link add "${NS: -8}" type veth peer name eth0 netns "$NS"
ip addr add 10.98.0.1/24 dev "${NS: -8}" && ip link set "${NS: -8}" up
ip -n "$NS" addr add 10.98.0.2/24 dev eth0 && ip -n "$NS" link set eth0 up
disks=. rounds=1
if [ "$XEN_TYPE" = pv ]; then
    for d in raw qcow dev ro; do image "$WORK/$d.img"; done
    qemu-img convert -O qcow2 "$WORK/qcow.img" "$WORK/q.qcow2"
    loop=$(losetup --show -f "$WORK/dev.img")
    ro=$(losetup --show -r -f "$WORK/ro.img")
    before=$(sha256sum < "$WORK/ro.img")
    disks="$(disk "$WORK/raw.img" /raw) | $(disk "$WORK/q.qcow2" /qcow) | $(disk "$loop" /dev0) | $(disk "$ro" /ro '"ro"')"
    rounds=2
fi
cat > "$ANYVISOR_CONFIG" <<X
version: 1
plugins_dir: plugins.d
defaults:
  boot_timeout: 400s
  hypervisor: [xen, kvm]
  vm: {memory: 256MiB, vcpus: 1}
  storage: {rootfs: [9pfs], volumes: [block, 9pfs]}
X
[ "$XEN_TYPE" = pv ] || echo '  pool: {size: 1}' >> "$ANYVISOR_CONFIG"
b=$(bundle pod "$(sh_args 'exec sleep 5000') |
    .process.capabilities |= map_values(. + [\"CAP_NET_RAW\"]) |
    (.linux.namespaces[]|select(.type==\"network\")).path=\"/run/netns/$NS\" |
    .annotations={\"io.kubernetes.cri.container-type\":\"sandbox\",\"io.kubernetes.cri.sandbox-id\":\"pod\"} |
    $disks")
if [ "$XEN_TYPE" = pv ]; then
    check "a read-only image is refused" 1 "Xen's QEMU cannot open an image read-only" \
        av create --bundle "$(bundle no "$(disk "$WORK/ro.img" /ro '"ro"')")" no
else
    check "a domain is made for the pool" 0 '^1 made$' av pool fill "$b"
    check "which waits" 0 '^pool-[0-9a-f]+ +ready ' av pool status
    member=$(echo "$ROOT"/@pool/pool-*)
    same "it is called as that, and paused" "anyvisor-${member##*/} --p---" "$(xl list | awk '/^anyvisor-/ { print $1, $5 }')"
    check "gc leaves it alone" 0 '^$' av gc
    export ANYVISOR_FAULT=cli.pool-room:fail # no next one is made
fi
av run --detach --bundle "$b" pod < /dev/null > "$WORK/out" 2>&1
rc=$?
unset ANYVISOR_FAULT
same "$XEN_TYPE: a container runs: $(cat "$WORK/out")" 0 $rc
[ $rc = 0 ] || finish
same "in a domain, Xen being asked for first" anyvisor-pod "$(domains)"
[ "$XEN_TYPE" = pv ] || check "it has waited in the pool" 0 "the VM is that of container 'pod'" cat "$ROOT/pod/monitor.log"
read -r monitor _ < "$ROOT/pod/monitor"
same "its monitor has loaded no other back-end" xen.so "$(sed -n 's|.*/backends/||p' "/proc/$monitor/maps" | sort -u)"
same "of this type" "$XEN_TYPE" "$(xl list --long anyvisor-pod | jq -r '.[0].config.c_info.type')"
check "over 9p" 0 '^share / 9p .*trans=xen' in_guest cat /proc/mounts
echo of the host > "$b/rootfs/h"
same "the guest sees the host's files" "of the host" "$(in_guest sh -c 'cat /h; echo of the guest > /g')"
same "and the host the guest's" "of the guest" "$(cat "$b/rootfs/g")"
backends() { xenstore-list "/local/domain/0/backend/$1/$(xl domid anyvisor-pod)" | wc -l; }
if [ "$XEN_TYPE" = pv ]; then
    for d in raw qcow dev0; do
        check "disk $d is written" 0 '^new$' in_guest sh -c "echo new > /$d/f && sync && cat /$d/f"
    done
    check "a read-only disk is not" 1 'Read-only' in_guest sh -c 'echo new > /ro/f'
    same "images go through QEMU, devices through the kernel" "2 2" "$(backends qdisk) $(backends vbd)"
fi
same "it has the namespace's interfaces" "eth0 lo" "$(in_guest ls /sys/class/net | xargs)"
same "with the MAC" "$(ip netns exec "$NS" cat /sys/class/net/eth0/address)" "$(in_guest cat /sys/class/net/eth0/address)"
check "out of the guest" 0 ' 0% packet loss' in_guest ping -c 2 10.98.0.1
check "into the guest" 0 ' 0% packet loss' busybox ping -q -c 1 10.98.0.2

# --- containers that join it, one with a disk of its own
image "$WORK/hot.img"
for round in $(seq $rounds); do
    b=$(bundle "hot$round" "$(sh_args "cat /h/f; echo round $round > /h/f") | $(in_pod pod) | $(disk "$WORK/hot.img" /h)")
    av run --bundle "$b" "hot$round" > "$WORK/hot$round" 2>&1 < /dev/null
    rc=$?
    same "round $round: a member has a disk: $(head -c 300 "$WORK/hot$round")" 0 $rc
    same "which has what it wrote, and was unmounted before it went" "round $round" "$(on "$WORK/hot.img" /f)"
done
[ $rounds = 1 ] || same "the second one found what the first one wrote" "round 1" "$(cat "$WORK/hot2")"
[ "$XEN_TYPE" = pv ] || check "nobody waits in the pool any more" 0 '^$' av pool drain
in_one_vm pod "$@"

# --- the end of its monitor is not its own
uuid=$(sed 's/.*uuid=//' "$ROOT/pod/vm")
kill -9 "$monitor"
same "the domain outlives a killed monitor" anyvisor-pod "$(domains)"
if [ "$XEN_TYPE" = pv ]; then
    check "delete --force finds it by its state" 0 '' av delete --force pod
else
    check "its container counts as stopped" 0 '' until_ok 20 has_status pod stopped
    check "somebody removes the state" 0 '' rm -rf "$ROOT/pod"
    check "gc finds the domain by Xen's list" 0 "removed VM 'pod'" av gc
    check "and nothing else" 0 '^$' av gc
    check "its cgroups, of which the state knew, can go" 0 '' until_ok 20 remove_cgroups
fi
check "no domain is left" 0 '' until_ok 20 no_domain
same "nor anything of it in xenstore" "" "$(xenstore-ls -f | grep -E "${uuid:-none}|/anyvisor-")"
if [ "$XEN_TYPE" = pv ]; then
    same "raw: what was written is there" new "$(on "$WORK/raw.img" /f)"
    qemu-img convert -O raw "$WORK/q.qcow2" "$WORK/qcow.img"
    same "qcow2: what was written is there" new "$(on "$WORK/qcow.img" /f)"
    same "device: what was written is there" new "$(on "$loop" /f)"
    same "read-only: it is as it was" "$before" "$(sha256sum < "$WORK/ro.img")"
fi
finish
