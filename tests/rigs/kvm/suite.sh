#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What ctest runs in the rig: the scripts that depend on how the host keeps cgroups, on the fake
# back-end, podman as it is configured where systemd runs, one VM of real KVM, and device mapper.
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
try "$tests/engines/podman.sh" fake cgroups
[ "$failed" = 0 ]
