#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The AppArmor profile of the VMMs is one: apparmor.sh SOURCE. Compiled, not loaded.
set -u
profile=$1/configs/packaging/apparmor/anyvisor-vmm
PATH=$PATH:/usr/sbin
if ! command -v apparmor_parser > /dev/null; then
    echo "skipped: apparmor_parser is missing: '.ci/deps.sh test' installs it"
    exit 77
fi
apparmor_parser -Q -K -T "$profile" || { echo "not ok: the profile does not compile"; exit 1; }
echo "ok: the profile compiles"
# The name that core asks for at exec is the profile's, and it lets nothing be executed.
name=$(sed -n 's/^#define PLUGIN_APPARMOR_PROFILE "\(.*\)"$/\1/p' "$1/core/plugin/plugin.h")
[ "$(apparmor_parser -N "$profile")" = "$name" ] || { echo "not ok: its name is not '$name'"; exit 1; }
echo "ok: its name is the one that core asks for"
if grep -qE '^ *(owner +|allow +)?/[^ ]* +[a-zA-Z]*x,' "$profile"; then
    echo "not ok: it lets something be executed"
    exit 1
fi
echo "ok: it has no rule for execution"
