#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# initrd.sh IMAGE.cpio INIT OUTPUT: the smallest initramfs for INIT: the modules that the guest image
# loads before HELLO, their list, a console. Needs cpio.
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
        echo "file etc/anyvisor/modules 0644 $tmp/etc/anyvisor/modules"
        awk -v dir="$tmp" '$1 == "boot" && !seen[$2]++ {
            print "file lib/modules/" $2 " 0644 " dir "/lib/modules/" $2 }' "$tmp/etc/anyvisor/modules"
    fi
} > "$tmp/spec"
python3 "$here/../../guest/image/mkcpio.py" "$tmp/spec" "$3"
