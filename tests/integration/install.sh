#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# cmake --install to a prefix, and with DESTDIR: a tree that works by itself, with real VMs.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: install.sh BACKEND}"
unset ANYVISOR_CONFIG
b=$(bundle b "$(sh_args 'echo from the installed tree; exit 5')")

# the_tree_works WHAT ANYVISOR: every part is found by its way from the program.
the_tree_works() {
    local what=$1 config
    AV=$2
    check "$what: check" 0 "^ok +default class: .*'$BACKEND'" av check
    config=$(av check --format json | jq -r '.checks[] | select(.what=="configuration") | .detail')
    check "$what: its own configuration is used" 0 "^$WORK/.*/etc/anyvisor/anyvisor.yaml$" echo "$config"
    check "$what: backends" 0 "^$BACKEND .* usable$" av backends
    same "$what: back-ends are its own" "" "$(av backends --format json |
        jq -r '.backends[] | .library, .descriptor' | grep -v "^$WORK/")"
    same "$what: the fake back-end of the tests is not installed" "" \
        "$(av backends --format json | jq -r '.backends[] | select(.name=="fake") | .library')"
    check "$what: run" 5 '^from the installed tree$' av run --bundle "$b" "i$RANDOM"
}

# Where the configured prefix does not hold the configuration (/etc for /usr), --prefix alone would
# write to this host.
prefix=$WORK/prefix
if grep -q 'DESTINATION "/' "$AV_BUILD"/{configs,plugins.d}/cmake_install.cmake; then
    skip "cmake --install to a prefix" "this build installs its configuration to an absolute path"
else
    check "cmake --install to a prefix" 0 '' cmake --install "$AV_BUILD" --prefix "$prefix"
    the_tree_works "prefix" "$prefix/bin/anyvisor"
    files() { av explain --format json "$b" | jq -r '.plan | "\(.kernel_kind) \(.kernel) \(.image)"'; }
    assets=$(files | cut -d' ' -f2)
    assets=${assets%/vmlinux} assets=${assets%/small}
    touch "$assets/small/vmlinux"
    same "a small kernel is taken when it is there" \
        "small $assets/small/vmlinux $assets/small/initramfs.cpio" "$(files)"
    rm "$assets/small/vmlinux"
    same "else the distribution's" "distribution $assets/vmlinux $assets/initramfs.cpio" "$(files)"
    check "the header of the plug-in ABI is there" 0 '' test -r "$prefix/include/anyvisor/hvp.h"
    same "nothing in the tree may be written by others" "" "$(find "$prefix" ! -type l -perm /022)"
fi

check "cmake --install with DESTDIR" 0 '' env DESTDIR="$WORK/dest" cmake --install "$AV_BUILD"
program=$(find "$WORK/dest" -path '*/bin/anyvisor' -type f)
the_tree_works "DESTDIR" "$program"

# Nothing in a tree knows where it was built or installed.
mv "$WORK/dest" "$WORK/moved"
the_tree_works "moved" "$WORK/moved${program#"$WORK/dest"}"
AV=$AV_BUILD/bin/anyvisor
finish
