#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# enter.sh ROOT OVER MNT CMD...: runs CMD with ROOT as its root, with MNT at /mnt. What it writes is
# lost: an overlay in memory. In a mount namespace of its own, by packages.sh.
set -eu
root=$1 over=$2 mnt=$3
shift 3
mount -t tmpfs over "$over"
mkdir "$over/upper" "$over/work" "$over/merged"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$over/upper,workdir=$over/work" "$over/merged"
cd "$over/merged"
for d in dev proc sys; do
    mount --rbind "/$d" "./$d"
done
mount --bind "$mnt" ./mnt
mount -t tmpfs run ./run
mkdir ./run/old
pivot_root . ./run/old
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive
/run/old/bin/busybox umount -l /run/old # the new root may have none
rmdir /run/old
exec env -u ANYVISOR_CONFIG "$@"
