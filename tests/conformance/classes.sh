#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# classes.sh - `anyvisor view diff`: classes.sh fake|kvm. What differs between two classes is found and
# told, what may differ is told with its reason, and the operator's bundle stays as it is.
. "$(dirname "$0")/../integration/lib.sh"
setup "${1:?usage: classes.sh BACKEND}"
BOARD=
[ "$BACKEND" != kvm ] || BOARD=', vm: {machine: microvm}'
cat >> "$WORK/etc/anyvisor.yaml" <<X
classes:
  - {name: same, selectable: true$BOARD}
  - {name: tmp, selectable: true, storage: {tmp: {kind: tmpfs, size: 8MiB}}}
  - {name: far, selectable: true, hypervisor: [kvm-s390x]}
X
b=$(bundle b ".hostname=\"view-me\" | .hooks={poststart:[{path:\"/bin/touch\",args:[\"touch\",\"$WORK/hook\"]}]}
    | .linux.cgroupsPath=\"/not/made\" | .process.args=[\"/nosuch\"]")
before=$(find "$b" -printf '%P %y %m %T@\n' | sort)

check "an unknown class is refused by name" 2 "class 'nosuch'" av view diff nosuch default
check "so is a bundle that is none" 2 'config.json.*No such file' av view diff default default "$WORK"
check "two arguments at least" 2 'usage: anyvisor view diff' av view diff default

# On kvm another board: the same container on q35 and microvm.
check "two classes that show the same" 0 '^[0-9]{3} facts are the same, 0 differ, ' \
    av view diff default same "$b"
same "the bundle is as it was" "$before" "$(find "$b" -printf '%P %y %m %T@\n' | sort)"
same "its hooks have not run" "" "$(find "$WORK/hook" 2>/dev/null)"
same "nothing is left in /tmp" "" "$(find /tmp -maxdepth 1 -name 'anyvisor-view.*' -newer "$WORK/etc/anyvisor.yaml")"

av view diff --format json default tmp > "$WORK/diff" 2> "$WORK/errors" < /dev/null
same "a difference is exit status 1" 1 $?
same "and is told with its class" 'tmp: fs /tmp tmpfs source tmpfs' "$(jq -r '.differences[] |
    select(.fact | startswith("fs /tmp ")) | .class + ": " + .fact' "$WORK/diff")"
same "and is no permitted one" false "$(jq .ok "$WORK/diff")"
[ ! -s "$WORK/errors" ] || sed 's/^/    /' "$WORK/errors"

if [ "$BACKEND" = kvm ] && [ -f "$AV_BUILD/share/anyvisor/guest/s390x/view-probe" ]; then
    LIMIT=240
    check "a class of another architecture shows the same, but for what may differ" 0 \
        '^far: uname Linux s390x  \(may differ: .*processor' av view diff --all default far
else
    skip "a class of another architecture" "back-end $BACKEND, or the target guest-image-s390x is not built"
fi
finish
