#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command in a mount namespace of its own in which a libvirtd of its own listens at
# qemu:///system: with_libvirtd.sh COMMAND ARG...
# Neither systemd nor the host's libvirt is needed or touched.
set -u
[ "${AV_LIBVIRT_NS:-}" = "$$" ] || AV_LIBVIRT_NS=$$ exec unshare --mount --propagation private "$0" "$@"
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/../lib.sh"
LIBVIRT=$(mktemp -d "${TMPDIR:-/tmp}/av-libvirt.XXXXXX")

# The tests' machines have no cgroups that libvirt could use and no virtlogd; it does not know what
# to do with a mount on /dev/kvm (below) in namespaces of its own.
configure() {
    mkdir -p "$LIBVIRT"/{etc,run,lib,cache,log}
    cat > "$LIBVIRT/etc/qemu.conf" <<X
security_driver = "none"
clear_emulator_capabilities = 0
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
X
    cat > "$LIBVIRT/etc/libvirtd.conf" <<X
listen_tls = 0
listen_tcp = 0
auth_unix_rw = "none"
auth_unix_ro = "none"
X
    mkdir -p /etc/libvirt /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt
    mount --bind "$LIBVIRT/etc" /etc/libvirt
    mount --bind "$LIBVIRT/run" /run/libvirt
    mount --bind "$LIBVIRT/lib" /var/lib/libvirt
    mount --bind "$LIBVIRT/cache" /var/cache/libvirt
    mount --bind "$LIBVIRT/log" /var/log/libvirt
}

# The user and group that QEMU gets: libvirt-daemon-system, for hosts with a libvirt of their own, makes
# them. Where it is not installed they are in this namespace only.
add_users() {
    local file
    for file in passwd group; do
        cp "/etc/$file" "$LIBVIRT/$file"
        mount --bind "$LIBVIRT/$file" "/etc/$file"
    done
    getent group kvm > /dev/null || echo 'kvm:x:64056:' >> /etc/group
    getent group libvirt-qemu > /dev/null || echo 'libvirt-qemu:x:64055:' >> /etc/group
    getent passwd libvirt-qemu > /dev/null ||
        echo "libvirt-qemu:x:64055:$(getent group kvm | cut -d: -f3)::/var/lib/libvirt:/usr/sbin/nologin" >> /etc/passwd
}

# libvirtd asks each QEMU that it finds what it can do, which takes seconds; and all over again for
# each VM while there is a /dev/kvm that may be opened but that QEMU could not use.
hide_what_is_not_tested() {
    local qemu
    if [ -e /dev/kvm ]; then
        touch "$LIBVIRT/kvm"
        mount --bind "$LIBVIRT/kvm" /dev/kvm
        mount -o remount,bind,ro /dev/kvm
    fi
    for qemu in /usr/bin/qemu-system-*; do
        [ "$qemu" = /usr/bin/qemu-system-x86_64 ] || mount --bind /dev/null "$qemu"
    done
}

stop() {
    local rc=$? pid
    cat "$LIBVIRT"/run/qemu/anyvisor-*.pid 2> /dev/null | while read -r pid; do kill -9 "$pid"; done
    kill "$DAEMON" 2> /dev/null
    wait "$DAEMON" 2> /dev/null
    [ -z "${KEEP:-}" ] || cp -r "$LIBVIRT/log" "$KEEP"
    umount -l /etc/passwd /etc/group /etc/libvirt /run/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt 2> /dev/null
    rm -rf --one-file-system "$LIBVIRT"
    exit "$rc"
}

for p in libvirtd virsh; do
    command -v $p > /dev/null || skip_all "$p is not installed"
done
configure
add_users
hide_what_is_not_tested
setpriv --pdeathsig TERM libvirtd --pid-file "$LIBVIRT/libvirtd.pid" 2> "$LIBVIRT/log/daemon" &
DAEMON=$!
export LIBVIRTD_PID=$DAEMON LIBVIRT_DEFAULT_URI=qemu:///system
trap stop EXIT
trap 'exit 130' INT TERM
if ! until_ok 120 virsh --connect qemu:///system version; then
    echo "libvirtd does not answer:"
    tail -n 20 "$LIBVIRT/log/daemon"
    exit 1
fi
"$@"
