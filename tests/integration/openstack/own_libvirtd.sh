#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Becomes a libvirtd beside the host's: own_libvirtd.sh DIR. Its configuration, state and sockets are
# in DIR (etc, lib, run), shown to it alone at the usual places by a mount namespace.
# docs/openstack.md has the same as a unit of systemd.
set -eu
dir=$1

if [ "${AV_OWN_LIBVIRT:-}" != "$$" ]; then
    mkdir -p "$dir"/{etc,lib,run,cache,log}
    cp /etc/libvirt/*.conf "$dir/etc"
    AV_OWN_LIBVIRT=$$ exec unshare --mount --propagation slave "$0" "$dir"
fi
mount --bind "$dir/etc" /etc/libvirt
mount --bind "$dir/lib" /var/lib/libvirt
mount --bind "$dir/cache" /var/cache/libvirt
mount --bind "$dir/log" /var/log/libvirt
mount --bind "$dir/run" /run/libvirt
exec libvirtd --pid-file "$dir/libvirtd.pid" > "$dir/log/daemon" 2>&1
