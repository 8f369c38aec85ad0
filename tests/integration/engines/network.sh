#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The networks of Debian's engines: Docker's bridge, published ports, connecting while it runs;
# podman's netavark, with a pod; ctr with CNI's bridge. Each engine's container talks to the others.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/integration/engines/daemons.sh
. "$(dirname "$0")/daemons.sh"
# shellcheck source=tests/integration/engines/disks.sh
. "$HERE/engines/disks.sh"
DOCKER=/usr/bin/docker
for tool in "$DOCKER" dockerd containerd ctr podman iptables ip; do
    command -v "$tool" > /dev/null || skip_all "$tool is not installed"
done
own_namespaces "$@"
setup "${1:?usage: network.sh BACKEND}"
clones
OWN=$ROOT
daemons_setup
containerd_start && dockerd_start || exit 1
I=busybox:test
busybox_image "$WORK/busybox.tar" $I
LOOP='while :; do sleep 0.2; done'
SERVE="httpd -p 80 -h /etc; $LOOP"
get() { timeout 5 busybox wget -q -O - "http://$1/passwd"; }   # its own -T crashes

# --- Docker fills the namespace by a hook, or between create and start
ROOT=$E/docker/exec/runtime-runc/moby
inspect() { dk inspect -f "{{$2}}" "$1"; }
check "docker: load" 0 "$I" dk load -i "$WORK/busybox.tar"
check "docker: run with a published port" 0 '' dk run -d --name web -p 127.0.0.1:8080:80 $I sh -c "$SERVE"
addr=$(inspect web .NetworkSettings.IPAddress)
check "docker: the guest has the address" 0 "inet $addr/" dk exec web ip addr show eth0
same "docker: and the MAC" "$(inspect web .NetworkSettings.MacAddress)" "$(dk exec web cat /sys/class/net/eth0/address)"
check "docker: the published port" 0 '^nobody' until_ok_print 20 get 127.0.0.1:8080
check "docker: the container's address" 0 '^nobody' get "$addr"
check "docker: from another VM" 0 '^nobody' dk run --rm $I timeout 20 wget -q -O - "http://$addr/passwd"
check "docker: --network container:w" 0 "inet $addr/" dk run --rm --network container:web $I ip addr show eth0
check "docker: network create" 0 '' dk network create --subnet 172.30.7.0/24 n7
check "docker: connect while it runs" 0 '' dk network connect --ip 172.30.7.7 n7 web
check "docker: anyvisor network" 0 '' av network "$(inspect web .Id)"
check "docker: the other network" 0 '^nobody' get 172.30.7.7
check "docker: restart" 0 '' dk restart -t 1 web
check "docker: the port after it" 0 '^nobody' until_ok_print 20 get 127.0.0.1:8080
same "docker: both networks after it" "eth0 eth1 lo" "$(dk exec web ls /sys/class/net | xargs)"
check "docker: rm" 0 '' dk rm -f web
# Two services on a network of theirs, whose names Docker's server knows on the namespace's loopback. For
# others it asks a server of ours, from within the namespace.
with_compose() {
    cat > "$E/compose.yaml" <<X
version: "3"
services:
  web: {image: "$I", command: sh -c "$SERVE", networks: {n: {ipv4_address: 172.30.8.8}}}
  client:
    image: $I
    depends_on: [web]
    dns: [172.30.8.1]
    command: sh -c "until timeout 5 nslookup web && timeout 5 wget -q -O - http://172.30.8.8/passwd; do sleep 0.2; done; exec sleep 1000"
    networks: [n]
networks: {n: {ipam: {config: [{subnet: 172.30.8.0/24}]}}}
X
    compose() {
        HOME=$E/docker/home timeout --foreground -k 10 "$LIMIT" \
            docker-compose -H "unix://$E/docker/sock" -p c -f "$E/compose.yaml" "$@"
    }
    client_has_it() { dk logs c_client_1 | grep -q '^nobody'; }
    daemon names "$HERE/engines/names.py" 0.0.0.0 53 outside.test=192.0.2.53
    outside() { dk exec c_client_1 nslookup outside.test; }
    check "compose: up" 0 '' compose up -d
    check "compose: one service reaches the other" 0 '' until_ok 60 client_has_it
    check "compose: and has its name" 0 '^Address.*172\.30\.8\.8' dk logs c_client_1
    check "compose: and names of the outside world" 0 '^Address.*192\.0\.2\.53' until_ok_print 20 outside
    check "compose: connect to another network" 0 '' dk network connect n7 c_client_1
    check "compose: anyvisor network" 0 '' av network "$(inspect c_client_1 .Id)"
    check "compose: and they are still known" 0 '^Address.*192\.0\.2\.53' until_ok_print 20 outside
    check "compose: exec" 0 '^in$' compose exec -T web echo in
    check "compose: down" 0 '' compose down -t 1
}
if command -v docker-compose > /dev/null; then with_compose; else skip "compose" "docker-compose is not installed"; fi
same "docker: --network none" lo "$(dk run --rm --network none $I ls /sys/class/net | xargs)"
check "docker: --network host is refused" 125 "host's network namespace cannot be shared" dk run --rm --network host $I true

# --- CNI, by ctr: between create and start
mkdir -p "$WORK/cni" /etc/cni
mount -t tmpfs cni /etc/cni
mkdir -p /etc/cni/net.d /opt/cni
mount -t tmpfs cni-bin /opt/cni
ln -s /usr/lib/cni /opt/cni/bin
cat > /etc/cni/net.d/10-test.conflist <<X
{"cniVersion": "0.4.0", "name": "t", "plugins": [{"type": "bridge", "bridge": "avt-cni", "isGateway": true,
  "ipMasq": false, "ipam": {"type": "host-local", "dataDir": "$WORK/cni", "subnet": "10.77.0.0/24",
  "routes": [{"dst": "0.0.0.0/0"}]}}]}
X
with_cni() {
    ROOT=$OWN/$PARENT
    check "ctr: import" 0 '' ct images import "$WORK/busybox.tar"
    check "ctr: run --cni" 0 '' ct run -d --cni --runc-binary "$E/anyvisor" --runc-root "$OWN" docker.io/library/$I n1 sh -c "$SERVE"
    check "ctr: the guest's address" 0 'inet 10\.77\.0\.[0-9]+/24' ct task exec --exec-id e1 n1 ip addr show eth0
    check "ctr: and its route" 0 'default via 10.77.0.1' ct task exec --exec-id e2 n1 ip route
    check "ctr: who answers" 0 '^nobody' until_ok_print 20 get 10.77.0.2
    check "ctr: kill" 0 '' ct task kill -s KILL n1
    check "ctr: task rm" 0 '' until_ok 20 ct task rm n1
    check "ctr: rm" 0 '' ct containers rm n1
}
if [ -x /usr/lib/cni/bridge ]; then with_cni; else skip "ctr: CNI" "containernetworking-plugins is not installed"; fi

# --- netavark: before create
podman_setup() {
    P=$WORK/podman
    ROOT=$OWN
    mkdir -p "$P"/{root,run,tmp,net}
    printf '#!/bin/sh\nexec %s --root %s "$@"\n' "$E/anyvisor" "$ROOT" > "$P/anyvisor"
    chmod +x "$P/anyvisor"
    echo 'unqualified-search-registries = []' > "$P/registries.conf"
    cat > "$P/containers.conf" <<X
[network]
network_backend = "netavark"
network_config_dir = "$P/net"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime_supports_json = ["anyvisor"]
[engine.runtimes]
anyvisor = ["$P/anyvisor"]
X
}
pm() {
    timeout --foreground -k 10 "$LIMIT" env HOME=/root XDG_RUNTIME_DIR= CONTAINERS_CONF="$P/containers.conf" \
        CONTAINERS_REGISTRIES_CONF="$P/registries.conf" podman --root "$P/root" --runroot "$P/run" \
        --tmpdir "$P/tmp" --storage-driver overlay --cgroup-manager=cgroupfs --runtime anyvisor "$@"
}
with_netavark() {
    podman_setup
    tar -C "$WORK/rootfs" -cf "$P/busybox.tar" .
    check "podman: import" 0 '' pm import -c 'ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin' "$P/busybox.tar" localhost/busybox:latest
    check "podman: a pod with a published port" 0 '' pm pod create --name p -p 127.0.0.1:8081:80
    check "podman: a container in it" 0 '' pm run -d --pod p --name a localhost/busybox sh -c "$SERVE"
    addr=$(pm inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$(pm pod inspect -f '{{.InfraContainerID}}' p)")
    check "podman: the member has the pod's address" 0 "inet $addr/" pm exec a ip addr show eth0
    check "podman: who answers" 0 '^nobody' until_ok_print 20 get "$addr"
    check "podman: the published port" 0 '^nobody' get 127.0.0.1:8081
    check "podman: pod rm" 0 '' pm pod rm -f -t 0 p
    umount -R "$P/root" 2> /dev/null
}
if [ -x /usr/lib/podman/netavark ]; then with_netavark; else skip "podman: netavark" "netavark is not installed"; fi
daemons_stop
umount "$E"/docker/exec/netns/* 2> /dev/null    # of the refused --network host
ROOT=$OWN
finish
