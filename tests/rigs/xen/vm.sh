#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The back-end itself, by the conformance kit, that `check` and the choice know this host, and what
# a killed monitor leaves. Runs in the rig, in its dom0.
. "$(dirname "$0")/../../integration/lib.sh"
if [ ! -e /proc/xen/capabilities ]; then
    skip_all "this host is no dom0 of Xen: rig.sh run $0"
fi
setup xen
LIMIT=600

domains() { xl list | awk '$1 ~ /^anyvisor-/ { print $1 }'; }
no_domain() { [ -z "$(domains)" ]; }

check "check tells dom0 and its memory" 0 "'xen': xen 4.*this is dom0 of Xen with .* CPUs; .* MiB are free" av check
sed -i 's/hypervisor: .*/hypervisor: [kvm, xen]/' "$ANYVISOR_CONFIG"
b=$(bundle e "$(sh_args 'exec sleep 1000')")
check "explain takes Xen where KVM cannot be used" 0 "xen" av explain "$b"
sed -i 's/hypervisor: .*/hypervisor: [xen]/' "$ANYVISOR_CONFIG"

av run --detach --bundle "$b" e < /dev/null > "$WORK/out" 2>&1
rc=$?
same "a container runs: $(cat "$WORK/out")" 0 $rc
same "in a domain" anyvisor-e "$(domains)"
check "over 9p" 0 '^share / 9p .*trans=xen' av exec e cat /proc/mounts
monitor=$(cut -d' ' -f1 "$ROOT/e/monitor")
kill -9 "$monitor"
same "its domain outlives a killed monitor" anyvisor-e "$(domains)"
check "delete --force destroys it" 0 '' av delete --force e
check "no domain is left" 0 '' until_ok 20 no_domain

av plugin test --boot-timeout 200 xen > "$WORK/kit" 2>&1
rc=$?
same "the conformance kit: $(tail -n 1 "$WORK/kit")" 0 $rc
grep FAILED "$WORK/kit"
finish
