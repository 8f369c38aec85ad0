#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A container on a port of Neutron's: Open vSwitch from Debian's packages, in a network namespace of
# the test's own with the datapath of user space, has the port as os-vif makes it.
. "$(dirname "$0")/../lib.sh"
. "$HERE/storage/servers.sh"
. "$HERE/openstack/packages.sh"
fetch_packages ovs || skip_all "the packages of Open vSwitch cannot be fetched: $(tail -n 1 "$FETCHED/apt.log")"
own_network "$@"
[ "${AV_OVS_MOUNTS:-}" = "$$" ] || AV_OVS_MOUNTS=$$ exec unshare --mount --propagation private "$0" "$@"
setup "${1:?usage: ovs.sh BACKEND}"
NS=avt-${WORK##*.}
PORT=1f0b5a52-6d3a-4a57-9f0e-0c1c5f3f7b11
MAC=fa:16:3e:5a:01:7c
export OVS_RUNDIR=$WORK/ovs OVS_LOGDIR=$WORK/ovs OVS_DBDIR=$WORK/ovs LD_LIBRARY_PATH=$FETCHED/usr/lib/x86_64-linux-gnu
OVS=$FETCHED/usr

ovs() { "$OVS/bin/$1" "${@:2}"; }
switch() {     # the daemons, until the test ends
    mkdir "$WORK/ovs"
    ovs ovsdb-tool create "$WORK/ovs/conf.db" "$OVS/share/openvswitch/vswitch.ovsschema" || return 1
    setpriv --pdeathsig KILL "$OVS/sbin/ovsdb-server" --remote="punix:$WORK/ovs/db.sock" "$WORK/ovs/conf.db" \
        > "$WORK/ovs/db.out" 2>&1 &
    until_ok 20 ovs ovs-vsctl --timeout=5 --no-wait init || return 1
    # Else the datapath of user space would pass on what has no checksum yet, for who receives to drop it.
    ovs ovs-vsctl --timeout=5 --no-wait set Open_vSwitch . other_config:userspace-tso-enable=true
    setpriv --pdeathsig KILL "$OVS/lib/openvswitch-switch/ovs-vswitchd" --pidfile "unix:$WORK/ovs/db.sock" \
        > "$WORK/ovs/switch.out" 2>&1 &
    ovs ovs-vsctl --timeout=30 add-br br-int -- set bridge br-int datapath_type=netdev
}
port_ids() { ovs ovs-vsctl --timeout=5 get interface "tap${PORT:0:11}" external_ids; }

ip netns add "$NS" || skip_all "no network namespaces here"
trap 'rc=$?; ip netns del "$NS"; (exit $rc); leave' EXIT
switch
result "Open vSwitch runs" $?
echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore    # the switch's ports are no interfaces of the kernel's stack
ip addr add 10.5.0.1/24 dev br-int
ip link set br-int up mtu 1442
ip link add "tap${PORT:0:11}" type veth peer name eth0 netns "$NS"
ip -n "$NS" link set eth0 address "$MAC" mtu 1442 up
ip -n "$NS" addr add 10.5.0.2/24 dev eth0
ip link set "tap${PORT:0:11}" up mtu 1442
check "the port is plugged as os-vif does it" 0 '' ovs ovs-vsctl --timeout=20 -- --may-exist add-port br-int "tap${PORT:0:11}" \
    -- set interface "tap${PORT:0:11}" "external_ids:iface-id=$PORT" external_ids:iface-status=active \
    "external_ids:attached-mac=\"$MAC\"" "external_ids:vm-uuid=$PORT"
ids=$(port_ids)
mkdir "$WORK/www"
echo served > "$WORK/www/index.html"
setpriv --pdeathsig KILL busybox httpd -f -p 10.5.0.1:80 -h "$WORK/www" &

b=$(bundle c1 "$(sh_args 'cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu; for i in $(seq 20); do wget -qO- http://10.5.0.1/ && break; sleep 0.5; done') |
    (.linux.namespaces[]|select(.type==\"network\")).path=\"/run/netns/$NS\"")
av run --bundle "$b" c1 > "$WORK/c1.out" 2>&1 < /dev/null
same "MAC and MTU are the port's, and frames pass the switch" "$MAC 1442 served" "$(xargs < "$WORK/c1.out")"
check "the switch has learned the port's MAC" 0 "$MAC" ovs ovs-appctl fdb/show br-int
same "what Neutron's agent goes by is as it was" "$ids" "$(port_ids)"
check "delete" 0 '' av delete --force c1
same "and after it, too" "$ids" "$(port_ids)"
ip -n "$NS" link show eth0 | grep -q "$MAC"
result "the interface is the engine's again" $?

# --- a tap that is a port itself, by the runtime: the namespace has an interface with MAC and addresses and
# nothing behind it: a tap that nobody has open, for kernels without dummies
mount -t tmpfs none /usr/local/bin      # where the runtime finds the program
printf '#!/bin/sh\nOVS_RUNDIR=%s LD_LIBRARY_PATH=%s exec %s "$@"\n' "$OVS_RUNDIR" "$LD_LIBRARY_PATH" "$OVS/bin/ovs-vsctl" \
    | install -m 0755 /dev/stdin /usr/local/bin/ovs-vsctl
PORT=2c8e1f60-0000-4000-8000-3b7f6f0f1c2d
MAC=fa:16:3e:5a:01:7d
cat >> "$ANYVISOR_CONFIG" <<X
classes:
- name: neutron
  match: {annotations: {org.anyvisor.neutron.port: "*"}}
  network: {attach: ["bridge:br-int"]}
  annotations: {allow: [org.anyvisor.neutron.port]}
X
ip -n "$NS" link del eth0
ip -n "$NS" tuntap add eth0 mode tap
ip -n "$NS" link set eth0 address "$MAC" mtu 1442 up
ip -n "$NS" addr add 10.5.0.3/24 dev eth0
ports() { ovs ovs-vsctl --timeout=20 list-ports br-int | grep '^av'; }
b=$(bundle c2 "$(sh_args 'cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu; for i in $(seq 20); do wget -qO- http://10.5.0.1/ && break; sleep 0.5; done; read x') |
    (.linux.namespaces[]|select(.type==\"network\")).path=\"/run/netns/$NS\" | .annotations[\"org.anyvisor.neutron.port\"]=\"$PORT\"")
mkfifo "$WORK/in"
exec 7<> "$WORK/in"
av run --bundle "$b" c2 > "$WORK/c2.out" 2>&1 < "$WORK/in" &
run=$!
check "a tap of the VM is a port of the switch" 0 '' until_ok "$LIMIT" grep -q served "$WORK/c2.out"
same "with the interface's MAC and MTU" "$MAC 1442 served" "$(xargs < "$WORK/c2.out")"
tap=$(ports)
same "and what Neutron's agent goes by" "$PORT active $MAC" "$(for k in iface-id iface-status attached-mac; do
    ovs ovs-vsctl --timeout=20 get interface "$tap" "external_ids:$k"; done | tr -d '"' | xargs)"
same "nothing is between" "" "$(ip -n "$NS" -o link | grep -E '(avtap[0-9]+|eth0@[a-z0-9]+):')"
echo >&7
wait $run
same "the port goes with the container" "" "$(ports)"
av run --detach --bundle "$b" c3 > "$WORK/c3.out" 2>&1 < /dev/null
same "so does one" 1 "$(ports | wc -l)"
leftover_processes | awk '/anyvisor-(monitor|proxy)/ {print $1}' | xargs -r kill -9
check "of a container that has crashed" 0 '' av delete --force c3
same "with its delete" "" "$(ports)"
unset LD_LIBRARY_PATH
jobs -p | xargs kill
wait
finish
