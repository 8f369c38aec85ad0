#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# RBD against a Ceph cluster of its own: the back-end opens its images with cephx keys, and a
# container writes to one while its object store is restarted.
. "$(dirname "$0")/../lib.sh"
. "$HERE/storage/servers.sh"
. "$HERE/storage/ceph_server.sh"
need_programs ceph ceph-mon ceph-osd rbd mke2fs debugfs
own_network "$@"
setup "${1:?usage: ceph.sh BACKEND}"
PLUGIN=$AV_BUILD/lib/anyvisor/backends/$BACKEND.so
DISK_OPEN=$AV_BUILD/tests/integration/backend/disk_open

ceph_server "$WORK/ceph"
result "a cluster comes up" $?
truncate -s 32M "$WORK/new.img"
mke2fs -q -F -t ext4 "$WORK/new.img"
rbd import --no-progress "$WORK/new.img" "$CEPH_POOL/data"
ceph auth get-or-create client.guest mon 'profile rbd' osd "profile rbd pool=$CEPH_POOL" > /dev/null
ceph auth print-key client.guest > "$WORK/key"
install -m 0700 -d "$WORK/etc/secrets"
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
check "what is no key" 1 "disk 'disk': .*[Bb]ase64" disk hot "${image[@]}" --secret "$WORK/bad"
check "no such image" 1 "disk 'disk': .*No such file" disk cold rbd "pool=$CEPH_POOL" image=none \
    user=guest "conf=$WORK/ceph/client.conf" --secret "$WORK/key"

check "the same by its monitors alone" 0 '^opened' disk cold rbd "pool=$CEPH_POOL" image=data user=guest \
    mon=127.0.0.1:3300 --secret "$WORK/key"

# A container, with the volume as Cinder describes it; the store goes in mid-write and comes back: the guest waits.
uuid=$(jq -r .data.secret_uuid "$HERE/../data/cinder/rbd.json")
install -m 0600 "$WORK/key" "$WORK/etc/secrets/$uuid"
jq ".data += {name:\"$CEPH_POOL/data\", hosts:[\"127.0.0.1\"], ports:[\"3300\"], auth_username:\"guest\"}" \
    "$HERE/../data/cinder/rbd.json" > "$WORK/rbd.json"
volume='.mounts += [{type:"anyvisor.cinder",destination:"/v",source:"'"$WORK/rbd.json"'"}]'
cat >> "$ANYVISOR_CONFIG" <<X
  storage: {volumes: [network, 9pfs]}
X
b=$(bundle rbd "$(sh_args 'for i in $(seq 40); do echo $i >> /v/log; sync /v/log; echo $i; sleep 0.1; done; echo done') | $volume")
av run --bundle "$b" rbd > "$WORK/rbd.out" 2>&1 < /dev/null &
job=$!
until_ok "$LIMIT" grep -q '^5$' "$WORK/rbd.out"
stop_server "$WORK/osd.pid"
CEPH_CONF=$WORK/ceph/ceph.conf ceph_store "$WORK/ceph"
wait "$job"
same "a container survives the restart of the store in mid-write" "0 done" "$? $(tail -n 1 "$WORK/rbd.out")"
check "and is deleted" 0 '' av delete --force rbd
CEPH_CONF=$WORK/ceph/ceph.conf rbd export --no-progress "$CEPH_POOL/data" "$WORK/old.img"
same "each line of it is in the image" "$(seq 40)" "$(debugfs -R 'cat log' "$WORK/old.img" 2> /dev/null)"
finish
