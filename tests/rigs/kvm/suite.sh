#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What ctest runs in the rig: the scripts that depend on how the host keeps cgroups, on the fake
# back-end, podman as it is configured where systemd runs, one VM of real KVM, device mapper, and
# links of the kernel's.
here=$(dirname "$0")
tests=$here/../../integration
failed=0

try() {
    printf '# %s (at %s s)\n' "$*" "$(cut -d' ' -f1 /proc/uptime)"
    "$@" || { failed=$((failed + 1)); printf 'not ok %s\n' "$*"; }
}

try "$here/scope.sh" fake
try "$here/vm.sh" lifecycle exec stdio ../conformance/view
try "$here/dm.sh"
# The kernel of the machine that runs CI may have neither bridge nor macvtap.
try "$AV_BUILD/tests/unit/net/test_net"
try "$tests/engines/podman.sh" fake cgroups
[ "$failed" = 0 ]
