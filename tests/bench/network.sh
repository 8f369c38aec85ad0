#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The figures of network and pods: docs/network.md and docs/kubernetes.md show them.
#
#   network.sh [--build DIR] [-n N] [NAME...]
#
# NAME: network (a container behind a veth beside bare QEMU whose tap the host has itself) pod (its
# start beside a boot of bare QEMU, ten containers) crowd (20 pods at once, not by default). Needs root.
# Exit status 0 = every figure was taken.
here=$(cd "$(dirname "$0")" && pwd)

build='' runs='' names=()
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$2; shift ;;
    -n) runs=$2; shift ;;
    -h | --help) sed -n '3,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) "$0" --help >&2; exit 2 ;;
    *) names+=("$1") ;;
    esac
    shift
done
[ ${#names[@]} -gt 0 ] || names=(network pod)
[ -z "$build" ] || export AV_BUILD=$build
if [ ! -x "${AV_BUILD:-$here/../../build}/bin/anyvisor" ]; then
    echo "network.sh: there is no build in '${AV_BUILD:-build}': --build DIR" >&2
    exit 2
fi

# shellcheck source=../integration/lib.sh
. "$here/../integration/lib.sh"
# shellcheck source=figures.sh
. "$here/figures.sh"
setup kvm
command -v ip > /dev/null || skip_all "no iproute2"
command -v cpio > /dev/null || skip_all "cpio is not installed"
NS=avb-${WORK##*.}
SRV=$NS-s
BARE=
BIG=$((32 << 20))
end() {
    local rc=$? ns
    [ -z "$BARE" ] || kill -9 "$BARE" 2> /dev/null
    av list --quiet 2> /dev/null | while read -r id; do av delete --force "$id"; done
    for ns in "$NS" "$SRV"; do ip netns del "$ns" 2> /dev/null; done
    (exit $rc)
    leave
}
trap end EXIT
ip netns add "$NS" && ip netns add "$SRV" || skip_all "no network namespaces here"
ip -n "$SRV" link set lo up

# What both guests run: bare QEMU's sets its address itself.
serve() {
    cat > "$1/rootfs/serve" <<'X'
#!/bin/sh
[ -z "$1" ] || { mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp; ip link set lo up; ip addr add "$1/24" dev eth0; ip link set eth0 up; }
head -c "$2" /dev/zero > /tmp/big
httpd -p 80 -h /tmp
mkfifo /tmp/open             # or nc would hang up at once
exec 3<> /tmp/open
while :; do nc -l -p 9000 <&3 > /dev/null; done
X
    chmod +x "$1/rootfs/serve"
}
in_srv() { ip netns exec "$SRV" "$@"; }
answers() { in_srv busybox wget -q -O /dev/null "http://$1/nothing" 2>&1 | grep -q 404; }

# On a busy machine the share of a cgroup decides.
join_cgroups_of() {
    local path procs
    cut -d: -f3 "/proc/$1/cgroup" | sort -u | while read -r path; do
        [ "$path" != / ] || continue
        find /sys/fs/cgroup -path "*$path/cgroup.procs" | while read -r procs; do
            echo "$2" > "$procs"
        done
    done 2> /dev/null
}

begin_network() {
    local b image
    ip -n "$SRV" link add s0 type veth peer name eth0 netns "$NS"
    ip -n "$SRV" addr add 10.99.0.1/24 dev s0 && ip -n "$SRV" link set s0 up
    ip -n "$NS" addr add 10.99.0.2/24 dev eth0 && ip -n "$NS" link set eth0 up
    b=$(fresh_bundle net "[\"/serve\",\"\",\"$BIG\"] |
        (.linux.namespaces[]|select(.type==\"network\")).path=\"/run/netns/$NS\" |
        .mounts += [{type:\"tmpfs\",source:\"tmpfs\",destination:\"/tmp\"}]")
    serve "$b"
    av run --detach --bundle "$b" net > "$WORK/out" 2>&1 < /dev/null || return 1
    ip -n "$SRV" tuntap add bare0 mode tap vnet_hdr && ip -n "$SRV" addr add 10.98.0.1/24 dev bare0 &&
        ip -n "$SRV" link set bare0 up || return 1
    image=$AV_BUILD/share/anyvisor/guest/$(uname -m)/initramfs.cpio
    "$here/initrd.sh" "$image" "$TOOLS/bare_init" "$WORK/bare.cpio" net || return 1
    BARE_TAP=bare0 python3 "$here/baseline.py" "$(qemu_of net)" "$b/rootfs" "$WORK/bare.cpio" "$WORK/console" \
        "" /serve 10.98.0.2 "$BIG" > "$WORK/qemu" || return 1
    mapfile -d '' qemu < "$WORK/qemu"
    (
        join_cgroups_of "$(qemu_of net)" "$BASHPID"
        exec ip netns exec "$SRV" "${qemu[@]}" > "$WORK/bare.out" 2>&1 < /dev/null
    ) &
    BARE=$!
    until_ok 60 answers 10.99.0.2 && until_ok 60 answers 10.98.0.2
}

# take FILE ADDRESS: one sample of each kind
take() {
    local file=$1 ip=$2
    meter "$WORK/out.$file" ip netns exec "$SRV" busybox wget -q -O /dev/null "http://$ip/big"
    meter "$WORK/in.$file" ip netns exec "$SRV" sh -c "head -c $BIG /dev/zero | busybox nc $ip 9000"
    in_srv busybox ping -q -c 20 -i 0.1 "$ip" |
        awk -F'[/= ]+' '/round-trip/ { printf "%d\n", $7 * 1000 }' >> "$WORK/ping.$file"
}

bench_network() {
    local i
    begin_network || { MISSING=1; no_figure network "$(tail -n 2 "$WORK/out" "$WORK/bare.out" 2>&1 | tr '\n' ' ')"; return; }
    take warm-up 10.99.0.2 && take warm-up 10.98.0.2
    for ((i = 0; i < $(times 7); i++)); do
        take ours 10.99.0.2
        take floor 10.98.0.2
    done
    row "32 MiB from the guest" ms "$WORK/out.ours" 1 "$WORK/out.floor" 1.05
    row "32 MiB to the guest" ms "$WORK/in.ours" 1 "$WORK/in.floor" 1.05
    row "ping, 20 times, mean" ms "$WORK/ping.ours" 1 "$WORK/ping.floor" 1.05
    kill -9 "$BARE" && wait "$BARE" 2> /dev/null
    BARE=
    av delete --force net
}

pss() {     # pss ID: MiB of its VMM and monitor
    cat "/proc/$(qemu_of "$1")/smaps_rollup" "/proc/$(cut -d' ' -f1 "$ROOT/$1/monitor")/smaps_rollup" |
        awk '$1 == "Pss:" { s += $2 } END { print int(s / 1024) }'
}
sandbox() {     # sandbox ID: bundle of a pod's sandbox
    fresh_bundle "$1" '["sleep","100000"] | .annotations = {"io.kubernetes.cri.container-type": "sandbox",
        "io.kubernetes.cri.sandbox-id": "'"$1"'"}'
}
member() {      # member ID SANDBOX
    fresh_bundle "$1" '["sleep","100000"] | .annotations = {"io.kubernetes.cri.container-type": "container",
        "io.kubernetes.cri.sandbox-id": "'"$2"'"}'
}
percentile() { sort -n "$1" | awk -v p="$2" '{ v[NR] = $1 } END { i = int(NR * p / 100 + 0.999); print v[i ? i : 1] / 1000 }'; }

# Bare QEMU with the machine of the pod, whose init ends after /bin/true: words into qemu.
bare_boot_of() {    # bare_boot_of POD BUNDLE
    "$here/initrd.sh" "$(image_of "$2")" "$TOOLS/bare_init" "$WORK/bare.cpio" &&
        python3 "$here/baseline.py" "$(qemu_of "$1")" "$2/rootfs" "$WORK/bare.cpio" "$WORK/console" > "$WORK/qemu" &&
        mapfile -d '' qemu < "$WORK/qemu"
}

bench_pod() {
    local b i one qemu=()
    b=$(sandbox pod)
    for ((i = 0; i < $(times 5); i++)); do
        [ "$i" = 0 ] || av delete --force pod
        meter "$WORK/pod.start" "$AV" --root "$ROOT" run --detach --bundle "$b" pod
        [ "$i" != 0 ] || bare_boot_of pod "$b" || { MISSING=1; no_figure pod 'no bare QEMU'; return; }
        meter "$WORK/pod.floor" "${qemu[@]}"
        grep -q 'bare_init: status 0' "$WORK/console" || MISSING=1
    done
    row "pod: its sandbox" ms "$WORK/pod.start" 1 "$WORK/pod.floor" 1.15
    printf '# memory of the pod: %s MiB\n' "$(pss pod)"
    for ((i = 1; i <= 10; i++)); do
        b=$(member "m$i" pod)
        meter "$WORK/member.start" "$AV" --root "$ROOT" run --detach --bundle "$b" "m$i"
        [ "$i" != 1 ] || one=$(pss pod)
    done
    row "pod: one of ten containers" ms "$WORK/member.start" 1 - -
    printf '# memory with one container: %s MiB, with ten: %s MiB\n' "$one" "$(pss pod)"
    for ((i = 0; i < 100; i++)); do
        meter "$WORK/exec" "$AV" --root "$ROOT" exec "m$((i % 10 + 1))" true
    done
    cut -d' ' -f1 "$WORK/exec" > "$WORK/exec.us"
    printf '# exec in a pod of ten, 100 times: p50 %s ms, p99 %s ms\n' "$(percentile "$WORK/exec.us" 50)" \
        "$(percentile "$WORK/exec.us" 99)"
    av delete --force pod
}

bench_crowd() {
    local i begin pids=()
    for ((i = 0; i < 20; i++)); do sandbox "p$i" > /dev/null; done
    begin=${EPOCHREALTIME/./}
    for ((i = 0; i < 20; i++)); do
        LIMIT=400 av run --detach --bundle "$WORK/b/p$i" "p$i" > "$WORK/out.$i" 2>&1 < /dev/null &
        pids+=($!)
    done
    for i in "${pids[@]}"; do wait "$i" || MISSING=1; done
    printf '# 20 pods at once: %d ms until the last one runs, %s run\n' $(((${EPOCHREALTIME/./} - begin) / 1000)) \
        "$(av list --format json | jq '[.[] | select(.status == "running")] | length')"
    for ((i = 0; i < 20; i++)); do pss "p$i"; done | awk '{ s += $1 } END { print "# memory of each: " int(s / NR) " MiB" }'
    for ((i = 0; i < 20; i++)); do av delete --force "p$i"; done
}

facts
for name in "${names[@]}"; do
    declare -F "bench_$name" > /dev/null || { echo "network.sh: no figure '$name'" >&2; exit 2; }
    "bench_$name"
done
exit "$MISSING"
