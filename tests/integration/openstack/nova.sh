#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Containers and Nova on one node: what functions of Debian's nova find at a libvirtd while containers
# run, for each of the set-ups of docs/openstack.md. Runs below with_libvirtd.sh, whose daemon is
# Nova's; a second one is the containers' own.
. "$(dirname "$0")/../lib.sh"
. "$HERE/openstack/packages.sh"
export LIBVIRT_DEFAULT_URI=qemu:///system
if [ -z "${LIBVIRTD_PID:-}" ]; then
    exec "$HERE/libvirt/with_libvirtd.sh" "$0" "$@"
fi

nova() {       # nova NAME: what it finds now
    check "nova looks at its libvirt ($1)" 0 '' ask_nova "$WORK/$1"
}
ask_nova() {
    PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$FETCHED/usr/lib/python3/dist-packages \
        LD_LIBRARY_PATH=$FETCHED/usr/lib/x86_64-linux-gnu \
        timeout 120 /usr/bin/python3 "$HERE/openstack/nova_probe.py" qemu:///system > "$1" 2> "$1.err" ||
        { tail -n 5 "$1.err"; return 1; }
}
found() { jq -c "$2" "$WORK/$1"; }
start() { # start ID: a container that runs until it is killed
    av run --detach --bundle "$(bundle "$1" "$(sh_args 'while :; do sleep 0.1; done')")" "$1" \
        > "$WORK/out" 2>&1 < /dev/null
    same "a container on $BACKEND" 0 $?
}
node_check() { av check --openstack --nova-conf "$WORK/nova.conf"; }

fetch_packages nova || skip_all "the packages of nova cannot be fetched: $(tail -n 1 "$FETCHED/apt.log")"
setup kvm-libvirt
printf '[DEFAULT]\nreserved_host_memory_mb = 8192\n[libvirt]\nvirt_type = qemu\n' > "$WORK/nova.conf"
nova none
same "nova finds an empty host" '[[],0,0,[],false,0]' \
    "$(found none '[.instances,.guests,.domains,.start_up,.periodic_warns,.vcpus_used]')"

# --- Nova's own libvirt: a container is an instance that its database does not know
start c1
nova shared
same "on nova's daemon nova counts the container" '[["anyvisor-c1"],1,1,true]' \
    "$(found shared '[.instances,.guests,(.start_up | length),.periodic_warns]')"
check "check --openstack warns of it" 0 "warn +openstack: back-end 'kvm-libvirt' makes its VMs at 'qemu:///system'" \
    node_check
check "delete" 0 '' av delete --force c1

# --- a daemon of the containers' own
ours="qemu+unix:///system?socket=$WORK/own/run/libvirt-sock"
mount --make-rshared /                  # the share of a VM is mounted for the daemon, too
setpriv --pdeathsig TERM "$HERE/openstack/own_libvirtd.sh" "$WORK/own" &
daemon=$!
check "a second libvirtd" 0 '' until_ok 120 virsh --connect "$ours" version
sed -i "s|uri: .*|uri: $ours|; s|sockets: .*|sockets: $WORK/own/run|" \
    "$WORK"/etc/plugins.d/kvm-libvirt.yaml
start c2
check "its domain is at that daemon" 0 'anyvisor-c2' \
    virsh --connect "$ours" list --name
nova beside
same "beside a daemon of their own nova finds the same as before" \
    "$(found none 'del(.disk_available_least)')" "$(found beside 'del(.disk_available_least)')"
check "check --openstack agrees" 0 "ok +openstack: no container's VM shows up at nova's libvirt 'qemu:///system'" \
    node_check
check "delete" 0 '' av delete --force c2
kill "$daemon"
wait "$daemon"

# --- no libvirt at all
sed -i 's/hypervisor: .*/hypervisor: [kvm]/' "$ANYVISOR_CONFIG"
BACKEND=kvm
start c3
nova direct
same "beside QEMU without libvirt nova finds the same as before" \
    "$(found none 'del(.disk_available_least)')" "$(found direct 'del(.disk_available_least)')"
check "check --openstack agrees" 0 "ok +openstack: no container's VM shows up" node_check
check "delete" 0 '' av delete --force c3
finish
