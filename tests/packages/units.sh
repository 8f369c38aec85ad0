#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What systemd thinks of the units and of the tmpfiles: units.sh BUILD. Nothing is started; what is
# installed goes into a folder of the test's own, beside systemd's units.
set -u
for tool in systemd-analyze systemd-tmpfiles; do
    if ! command -v $tool > /dev/null; then
        echo "skipped: $tool is missing: the package systemd has it"
        exit 77
    fi
done
root=$(mktemp -d "${TMPDIR:-/tmp}/av-units.XXXXXX") || exit 1
trap 'rm -rf "$root"' EXIT
DESTDIR=$root/new cmake --install "$1" > "$root/log" 2>&1 || { tail -n 5 "$root/log"; exit 1; }
mkdir -p "$root/lib/systemd"
cp -r /lib/systemd/system "$root/lib/systemd/"
cp -a "$(find "$root/new" -maxdepth 3 -name bin -printf '%h\n')/." "$root/"  # from below the prefix
units=("$root"/lib/systemd/system/anyvisor-*.service)
failed=0

result() {  # result NAME 0|1 DETAIL
    if [ "$2" = 0 ]; then echo "ok $1"; else echo "not ok $1"; printf '    %s\n' "$3"; failed=1; fi
}

[ ${#units[@]} -ge 2 ]
result "there are units" $? "${units[*]}"
for unit in "${units[@]}"; do
    # Their programs are of the prefix, which is this root's top here.
    sed -i -E 's#=/[^ ]*/bin/anyvisor#=/bin/anyvisor#' "$unit"
    said=$(systemd-analyze verify --man=no --root="$root" "$unit" 2>&1)
    result "systemd takes ${unit##*/}" $? "$said"
    ! grep -q anyvisor <<< "$said"
    result "and has nothing to say about it" $? "$said"
done
sed 's/^Type=/Typo=/' "${units[0]}" > "$root/lib/systemd/system/anyvisor-typo.service"
said=$(systemd-analyze verify --man=no --root="$root" "$root/lib/systemd/system/anyvisor-typo.service" 2>&1)
grep -q "Unknown key.*Typo" <<< "$said"
result "it would say something about a typing error" $? "$said"

mkdir -p "$root/tree"
said=$(systemd-tmpfiles --create --root="$root/tree" "$root"/lib/tmpfiles.d/anyvisor.conf 2>&1)
result "systemd-tmpfiles takes the tmpfiles" $? "$said"
for dir in run/anyvisor run/anyvisor.vm var/cache/anyvisor; do
    [ "$(stat -c '%a %U' "$root/tree/$dir")" = "700 root" ]
    result "which makes /$dir for root alone" $? "$(ls -ld "$root/tree/$dir" 2>&1)"
done
exit $failed
