#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RBD against a Ceph cluster of its own: the back-end opens its images with cephx keys.
. "$(dirname "$0")/../lib.sh"
. "$HERE/storage/servers.sh"
. "$HERE/storage/ceph_server.sh"
need_programs ceph ceph-mon ceph-osd rbd
own_network "$@"
setup "${1:?usage: ceph.sh BACKEND}"
PLUGIN=$AV_BUILD/lib/anyvisor/backends/$BACKEND.so
DISK_OPEN=$AV_BUILD/tests/integration/backend/disk_open

ceph_server "$WORK/ceph"
result "a cluster comes up" $?
rbd create --size 32M "$CEPH_POOL/data"
ceph auth get-or-create client.guest mon 'profile rbd' osd "profile rbd pool=$CEPH_POOL" > /dev/null
ceph auth print-key client.guest > "$WORK/key"
ceph auth get-or-create client.other mon 'profile rbd' > /dev/null
ceph auth print-key client.other > "$WORK/other"
unset CEPH_CONF                         # the VMM has what it is told and nothing else

disk() {
    timeout 60 "$DISK_OPEN" "$PLUGIN" "$AV_BUILD/share/anyvisor/guest/x86_64/vmlinux" "$@" \
        < /dev/null 2>&1
}
image=(rbd "pool=$CEPH_POOL" image=data user=guest "conf=$WORK/ceph/client.conf")
check "the back-end reports rbd" 0 '^rbd$' "$DISK_OPEN" "$PLUGIN" protocols
check "an image" 0 '^opened' disk cold "${image[@]}" --secret "$WORK/key"
check "the same, added to a VM" 0 '^opened' disk hot "${image[@]}" --secret "$WORK/key"
check "the key of somebody else" 1 "disk 'disk': .*Permission denied" \
    disk cold "${image[@]}" --secret "$WORK/other"
echo "not a key" > "$WORK/bad"
check "what is no key" 1 "disk 'disk': .*Base64" disk hot "${image[@]}" --secret "$WORK/bad"
check "no such image" 1 "disk 'disk': .*No such file" disk cold rbd "pool=$CEPH_POOL" image=none \
    user=guest "conf=$WORK/ceph/client.conf" --secret "$WORK/key"
finish
