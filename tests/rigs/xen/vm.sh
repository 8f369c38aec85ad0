#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The back-end itself, by the conformance kit, and that `check` and the choice know this host; with areas
# of the kit these alone.
# Usage: vm.sh TYPE [AREA...], in the rig, in its dom0.
export XEN_TYPE=${1:?usage: vm.sh pv|pvh [AREA...]}
shift
. "$(dirname "$0")/../../integration/lib.sh"
if [ ! -e /proc/xen/capabilities ]; then
    skip_all "this host is no dom0 of Xen: rig.sh run $0"
fi
setup xen
LIMIT=900

knows_host() {
    local b
    check "check tells dom0 and its memory" 0 "'xen': xen 4.*this is dom0 of Xen with .* CPUs; .* MiB are free" av check
    check "and that its images are writable" 0 'disk_rw_only +file' av backends --verbose
    sed -i 's/hypervisor: .*/hypervisor: [xen, kvm]\n  storage: {rootfs: [block, 9pfs]}/' "$ANYVISOR_CONFIG"
    b=$(bundle e "$(sh_args 'exec sleep 1000')")
    av explain "$b" > "$WORK/why" 2>&1
    check "explain takes Xen" 0 '^  xen +chosen ' cat "$WORK/why"
    check "and 9p where an image would be read-only" 0 '9pfs: .*block: the back-end takes no read-only images' cat "$WORK/why"
    sed -i 's/hypervisor: .*/hypervisor: [xen]/' "$ANYVISOR_CONFIG"
}
# What a host lacks is told by name: a module that it has not got, and one that must not be loaded.
knows_missing() {
    modprobe -r xen-blkback
    echo 'blacklist xen-blkback' > /etc/modprobe.d/rig.conf
    sed -i 's/^modules: \[/&"no_such_module?", /' "$WORK/etc/plugins.d/xen.yaml"
    av check > "$WORK/check" 2>&1
    check "check names a module that is missing" 0 \
        "'no_such_module\?' is missing \(wanted by back-end 'xen'\)" cat "$WORK/check"
    check "and one that is forbidden" 0 "'xen-blkback\?' is blacklisted" cat "$WORK/check"
    check "the back-end tells what is not loaded" 0 "'xen': .*; kernel module xen_blkback is not loaded" cat "$WORK/check"
    check "and nothing else" 1 '' grep -E "xen.(netback|gntdev|evtchn)[^,]* is (not|missing)" "$WORK/check"
    sed -i 's/"no_such_module?", //' "$WORK/etc/plugins.d/xen.yaml"
    rm /etc/modprobe.d/rig.conf
    modprobe xen-blkback
}
if [ $# = 0 ]; then
    knows_missing
    knows_host
fi

av plugin test --boot-timeout 400 "${@/#/--only=}" xen > "$WORK/kit" 2>&1
rc=$?
same "$XEN_TYPE: the conformance kit: $(tail -n 1 "$WORK/kit")" 0 $rc
# Of a plug-in that crashed the kernel says where.
[ $rc = 0 ] || { grep FAILED "$WORK/kit"; dmesg | grep segfault; }
finish
