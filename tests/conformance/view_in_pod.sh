#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# view_in_pod.sh - view.sh where a VM is slow to boot: view_in_pod.sh kvm-ARCH. The bundles are members of
# a pod in one VM.
. "$(dirname "$0")/../integration/lib.sh"
PROBE=$AV_BUILD/share/anyvisor/guest/${1#kvm-}/view-probe
[ -x "$PROBE" ] || skip_all "there is no view probe for ${1#kvm-}: build the target guest-image-${1#kvm-}"
setup "$1"
LIMIT=240
cp "$PROBE" "$WORK/rootfs/bin/view_probe"
b=$(bundle pod ".process.args=[\"/bin/view_probe\"] |
    .annotations={\"org.anyvisor.arch\":\"${1#kvm-}\",
        \"io.kubernetes.cri.container-type\":\"sandbox\",\"io.kubernetes.cri.sandbox-id\":\"pod\"}")
av create --bundle "$b" pod > "$WORK/out" 2>&1 < /dev/null
rc=$?
same "a pod's VM: $(cat "$WORK/out")" 0 $rc
in_one_vm pod ../conformance/view
finish
