#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In dom0, by its pid 1: what Debian's init scripts do for Xen, then the host's command.
set -eu

prepare_dom0() {
    mkdir -p /run/{lock,xen,xenstored} /dev/{pts,shm} /var/lib/{xen,xenstored} /var/log/xen
    [ -e /var/run ] || ln -s /run /var/run
    mount -t devpts devpts /dev/pts
    mount -t tmpfs tmpfs /dev/shm
    mount -t tmpfs tmpfs /tmp
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    # udev's work: without these Xen's scripts look for their own standard input for ever.
    ln -sf /proc/self/fd /dev/fd
    local i
    for i in 0:stdin 1:stdout 2:stderr; do
        ln -sf "/proc/self/fd/${i%:*}" "/dev/${i#*:}"
    done
    ip link set lo up
    modprobe -a xen-privcmd xen-evtchn xen-gntdev xen-gntalloc xenfs xen-blkback xen-netback \
        overlay loop tun
    mount -t xenfs xenfs /proc/xen
}

# xenstored goes to the background when it serves.
start_xen() {
    local bin
    bin=$(echo /usr/lib/xen-[0-9]*/bin)
    export PATH="$bin:$PATH"
    xenstored --pid-file /run/xen/xenstored.pid
    xen-init-dom0
    xenconsoled --pid-file=/run/xen/xenconsoled.pid
}

mount_tree() {
    mkdir -p "$2"
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,ro,cache=loose "$1" "$2"
}

# shellcheck disable=SC1091 # written by rig.sh
. /run/rig/environment
export AV_BUILD RIG_SOURCE RIG_OUT=/run/rig
prepare_dom0
start_xen
mount_tree source "$RIG_SOURCE"
mount_tree build "$AV_BUILD"
cd "$RIG_SOURCE"
rc=0
# The one port of the one virtio-serial device, whichever number that has.
bash /run/rig/command > "$(echo /dev/vport*p1)" 2>&1 < /dev/null || rc=$?
echo "$rc" > /run/rig/status
