#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A container of another architecture in a VM of that architecture: arch.sh ARCH. One VM; busybox is
# Debian's package for ARCH, so what answers is a program of ARCH on a kernel of ARCH, and the agent
# talks across the byte order.
arch=${1:?usage: arch.sh ARCH}
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

no() { echo "# SKIP $*"; exit 77; }
guest=$AV_BUILD/share/anyvisor/guest/$arch
[ -f "$guest/manifest.json" ] || no "no guest image for $arch: build the target guest-image-$arch"
[ "$(uname -m)" != "$arch" ] || no "this machine is $arch itself: the other tests are about it"
setup "kvm-$arch"
LIMIT=240
far_rootfs "$arch" || { result "busybox for $arch" 1; exit 1; }
! "$WORK/rootfs/bin/busybox" true 2>/dev/null ||
    no "this machine executes programs of $arch (binfmt_misc): nothing would be proved"

token=SCMP_ARCH_${arch^^}
if [ "$arch" = s390x ]; then order=0001; else order=0100; fi # of a number's two bytes 0, 1
mkdir "$WORK/vol"
proto=$AV_BUILD/guest/$arch/test_proto
[ ! -x "$proto" ] || cp "$proto" "$WORK/vol/"
echo from-host > "$WORK/vol/f"
for i in $(seq 20000); do echo "$i some line of text"; done > "$WORK/text"
NS=avt-${WORK##*.}     # a network of two namespaces: the sandbox's and a server's
network() {
    command -v ip > /dev/null && ip netns add "$NS" && ip netns add "$NS-s" &&
        ip -n "$NS-s" link add srv type veth peer name eth0 netns "$NS" &&
        ip -n "$NS-s" addr add 10.99.0.1/24 dev srv && ip -n "$NS-s" link set srv up &&
        ip -n "$NS" addr add 10.99.0.2/24 dev eth0 && ip -n "$NS" addr add fd99::2/64 dev eth0 nodad &&
        ip -n "$NS" link set eth0 up && ip -n "$NS" route add default via 10.99.0.1 metric 5
}
trap 'rc=$?; ip netns pids "$NS-s" 2>/dev/null | xargs -r kill; ip netns del "$NS-s" 2>/dev/null; ip netns del "$NS" 2>/dev/null
    (exit $rc); leave' EXIT
if network; then ns_path=/run/netns/$NS; else ns_path=; fi
b=$(bundle b "$(sh_args 'while :; do sleep 0.1; done')
  | if \"$ns_path\" == \"\" then . else (.linux.namespaces[]|select(.type==\"network\")).path=\"$ns_path\" end
  | .annotations={\"org.anyvisor.arch\":\"$arch\"} | .hostname=\"far\"
  | .process.noNewPrivileges=true | .process.user={uid:7,gid:8,additionalGids:[9,10]}
  | .process.capabilities={bounding:[\"CAP_KILL\",\"CAP_CHOWN\"],effective:[\"CAP_KILL\"],permitted:[\"CAP_KILL\"],inheritable:[],ambient:[]}
  | .process.rlimits=[{type:\"RLIMIT_NOFILE\",soft:123,hard:456}]
  | .linux.resources.memory={limit:67108864} | .linux.resources.pids={limit:50}
  | .linux.seccomp={defaultAction:\"SCMP_ACT_ALLOW\",architectures:[\"$token\"],
      syscalls:[{names:[\"mkdir\",\"mkdirat\"],action:\"SCMP_ACT_ERRNO\",errnoRet:95},
        {names:[\"kill\"],action:\"SCMP_ACT_ERRNO\",errnoRet:95,
         args:[{index:1,value:12,op:\"SCMP_CMP_EQ\"}]}]}
  | .mounts += [{destination:\"/vol\",type:\"bind\",source:\"$WORK/vol\",options:[\"rbind\",\"rw\"]}]")
chmod 0777 "$WORK/vol" "$b/rootfs/tmp"

# --- the choice: the default list has this back-end only, the workload's word decides
other=$(bundle other '.')
check "a bundle of this machine's architecture is refused" 1 "its guests are $arch, the workload is $(uname -m)" \
    av run --bundle "$other" x
check "explain names the back-end and the architecture" 0 "kvm-$arch" av explain "$b"

av run --detach --bundle "$b" c > "$WORK/log" 2>&1 < /dev/null
same "the container runs" running "$(status_of c)"
[ ! -s "$WORK/log" ] || sed 's/^/    /' "$WORK/log"
x() { av exec c "$@" < /dev/null; }

check "uname -m" 0 "^$arch\$" x uname -m
check "the kernel is the guest's" 0 "^$(guest_release "$arch")\$" x uname -r
check "the byte order is the architecture's" 0 "^0000000 $order\$" x sh -c "printf '\\000\\001' | od -x | head -n 1"
check "exit status" 37 '' x sh -c 'exit 37'
check "a signal's exit status" 137 '' x sh -c 'kill -9 $$'
check "hostname" 0 '^far$' x hostname
check "user and groups" 0 '^uid=7 gid=8 groups=9,10$' x sh -c 'echo $(id | sed "s/([^)]*)//g")'
check "bounding set" 0 'CapBnd:.*0000000000000021' x grep CapBnd /proc/1/status
check "no_new_privs" 0 'NoNewPrivs:.*1' x grep NoNewPrivs /proc/1/status
check "open files" 0 'Max open files +123 +456' x grep 'Max open files' /proc/1/limits
check "memory limit" 0 '^67108864$' x cat /sys/fs/cgroup/memory.max
check "number of processes" 0 '^50$' x cat /sys/fs/cgroup/pids.max
check "seccomp is on" 0 'Seccomp:.*2' x grep '^Seccomp:' /proc/1/status
check "seccomp's errno" 1 'not supported' x mkdir /tmp/d
check "seccomp compares an argument: the forbidden one" 1 'not supported' x sh -c 'kill -12 $$'
check "seccomp compares an argument: another one" 0 '^yes$' x sh -c 'kill -0 $$ && echo yes'

check "a volume" 0 '^from-host$' x cat /vol/f
x sh -c 'echo inside > /vol/new'
same "a file that is written appears on the host" inside "$(cat "$WORK/vol/new" 2>/dev/null)"
same "standard input and output carry every byte" "$(md5sum < "$WORK/text")" \
    "$(av exec c cat < "$WORK/text" | md5sum)"
same "standard error is apart" "err" "$(av exec c sh -c 'echo out; echo err >&2' 2>&1 > /dev/null < /dev/null)"
if [ -x "$proto" ]; then
    check "the protocol's unit tests pass in this byte order" 0 '' x /vol/test_proto
else
    skip "the protocol's unit tests" "build the target guest-proto-test-$arch"
fi
check "the device filter refuses what the bundle does not list" 1 'not permitted' \
    av exec --user 0 --cap CAP_MKNOD c sh -c 'mknod /dev/m b 254 0 && exec cat /dev/m'
check "the device filter lets what every container has" 0 '^16$' x sh -c 'head -c 16 /dev/urandom | tee /dev/null | wc -c'
with_network() {
    same "the interface's MAC" "$(ip netns exec "$NS" cat /sys/class/net/eth0/address)" "$(x cat /sys/class/net/eth0/address)"
    check "its address" 0 '10.99.0.2/24' x ip -4 -o addr show eth0
    check "and that of IPv6" 0 'fd99::2/64' x ip -6 -o addr show eth0
    check "a route with its metric" 0 'default via 10.99.0.1 dev eth0 +metric 5' x ip route
    ip netns exec "$NS-s" busybox httpd -p 80 -h "$WORK"
    same "what passes" "$(md5sum < "$WORK/text")" "$(x wget -q -O - http://10.99.0.1/text | md5sum)"
}
if [ -n "$ns_path" ]; then with_network; else skip "the network" "no network namespaces here"; fi
check "ps" 0 'sleep|sh' av ps c
check "stats" 0 '"usage":[1-9]' sh -c 'exec "$@" | tr -d " \n"' sh timeout 60 "$AV" --root "$ROOT" events --stats c
av kill c KILL
until_ok 60 has_status c stopped
same "kill ends it" stopped "$(status_of c)"
check "delete" 0 '' av delete c
ip netns pids "$NS-s" 2> /dev/null | xargs -r kill
finish
