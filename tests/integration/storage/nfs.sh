#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# NFS volumes, mounted by the guest's kernel over the container's network from nfs-ganesha: what
# works, a server that is killed in mid-write, what cannot be mounted, a server that stays away.
. "$(dirname "$0")/../lib.sh"
setup "${1:?usage: nfs.sh BACKEND}"
# shellcheck source=servers.sh
. "$(dirname "$0")/servers.sh"

sed -i 's/^defaults:/&\n  storage: {volumes: [network, 9pfs]}/' "$ANYVISOR_CONFIG"
cat >> "$ANYVISOR_CONFIG" <<Y
annotations: {allow: [org.anyvisor.rootfs]}
classes:
- {name: own, match: {annotations: {t: own}}, volumes: [{destination: /own, source: "nfs://10.98.0.1/rw/sub", options: [noatime], readonly: true}]}
- {name: shares, match: {annotations: {t: shares}}, storage: {volumes: [9pfs]}}
- {name: image, match: {annotations: {t: image}}, storage: {rootfs: [network]}}
Y
NS=avn-${WORK##*.}              # the containers' network
SRV=$NS-s                       # the server's
volume() { # volume DEST URI [OPTION...]: a jq filter that adds it
    local dest=$1 uri=$2 o options=
    shift 2
    for o in "$@"; do options="$options,\"$o\""; done
    printf '.mounts += [{type:"anyvisor.network",source:"%s",destination:"%s",options:[%s]}]' "$uri" "$dest" "${options#,}"
}
class() { printf '.annotations.t="%s"' "$1"; }
net() { printf '(.linux.namespaces[]|select(.type=="network")).path="/run/netns/%s"' "$NS"; }
run() { # run ID RC REGEX FILTER: a container of that bundle, to its end
    check "$1" "$2" "$3" av run --bundle "$(bundle "${1// /-}" "$4")" "${1// /-}"
}
said() { bundle "$1" "$2" > /dev/null; check "$3" 1 "$4" av create --bundle "$WORK/b/$1" "$1"; }

# --- what is refused before there is any VM
if [ "$BACKEND" = fake ]; then
    run c1 1 "storage: this guest has no network of its own, which NFS needs" "$(volume /d nfs://10.98.0.1/rw)"
    check "explain knows it before" 1 'network: the back-end has no NICs, over which the guest could mount it' \
        av explain "$WORK/b/c1"
    finish
fi
said c2 "$(volume /d nfs://10.98.0.1/rw) | $(class shares)" "a policy without network" "volume 'nfs://10.98.0.1/rw': 9pfs: a network volume is no directory of the host"
said c3 "$(volume /d nfs://10.98.0.1/rw sec=krb5)" "an option of another kind" "option 'sec=krb5' is not one that NFS volumes have"
said c4 "$(volume /d nfs://10.98.0.1/rw vers=3)" "another version" "option 'vers=3' is not one that NFS volumes have"
said c5 "$(volume /d nfs://nobody.invalid/rw)" "a name that nobody knows" "storage: .*NFS volume 'nobody.invalid:/rw': the host does not know the address of 'nobody.invalid'"
said c6 "$(volume /d nfs://10.98.0.1/rw) | .mounts += [{type:\"tmpfs\",source:\"tmpfs\",destination:\"/d/t\"}]" "what lies in it" \
    "mounts\[[0-9]+\] '/d/t': it lies in the NFS volume on '/d', which is mounted after it"
said c7 ".annotations[\"org.anyvisor.rootfs\"]=\"nfs://10.98.0.1/rw\" | $(class image)" "a root file system" "a root file system cannot be on NFS"
check "explain says how it gets there" 0 "'/d': network: the guest mounts it over the container's network" \
    av explain "$(bundle why "$(volume /d nfs://10.98.0.1/rw)")"

# --- a server beside the container's network
need_programs ip ganesha.nfsd
ip netns add "$NS" && ip netns add "$SRV" || skip_all "no network namespaces here"
remove_all() {
    [ ! -s "$WORK/nfs.pid" ] || kill -9 "$(cat "$WORK/nfs.pid")"
    ip netns del "$NS" && ip netns del "$SRV"
    umount "$WORK/srv"
}
trap 'rc=$?; remove_all 2> /dev/null; (exit $rc); leave' EXIT
ip -n "$SRV" link set lo up
ip -n "$SRV" link add s0 type veth peer name eth0 netns "$NS"
ip -n "$SRV" addr add 10.98.0.1/24 dev s0 && ip -n "$SRV" link set s0 up
ip -n "$NS" addr add 10.98.0.2/24 dev eth0 && ip -n "$NS" link set eth0 up

# A tmpfs, for the server opens files by handle, which not every file system has.
mkdir -p "$WORK/srv" "$WORK/recovery"
mount -t tmpfs srv "$WORK/srv"
mkdir -p "$WORK/srv/rw/sub" "$WORK/srv/others"
chmod 777 "$WORK/srv/rw"
echo below > "$WORK/srv/rw/sub/f"
cat > "$WORK/ganesha.conf" <<Y
NFS_CORE_PARAM { Protocols = 4; Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; }
NFSv4 { RecoveryBackend = fs; RecoveryRoot = $WORK/recovery; Only_Numeric_Owners = true; Minor_Versions = 1, 2;
    Lease_Lifetime = 6; Grace_Period = 7; }
NFS_KRB5 { Active_krb5 = false; }
EXPORT { Export_Id = 1; Path = $WORK/srv/rw; Pseudo = /rw; Access_Type = RW; Squash = None; SecType = sys; FSAL { Name = VFS; } }
EXPORT { Export_Id = 2; Path = $WORK/srv/others; Pseudo = /others; Access_Type = NONE; SecType = sys; FSAL { Name = VFS; }
    CLIENT { Clients = 10.98.0.77; Access_Type = RW; } }
Y
start_nfs() {
    start_server "$WORK/nfs.pid" ip netns exec "$SRV" ganesha.nfsd -F -f "$WORK/ganesha.conf" \
        -L "$WORK/nfs.log" -p "$WORK/nfs.pid" -N NIV_WARN &&
        until_ok 10 ip netns exec "$SRV" bash -c ': < /dev/tcp/10.98.0.1/2049'
}
start_nfs || skip_all "nfs-ganesha does not start: $(tail -n 3 "$WORK/nfs.log")"
start() { # start ID FILTER: in the background, with what it says in WORK/ID.out
    av run --bundle "$(bundle "$1" "$2")" --pid-file "$WORK/$1.pid" "$1" > "$WORK/$1.out" 2>&1 < /dev/null &
    until_ok 60 grep -q ready "$WORK/$1.out"
}
told() { check "$1" 0 "$2" cat "$WORK/c1.out"; }

# --- volumes of bundle and class; program and directory on one, for a user who is not root
install -D /bin/busybox "$WORK/srv/rw/bin/busybox"
check "a container starts" 0 '' start c1 "$(volume /d nfs://10.98.0.1/rw) |
    $(volume /ro nfs://10.98.0.1:2049/rw/sub ro nosuid vers=4.1) |
    $(volume /soft nfs://10.98.0.1/rw soft timeo=10 retrans=1 noac) | $(class own) | $(net) |
    .process.user={uid:1000,gid:1000} | .process.cwd=\"/d/sub\" | .root.readonly=true |
    $(sh_args 'pwd; cat f; grep " nfs4 " /proc/mounts; echo x > /ro/f || echo "ro refuses"; cat /own/f
        echo x > /own/f || echo "own refuses"; echo mine > /d/mine; stat -c "%u:%g" /d/mine
        ln /d/mine /d/link; mkfifo /d/fifo && echo "has fifos"; exec 3> /d/gone; rm /d/gone; echo more >&3 && echo "gone writes"
        echo ready; read -r x < /d/fifo
        i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo $i >> /d/log; sync /d/log && echo "ack $i"; done') |
    .process.args[0]=\"/d/bin/busybox\" | .process.args=[.process.args[0],\"sh\"]+.process.args[1:]"
told "with its directory on the volume" '^/d/sub$'
told "and a file there" '^below$'
told "as NFS 4.2 over TCP" '10.98.0.1:/rw /d nfs4 rw,.*vers=4.2,.*hard,.*proto=tcp'
told "or the version asked for" '/ro nfs4 ro,nosuid,.*vers=4.1,'
told "soft where asked for" '/soft nfs4 rw,.*soft,noac,.*timeo=10,retrans=1,'
told "read-only is" 'ro refuses'
told "the class's volume, too" 'own refuses'
told "the user's number is the server's" '^1000:1000$'
told "a FIFO" 'has fifos'
told "a file that is no more" 'gone writes'
same "on the server it is there" "mine 1000" "$(cat "$WORK/srv/rw/link") $(stat -c %u "$WORK/srv/rw/mine")"
# The server keeps "Linux NFSv4.2 UUID/HOSTNAME" in hexadecimal digits.
hex() { printf '(3[0-9]|6[1-6]){%d}' "$1"; }
check "each VM is a client of its own" 0 "20$(hex 8)2d$(hex 4)2d$(hex 4)2d$(hex 4)2d$(hex 12)2f" find "$WORK/recovery"

# --- containers that join the VM
member() { printf '(.linux.namespaces[]|select(.type=="network")).path="/proc/%s/ns/net"' "$(cat "$WORK/c1.pid")"; }
run m1 0 '^mine' "$(volume /d nfs://10.98.0.1/rw) | $(member) | $(sh_args 'cat /d/mine; echo member > /d/member')"
same "a member's file" member "$(cat "$WORK/srv/rw/member")"
run m2 1 "storage: mount on '/d': NFS volume '10.98.0.1:/none': the server exports no such directory" "$(volume /d nfs://10.98.0.1/none) | $(member)"
run m3 1 "storage: .*NFS volume '10.98.0.1:/others': the server (does not let this client have it|exports no such directory)" "$(volume /d nfs://10.98.0.1/others) | $(member)"
run m4 1 "storage: .*NFS volume '10.98.0.1:/rw': no NFS server listens there" "$(volume /d nfs://10.98.0.1:2050/rw) | $(member)"
run m5 1 "storage: .*NFS volume '10.99.0.1:/rw': the container's network has no way to it" "$(volume /d nfs://10.99.0.1/rw) | $(member)"
mkfifo "$WORK/silent"
ip netns exec "$SRV" busybox nc -l -p 2051 <> "$WORK/silent" > /dev/null &
silent=$!
run m8 1 "storage: mount on '/e': NFS volume '10.98.0.1:/rw': it does not answer" "$(volume /d nfs://10.98.0.1/rw) | $(volume /e nfs://10.98.0.1:2051/rw) | $(member)"
kill -9 $silent 2> /dev/null # which ends with its connection
mkdir "$WORK/rootfs/d" "$WORK/rootfs/own"     # that user could not make them
run m6 0 '^0 1' "$(volume /d nfs://10.98.0.1/rw) | $(member) | .linux.namespaces += [{type:\"user\"}] |
    .linux.uidMappings=[{containerID:0,hostID:100000,size:65536}] | .linux.gidMappings=.linux.uidMappings |
    $(sh_args 'echo x > /d/mapped; echo $(id -u) $(grep -c " /d nfs4 " /proc/mounts)')"
same "in a user namespace" 100000 "$(stat -c %u "$WORK/srv/rw/mapped")"
run m7 1 "mounts\[[0-9]+\] '/d': an NFS volume is mounted over the network of the sandbox, and" "$(volume /d nfs://10.98.0.1/rw) | (.linux.namespaces[]|select(.type==\"ipc\")).path=\"/proc/$(cat "$WORK/c1.pid")/ns/ipc\""

# --- the server is killed while the guest writes, and comes back
acked() { [ "$(grep -c ack "$WORK/c1.out")" -gt "$1" ]; }
check "a FIFO is the VM's own" 0 '' av exec c1 busybox sh -c 'echo go > /d/fifo'
until_ok 30 acked 3
stop_server "$WORK/nfs.pid"
start_nfs
check "writes go on" 0 '' until_ok 60 acked $(($(grep -c ack "$WORK/c1.out") + 5))
last=$(sed -n 's/^ack //p' "$WORK/c1.out" | tail -n 1)
same "and each that was acknowledged is there" "$(seq 1 "$last" | md5sum)" "$(head -n "$last" "$WORK/srv/rw/log" | md5sum)"

# --- it stays away
stop_server "$WORK/nfs.pid"
check "a soft volume reports it" 1 'Input/output error|timed out|EIO' av exec --cwd / c1 cat /soft/sub/f
check "a kill is heard" 0 '' av kill c1 KILL
check "the container ends" 0 '' until_ok 30 has_status c1 stopped
LIMIT=30 check "and can be deleted" 0 '' av delete --force c1
umount "$WORK/srv"
finish
