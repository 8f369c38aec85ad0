#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The sandbox's network namespace in the guest: the same interfaces, addresses and routes; what
# passes through them; engines that fill it early, late and while it runs; what is left at the end.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: network.sh BACKEND}"
command -v ip > /dev/null && command -v tc > /dev/null || skip_all "no iproute2"
[ "$(id -u)" = 0 ] || skip_all "network namespaces need root"

NS=avt-${WORK##*.}              # the sandbox's
SRV=$NS-s                       # the rest of the world
made=()
new_ns() { ip netns add "$1" && made+=("$1") && ip -n "$1" link set lo up; }
remove_all() {
    local ns
    for ns in "${made[@]}"; do
        ip netns pids "$ns" 2> /dev/null | xargs -r kill -9
        ip netns del "$ns" 2> /dev/null
    done
}
trap 'rc=$?; remove_all; (exit $rc); leave' EXIT
new_ns "$NS" && new_ns "$SRV" || skip_all "no network namespaces here"

# cable NAME N: NAME in the sandbox's namespace, 10.99.N.2, and its end in the world's, 10.99.N.1
cable() {
    ip -n "$SRV" link add "s$2" type veth peer name "$1" netns "$NS" &&
        ip -n "$SRV" addr add "10.99.$2.1/24" dev "s$2" &&
        ip -n "$SRV" addr add "fd99:$2::1/64" dev "s$2" nodad && ip -n "$SRV" link set "s$2" up &&
        ip -n "$NS" addr add "10.99.$2.2/24" dev "$1" &&
        ip -n "$NS" addr add "fd99:$2::2/64" dev "$1" nodad && ip -n "$NS" link set "$1" up
}
in_srv() { ip netns exec "$SRV" "$@"; }
in_ns() { ip netns exec "$NS" "$@"; }
# A container has the stdout of its create, which must not be a pipe that somebody reads to its end.
create() {
    av create "$@" > "$WORK/create.out" 2>&1 < /dev/null
    local rc=$?
    cat "$WORK/create.out"
    return $rc
}
own_net() { printf '(.linux.namespaces[]|select(.type=="network")).path="/run/netns/%s"' "$1"; }
LOOP='while :; do sleep 0.2; done'
caps='.process.capabilities |= map_values(. + ["CAP_NET_RAW", "CAP_NET_ADMIN"])'

attach() { sed -i "/^  network:/d; s/^defaults:/&\\n  network: {attach: [$1]}/" "$ANYVISOR_CONFIG"; }
# --- what is refused
b=$(bundle host '.linux.namespaces |= map(select(.type != "network"))')
check "the host's network is refused" 1 "network: the host's network namespace cannot be shared" create --bundle "$b" host
b=$(bundle host2 '(.linux.namespaces[]|select(.type=="network")).path="/proc/self/ns/net"')
check "by its path as well" 1 "network: the host's network namespace cannot be shared" create --bundle "$b" host2
b=$(bundle c1 "$(sh_args "httpd -p 80 -h /; $LOOP") | $(own_net "$NS") | $caps | .linux.sysctl={\"net.ipv4.ip_forward\":\"1\"}")

if [ "$BACKEND" = fake ]; then  # its guests are processes of this host: nobody is behind a tap
    cable eth0 0
    attach "macvtap, redirect"
    check "a back-end without NICs creates" 0 '' create --bundle "$b" c1
    check "and starts with a warning" 0 "network interface 'eth0': back-end 'fake' has no NICs" av start c1
    same "the guest has lo alone" lo "$(av exec c1 ls /sys/class/net | xargs)"
    same "nothing is taken from the interface" "" "$(tc -n "$NS" qdisc show dev eth0 ingress)"
    same "no macvtap is left on it" "" "$(ip -n "$NS" -o link | grep -o avtap)"
    check "delete" 0 '' av delete --force c1
    finish
fi

# --- a namespace that stays empty; a kernel with the driver built in has found the spare NIC by then
same "without a network there is lo alone" lo \
    "$(av run --bundle "$(bundle none "$(sh_args 'ls /sys/class/net')")" none 2>&1 < /dev/null | xargs)"

# --- an engine that fills the namespace between create and start
check "create with an empty namespace" 0 '' create --bundle "$b" --pid-file "$WORK/pid" c1
other=$(bundle c2 "$(own_net "$NS")")
check "a second VM for the namespace is refused" 1 "network: tap 'avtap0': .*carried into another VM" create --bundle "$other" c2
cable eth0 0 && cable eth1 1
ip -n "$NS" link set eth0 mtu 1400
ip -n "$NS" route add default via 10.99.0.1 metric 5 mtu 1300
ip -n "$NS" route add 10.55.0.0/16 via 10.66.0.1 dev eth1 onlink src 10.99.1.2
ip -n "$NS" route add blackhole 10.77.0.0/16
ip -n "$NS" route add 10.88.0.0/16 via 10.99.1.1 table 100
ip -n "$NS" rule add from 10.99.1.2 table 100 priority 1000
ip -n "$NS" -6 route add default via fd99:0::1
ip -n "$NS" neigh add 10.99.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent
check "a start that is killed when the VM has its second NIC" 137 '' env ANYVISOR_FAULT=cli.nics-plugged timeout 60 "$AV" --root "$ROOT" start c1
check "start, with a second NIC for the running VM" 0 '^$' av start c1

# --- the same view as from the namespace
# /proc knows no table but the main one, and its files have one form everywhere.
routes() { awk '{ print $1, $2, $3, $4, $7, $8, $9 }' | sort; }
routes6() { grep -v avtap | sed 's/ *$//' | sort; }
addresses6() { awk '$6 !~ /avtap/ { print $1, $3, $4, $6 }' | sort; }
guest() { av exec c1 cat "$1"; }
same "interfaces" "eth0 eth1 lo" "$(av exec c1 ls /sys/class/net | xargs)"
for nic in eth0 eth1; do
    for what in address mtu tx_queue_len; do
        same "$nic: $what" "$(in_ns cat "/sys/class/net/$nic/$what")" "$(guest "/sys/class/net/$nic/$what")"
    done
done
view() { "$@" ip -4 -o addr show "$nic" | sed -E 's/^[0-9]+: //; s/ +/ /g; s/\\.*//; s/ *$//'; }
for nic in eth0 eth1; do
    same "$nic: IPv4 addresses" "$(view in_ns)" "$(view av exec c1)"
done
same "IPv6 addresses" "$(in_ns cat /proc/net/if_inet6 | addresses6)" "$(guest /proc/net/if_inet6 | addresses6)"
same "IPv4 routes" "$(in_ns cat /proc/net/route | routes)" "$(guest /proc/net/route | routes)"
same "IPv6 routes" "$(in_ns busybox ip -6 route | routes6)" "$(av exec c1 ip -6 route | routes6)"
check "a rule and its table" 0 '10.88.0.0/16 via 10.99.1.1 dev eth1' av exec c1 sh -c 'ip rule | grep -q "from 10.99.1.2 lookup 100" && ip route show table 100'
check "a route that says no" 0 'blackhole 10.77.0.0/16' av exec c1 ip route
check "a permanent neighbour" 0 '10.99.0.77 .*0x6 .*02:00:00:00:00:77' av exec c1 cat /proc/net/arp
check "no duplicate address detection is under way" 1 '' av exec c1 grep -q ' 4[08c]  *eth' /proc/net/if_inet6
same "sysctls act in the guest" 1 "$(guest /proc/sys/net/ipv4/ip_forward)"

# --- what passes
check "IPv4" 0 ' 0% packet loss' av exec c1 ping -c 2 10.99.0.1
check "IPv6" 0 ' 0% packet loss' av exec c1 ping -6 -c 1 fd99:0::1
check "the second NIC" 0 ' 0% packet loss' av exec c1 ping -c 1 10.99.1.1
check "the guest loads what a bridge wants" 0 "" av exec --cap CAP_NET_ADMIN c1 sh -c "brctl addbr b0 && ip link del b0"
check "towards the guest" 0 ' 0% packet loss' in_srv busybox ping -q -c 1 10.99.0.2
mkdir "$WORK/www"
head -c 8000000 /dev/urandom > "$WORK/www/big"
sum=$(sha256sum < "$WORK/www/big")
in_srv busybox httpd -p 7001 -h "$WORK/www"
same "8 MB in" "$sum" "$(av exec c1 sh -c 'wget -q -O /tmp/big http://10.99.0.1:7001/big; sha256sum < /tmp/big')"
same "8 MB out" "$sum" "$(in_srv busybox wget -q -O - http://10.99.0.2/tmp/big | sha256sum)"
ip netns pids "$SRV" | xargs -r kill

# --- a container that joins
m=$(bundle m1 "(.linux.namespaces[]|select(.type==\"network\")).path=\"/proc/$(cat "$WORK/pid")/ns/net\" | $(sh_args 'cat /proc/net/route')")
same "a member has the same routes" "$(guest /proc/net/route | routes)" "$(av run --bundle "$m" m1 | routes)"

# --- while it runs
cable net7 7
ip -n "$SRV" link del s1
ip -n "$NS" addr del 10.99.0.2/24 dev eth0
ip -n "$NS" addr add 10.99.0.3/24 dev eth0
check "anyvisor network" 0 '^$' av network c1
same "one has come, one has gone" "eth0 lo net7" "$(av exec c1 ls /sys/class/net | xargs)"
check "an address was changed" 0 '10.99.0.3/24' av exec c1 ip -4 -o addr show eth0
check "for another" 1 '^$' av exec c1 sh -c 'ip -4 -o addr show eth0 | grep 10.99.0.2/24'
check "the new one works" 0 ' 0% packet loss' av exec c1 ping -c 1 10.99.7.1
check "the old one still does" 0 ' 0% packet loss' av exec c1 ping -c 1 10.99.0.1

# --- the end
kill -9 "$(jq -r .pid "$ROOT/c1/monitor" 2> /dev/null || awk '{ print $1 }' "$ROOT/c1/monitor")"
if [ "$BACKEND" = kvm ]; then   # which is the monitor's child; others end with the container
    taps_gone() { ! ip -n "$NS" link | grep -q avtap; }
    check "taps go with a VM whose monitor is killed" 0 '' until_ok 20 taps_gone
fi
check "delete" 0 '' av delete --force c1
for nic in eth0 net7; do
    same "$nic stays, without our filter" "" "$(tc -n "$NS" qdisc show dev "$nic" ingress)"
done
check "it is the namespace's again" 0 ' 0% packet loss' in_ns busybox ping -q -c 1 10.99.0.1

# --- an engine that fills the namespace before create, and a start that fails half-way; where the
# VMM makes its own interfaces, with a way for which these leave no room
[ "$BACKEND" = kvm ] || attach "macvtap, redirect"
sed -i 's/vcpus: 1/vcpus: 2/' "$ANYVISOR_CONFIG"
b=$(bundle c3 "$(sh_args "$LOOP") | $(own_net "$NS")")
check "create with two interfaces" 0 '' create --bundle "$b" c3
same "two NICs from the start" "avtap0 avtap1" "$(ip -n "$NS" -o link | grep -oE 'avtap[0-9]' | sort | xargs)"
check "a start that is killed" 137 '' env ANYVISOR_FAULT=cli.network timeout 60 "$AV" --root "$ROOT" start c3
check "start after all" 0 '^$' av start c3
same "both are there" "eth0 lo net7" "$(av exec c3 ls /sys/class/net | xargs)"
if [ "$BACKEND" != xen ]; then  # bits of virtio-net: checksums, TCP's segments, large buffers, each way
    queues() { av exec c3 ls "/sys/class/net/$1/queues" | xargs; }
    same "as many queues as vCPUs" "rx-0 rx-1 tx-0 tx-1, rx-0 rx-1 tx-0 tx-1" "$(queues eth0), $(queues net7)"
    check "offloads are on" 0 '^11.....11..11..1' av exec c3 cat /sys/class/net/eth0/device/features
fi
check "a second VM is still refused" 1 "carried into another VM" create --bundle "$other" c2
check "and has taken nothing from the first" 0 mirred tc -n "$NS" filter show dev eth0 ingress
check "delete of it" 0 '' av delete --force c3
same "no filter is left" "" "$(tc -n "$NS" qdisc show ingress)"

# --- by macvtap, and an interface that is one already
b=$(bundle c4 "$(sh_args "$LOOP") | $(own_net "$NS") | $caps")
attach "direct, macvtap"
check "explain tells the ways" 0 'attach by direct, else macvtap' av explain "$b"
if [ "$BACKEND" != kvm ]; then
    sed -i 's/^defaults:/&\n  storage: {volumes: [network]}/' "$ANYVISOR_CONFIG"
    check "such NICs are enough for NFS" 0 "'/d': network: the guest mounts it" av explain \
        "$(bundle nfs '.mounts += [{type:"anyvisor.network",source:"nfs://10.98.0.1/d",destination:"/d"}]')"
    check "a VMM's own interfaces can only be redirected" 1 "network.attach has no 'redirect'" create --bundle "$b" c4
    same "nothing of it is left" "" "$(ip -n "$NS" -o link | grep -o avtap)"
    finish
fi
ip -n "$SRV" link add s5 type veth peer name below5
ip -n "$SRV" addr add 10.99.5.1/24 dev s5
ip -n "$SRV" link set s5 up && ip -n "$SRV" link set below5 up
ip -n "$SRV" link add link below5 name mt5 type macvtap mode bridge
ip -n "$SRV" link set mt5 netns "$NS"
ip -n "$NS" addr add 10.99.5.2/24 dev mt5 && ip -n "$NS" link set mt5 up
check "create" 0 '' create --bundle "$b" c4
same "a macvtap for each veth" "avtap0@eth0 avtap1@net7" "$(ip -n "$NS" -o link | grep -oE 'avtap[0-9]@[a-z0-9]+' | sort | xargs)"
check "a second VM for the namespace is refused" 1 "network interface 'eth0'.*carried into another VM" create --bundle "$other" c2
check "start" 0 '^$' av start c4
same "interfaces" "eth0 lo mt5 net7" "$(av exec c4 ls /sys/class/net | xargs)"
same "mt5: address" "$(in_ns cat /sys/class/net/mt5/address)" "$(av exec c4 cat /sys/class/net/mt5/address)"
check "through the macvtap on the veth" 0 ' 0% packet loss' av exec c4 ping -c 1 10.99.0.1
check "towards the guest" 0 ' 0% packet loss' in_srv busybox ping -q -c 1 10.99.0.3
check "through the engine's macvtap" 0 ' 0% packet loss' av exec c4 ping -c 1 10.99.5.1
cable net8 8
check "a NIC that cannot be plugged" 1 'fault cli.nics-plug' env ANYVISOR_FAULT=cli.nics-plug:fail "$AV" --root "$ROOT" network c4
same "its macvtap is given back" "avtap0@eth0 avtap1@net7" "$(ip -n "$NS" -o link | grep -oE 'avtap[0-9]@[a-z0-9]+' | sort | xargs)"
check "anyvisor network plugs one more" 0 '^$' av network c4
check "which works" 0 ' 0% packet loss' av exec c4 ping -c 1 10.99.8.1
check "delete" 0 '' av delete --force c4
same "no macvtap of ours is left" "" "$(ip -n "$NS" -o link | grep -o avtap)"
check "it is the namespace's again" 0 ' 0% packet loss' in_ns busybox ping -q -c 1 10.99.0.1
finish
