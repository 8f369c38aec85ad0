#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# initrd.sh IMAGE.cpio INIT OUTPUT [GROUP...]: the smallest initramfs for INIT: the modules that the
# guest image loads before HELLO and those of GROUPs, their list, a console. Needs cpio.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/av-initrd.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

(cd "$tmp" && cpio -idm --quiet 'etc/anyvisor/modules' 'lib/modules/*') < "$1"
{
    for d in dev etc etc/anyvisor lib lib/modules proc root; do echo "dir $d 0755"; done
    echo 'nod dev/console 0600 c 5 1'
    echo "file init 0755 $2"
    if [ -f "$tmp/etc/anyvisor/modules" ]; then
        awk -v groups=" boot ${*:4} " '$1 == "boot" || ($1 == "late" && index(groups, " " $2 " ")) {
            print "boot", $NF }' "$tmp/etc/anyvisor/modules" > "$tmp/modules"
        echo "file etc/anyvisor/modules 0644 $tmp/modules"
        awk -v dir="$tmp" '!seen[$2]++ { print "file lib/modules/" $2 " 0644 " dir "/lib/modules/" $2 }' "$tmp/modules"
    fi
} > "$tmp/spec"
python3 "$here/../../guest/image/mkcpio.py" "$tmp/spec" "$3"
