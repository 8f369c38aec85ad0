#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What ctest runs in the rig: a container in a domain of Xen, then the conformance kit. Without
# arguments for PV, else for the types given (PVH needs a quiet machine: emulated, it runs out of time on a busy one).
here=$(dirname "$0")
failed=0

try() {
    printf '# %s (at %s s)\n' "$*" "$(cut -d' ' -f1 /proc/uptime)"
    "$@" || { failed=$((failed + 1)); printf 'not ok %s\n' "$*"; }
}

[ $# -gt 0 ] || set -- pv
for XEN_TYPE in "$@"; do
    export XEN_TYPE
    try "$here/vm.sh"
done
[ "$failed" = 0 ]
