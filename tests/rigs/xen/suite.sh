#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What ctest runs in the rig: the conformance kit, then a domain of each type, in which scripts of
# the integration tests and the container's view run.
here=$(dirname "$0")
failed=0

try() {
    printf '# %s (at %s s)\n' "$*" "$(cut -d' ' -f1 /proc/uptime)"
    "$@" || { failed=$((failed + 1)); printf 'not ok %s\n' "$*"; }
}

try "$here/vm.sh" pv
try "$here/vm.sh" pvh claims devices template
try "$here/pod.sh" pv lifecycle exec stdio ../conformance/view
try "$here/pod.sh" pvh lifecycle exec stdio ../conformance/view
[ "$failed" = 0 ]
