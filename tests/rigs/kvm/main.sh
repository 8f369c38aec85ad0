#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the machine, by rig.service: mount what the host exports, run its command, tell its status.
# The service powers the machine off, however this ends.
set -eu

mount_tree() {
    mkdir -p "$2"
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,ro,cache=loose "$1" "$2"
}

# shellcheck disable=SC1091 # written by rig.sh
. /run/rig/environment
export AV_BUILD RIG_SOURCE RIG_OUT=/run/rig
export HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
modprobe -a overlay loop tun veth kvm_amd vhost_vsock
mount_tree source "$RIG_SOURCE"
mount_tree build "$AV_BUILD"
cd "$RIG_SOURCE"
rc=0
# The one port of the one virtio-serial device, whichever number that has.
bash /run/rig/command > "$(echo /dev/vport*p1)" 2>&1 < /dev/null || rc=$?
echo "$rc" > /run/rig/status
sync
