#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Containers that share a VM: a pod as containerd's CRI makes it, members told by the namespaces
# that they join, crashes, restarts, and every order of their end.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: pod.sh BACKEND}"
clones

# What is said of it holds for the pod alone: a VM that may grow.
cat >> "$WORK/etc/anyvisor.yaml" <<X
classes:
  - {name: grows, match: {annotations: {grows: "yes"}}, template: "off", vm: {vcpus: 1, vcpus_max: 3, memory_max: 640MiB}}
X

LOOP='while :; do sleep 0.1; done'
CG=/av-test-${WORK##*.}/p       # the cgroup that the pod's containers have in common

cri() { # cri sandbox|container ID: the annotations of containerd
    printf '.annotations={"io.kubernetes.cri.container-type":"%s","io.kubernetes.cri.sandbox-id":"%s"}' "$1" "$2"
}
in_pod() {  # in_pod NAME PID [FILTER]: a bundle in the cgroup of the pod, with its namespaces
    rm -rf "${WORK:?}/b/$1"
    bundle "$1" ".linux.cgroupsPath=\"$CG/$1\" | del(.hostname) | .linux.namespaces=[{type:\"pid\"},
        {type:\"mount\"}, {type:\"ipc\",path:\"/proc/$2/ns/ipc\"}, {type:\"uts\",path:\"/proc/$2/ns/uts\"},
        {type:\"network\",path:\"/proc/$2/ns/net\"}] | ${3:-.}"
}
volumes=".mounts |= map(select(.destination != \"/dev/shm\")) + [
    {destination:\"/dev/shm\",type:\"bind\",source:\"$WORK/shm\",options:[\"rbind\",\"rprivate\",\"rw\"]},
    {destination:\"/v\",type:\"bind\",source:\"$WORK/v\",options:[\"rbind\",\"rw\"]}]"
started() { # started ID BUNDLE: create and start, as engines do
    av create --bundle "$2" --pid-file "$WORK/$1.pid" "$1" > "$WORK/$1.out" 2>&1 < /dev/null &&
        av start "$1" > "$WORK/$1.start" 2>&1 < /dev/null
}
mount_shm() {
    mkdir -p "$WORK/shm" "$WORK/v"
    mount -t tmpfs -o size=1m,mode=1777 shm "$WORK/shm"
}
states() {  # states ID...: their states in one line
    local id
    for id in "$@"; do printf '%s ' "$(status_of "$id")"; done
}
mount_shm
trap 'rc=$?; umount "$WORK/shm" 2>/dev/null; (exit $rc); leave' EXIT

# --- a sandbox, an init container, two members
b=$(bundle pod "$(sh_args "$LOOP") | .hostname=\"podname\" | .linux.cgroupsPath=\"$CG/pod\" | $(cri sandbox pod) | .annotations.grows=\"yes\" | $volumes")
check "the sandbox starts" 0 '' started pod "$b"
pod=$(cat "$WORK/pod.pid")
b=$(in_pod init "$pod" "$(sh_args 'echo made > /v/init; exit 6') | $(cri container pod) | $volumes")
check "an init container starts" 0 '' started init "$b"
check "and ends by itself" 0 '' until_ok 20 has_status init stopped
same "which leaves the sandbox alone" running "$(status_of pod)"
check "delete of the init container" 0 '' av delete init
a=$(in_pod a "$pod" "$(sh_args "$LOOP") | $(cri container pod) | $volumes")
check "a member by annotations starts" 0 '' started a "$a"
b=$(in_pod b "$pod" "$(sh_args "$LOOP") | .linux.namespaces[0].path=\"/proc/$pod/ns/pid\" | $volumes")
check "a member by its namespaces starts" 0 '' started b "$b"
same "one VM for all" 1 "$(find "$ROOT" -name monitor | wc -l)"
same "all of them run" "running running running " "$(states pod a b)"

# --- what they share, and what not
ns() { av exec "$1" readlink "/proc/self/ns/$2"; }
for kind in ipc uts net; do
    same "a shares the sandbox's $kind" "$(ns pod $kind)" "$(ns a $kind)"
done
same "b shares the sandbox's processes" "$(ns pod pid)" "$(ns b pid)"
same "a has its own" yes "$([ "$(ns pod pid)" != "$(ns a pid)" ] && echo yes)"
same "a has its own mounts" yes "$([ "$(ns b mnt)" != "$(ns a mnt)" ] && echo yes)"
same "the pod has one host name" podname "$(av exec a hostname)"
same "what the init container left" made "$(av exec b cat /v/init)"
same "a volume's files are the same ones" "$(av exec a stat -c %i /v/init)" "$(av exec b stat -c %i /v/init)"
check "a writes to the volume" 0 '' av exec a sh -c 'echo more >> /v/init'
same "b reads it" "made more" "$(av exec b cat /v/init | xargs)"
same "and the host" "made more" "$(xargs < "$WORK/v/init")"
cp "$AV_BUILD/tests/integration/storage/posix_probe" "$WORK/v/probe"
mkfifo "$WORK/hold"
exec 6<> "$WORK/hold"
av exec a /v/probe lock /v/lock < "$WORK/hold" > "$WORK/locked" 2>&1 6>&- &
holder=$!
check "a locks a file of the volume" 0 '' until_ok 20 grep -q '^locked' "$WORK/locked"
check "b cannot lock it, too" 1 '^refused' av exec b /v/probe lock /v/lock
echo >&6
wait $holder
exec 6>&-
check "when a has let go it can" 0 '^locked' av exec b /v/probe lock /v/lock
check "a writes to /dev/shm" 0 '' av exec a sh -c 'echo shared > /dev/shm/x'
same "b reads it" shared "$(av exec b cat /dev/shm/x)"
same "its size is the host's" 1024 "$(av exec b df -k /dev/shm | awk 'NR == 2 {print $2}')"
check "a is root of its own files" 0 '' av exec a sh -c 'echo own > /own'
check "which b does not have" 1 'No such file' av exec b cat /own
c=$(in_pod c "$pod" "$(sh_args 'exit 4') | $(cri container pod) | .linux.namespaces[4]={type:\"network\"}")
av create --bundle "$c" c > "$WORK/c.out" 2>&1 < /dev/null     # its output is the container's: no pipe
check "exec works before its start" 0 '^early$' av exec c echo early
same "a network of its own is not the pod's" yes "$([ "$(ns pod net)" != "$(ns c net)" ] && echo yes)"
check "and it starts all the same" 0 '' av start c
check "it ends" 0 '' until_ok 20 has_status c stopped
check "delete" 0 '' av delete c

# --- where the host accounts for them
cgroup_of() { sed -n 's/^[0-9]*:[^:]*memory[^:]*://p; s/^0:://p' "/proc/$1/cgroup" | grep -m 1 -F "$CG/"; }
monitor=$(cut -d' ' -f1 "$ROOT/pod/monitor")
same "the VM has a cgroup beside the members" "$CG/anyvisor-pod" "$(cgroup_of "$monitor")"
same "a member's holds its proxy" "$CG/a" "$(cgroup_of "$(cat "$WORK/a.pid")")"
same "and no more" 1 "$(find /sys/fs/cgroup -path "*$CG/a/cgroup.procs" -exec cat {} + | sort -u | wc -l)"

# --- kubectl port-forward: engines connect to the loopback of the pod's namespace on the host
forwarded() {   # forwarded PORT TEXT [BYTES]: its server gets TEXT and an end; how much it says, at most BYTES
    nsenter --net="/proc/$pod/ns/net" python3 - "$@" <<'P'
import errno, socket, sys
port, text, most = int(sys.argv[1]), sys.argv[2], int((sys.argv + ["100000000"])[3])
try:
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        s.sendall(text.encode())
        s.shutdown(socket.SHUT_WR)
        got = 0
        while got < most and (part := s.recv(min(1 << 16, most - got))):
            got += len(part)
        sys.stdout.write(f"{got}\n") # at once, for several of us write here
except OSError as e:    # of the connection, once it is there
    print("refused" if e.errno in (errno.ECONNRESET, errno.EPIPE, errno.ENOTCONN) else e)
P
}
forwards() { [ "$(forwarded "${@:2}")" = "$1" ]; }
nobody_says() { [ -z "$(av exec a pidof yes)" ]; }
with_forwards() {
    local i
    nsenter --net="/proc/$pod/ns/net" ip link set lo up     # as CNI's loopback plug-in does
    same "no server: a client is refused" refused "$(forwarded 8078 x)"
    # shellcheck disable=SC2016 # for that shell
    av exec --detach a nc -ll -p 8078 -e sh -c 'head -c $((5000000 + $(wc -c))) /dev/zero' > /dev/null 2>&1
    check "a server of the pod hears the end of what it gets, and says more" 0 '' until_ok 20 forwards 5000005 8078 hello
    av exec --detach b httpd -f -p '[::1]:8079' -h /v > /dev/null 2>&1
    check "one that listens on IPv6's loopback" 0 '' until_ok 20 forwards 10 8079 $'GET /init HTTP/1.0\r\n\r\n' 10
    av exec --detach a nc -ll -p 8080 -e yes > /dev/null 2>&1
    check "a client that goes before the end" 0 '' until_ok 20 forwards 5000 8080 x 5000
    check "which the server hears" 0 '' until_ok 20 nobody_says
    same "four at once" "5000001 5000001 5000001 5000001" \
        "$(for i in 1 2 3 4; do forwarded 8078 x & done | xargs)"
}
if can_forward; then with_forwards; else skip "port-forward" "the kernel takes no BPF program that looks up sockets"; fi

# --- a VM that is full grows, first for a member, then for a limit
mib() { av exec a awk '/MemTotal/ { print int($2 / 1024) }' /proc/meminfo; }
has_grown() { [ "$(mib)" -gt "$1" ]; }
y=$(in_pod y "$pod" "$(sh_args "$LOOP") | $(cri container pod) | .linux.resources.memory.limit=$((300 << 20))")
with_growth() {
    local before
    before=$(mib)
    check "a member for which the VM is too small starts" 0 '' started y "$y"
    check "the VM has what it needs then" 0 '' until_ok 20 has_grown $((before + 170)) # 300 + 128 + 5 - 256
    check "the limit of another one counts with it" 0 '' av update --memory $((100 << 20)) a
    check "the VM has more again" 0 '' until_ok 20 has_grown $((before + 270))
    check "it does not beyond its largest size" 1 '734003200 bytes is more than the 671088640' av update --memory $((700 << 20)) y
    check "a lower limit leaves it as it is" 0 '' av update --memory $((200 << 20)) y
    check "which the guest keeps" 0 '' has_grown $((before + 270))
    check "delete of the large member" 0 '' av delete --force y
}
# Its VM gets processors by the same way; what the CPU quotas of its containers are together says how many.
cpus() { printf '.linux.resources.cpu={quota:%s,period:100000}' "$1"; }
processors() { av exec a nproc; }
y2=$(in_pod y2 "$pod" "$(sh_args "nproc; $LOOP") | $(cri container pod) | $(cpus 150000)")
with_vcpus() {
    same "the pod has one processor" 1 "$(processors)"
    check "a member with a larger quota starts" 0 '' started y2 "$y2"
    check "and finds two" 0 '' until_ok 20 grep -qx 2 "$WORK/y2.out"
    same "so does one that was there" 2 "$(processors)"
    same "which its state says" 2 "$(jq .vmVcpus "$ROOT/pod/state.json")"
    ANYVISOR_FAULT=cli.vm-grown:fail check "a growth that cannot be written down fails the update" 1 \
        "the VM of container 'pod' has grown: fault cli.vm-grown" av update --cpu-quota 90000 --cpu-period 100000 a
    same "the VM has three then" 3 "$(processors)"
    same "of which the state does not know" 2 "$(jq .vmVcpus "$ROOT/pod/state.json")"
    check "the next one sets that right" 0 '' av update --cpu-quota 90000 --cpu-period 100000 a
    same "in the state as well" "3 3" "$(jq .vmVcpus "$ROOT/pod/state.json") $(processors)"
    check "a quota beyond its largest size is refused" 1 \
        "CPU quota of 3.5 processors is more than the 3 that the VM of container 'pod' can grow to" \
        av update --cpu-quota 350000 --cpu-period 100000 a
    check "a lower one leaves it as it is" 0 '' av update --cpu-quota 50000 --cpu-period 100000 a
    same "three" 3 "$(processors)"
    check "delete of the member" 0 '' av delete --force y2
}
without_vcpus() {
    check "a member with more CPU time than its processors have is refused" 1 \
        "CPU quota of 1.5 processors is more than the 1 .*'pod' has, and it gets no more: back-end '$BACKEND' cannot" \
        av create --bundle "$y2" y2
}
without_growth() {
    check "a member for which the VM is too small is refused" 1 \
        "314572800 bytes is more than the 268435456 .*'pod' has, and it gets no more: back-end '$BACKEND' cannot" \
        av create --bundle "$y" y
    check "so is a limit" 1 "314572800 bytes is more than the 268435456 .*'pod' has, and it" \
        av update --memory $((300 << 20)) a
    check "one that is no larger than the VM is not" 0 '' av update --memory $((200 << 20)) a
}
av backends --format json | jq -c ".backends[] | select(.name == \"$BACKEND\") | .capabilities" > "$WORK/can"
if grep -q '"set-memory"' "$WORK/can"; then with_growth; else without_growth; fi
if grep -q '"set-vcpus"' "$WORK/can"; then with_vcpus; else without_vcpus; fi

# --- what cannot join
x=$(in_pod x "$pod" "$(cri container pod) | .linux.resources.memory.limit=$((3 << 30))")
check "a member beyond the VM's size is refused" 1 "3221225472 bytes is more than the 671088640 .*'pod' can grow to" \
    av create --bundle "$x" x
x=$(in_pod x "$pod" "$(cri container pod) | $(cpus 400000)")
check "one with more CPU time than its processors may have is refused" 1 "4 processors is more than the 3 .*'pod' can grow to" \
    av create --bundle "$x" x
x=$(in_pod x "$pod" "$(cri container nosuch)")
check "so is one of an unknown sandbox" 1 "sandbox 'nosuch' is no container of this runtime" av create --bundle "$x" x
unshare --net --ipc --uts chroot "$WORK/rootfs" sleep 1000 &
foreign=$!
is_inside() { [ "$(readlink "/proc/$foreign/root")" = "$WORK/rootfs" ]; }
until_ok 10 is_inside
x=$(in_pod x $foreign)
check "so is one that joins a container without a VM" 1 '^anyvisor: network.*belongs to a container without a VM' \
    av create --bundle "$x" x
x=$(in_pod x "$pod" ".linux.namespaces[2].path=\"/proc/$foreign/ns/ipc\"")
check "and one that joins two" 1 "ipc namespace '/proc/$foreign/ns/ipc' is not one of the VM of 'pod'" \
    av create --bundle "$x" x
kill $foreign
wait $foreign 2> /dev/null
same "nothing is left of them" "a b pod" "$(av list --quiet | xargs)"

# --- a member that fails to start, at every step of its create
x=$(in_pod x "$pod" "$(cri container pod) | .process.args=[\"/nope\"]")
check "a missing program is told" 1 'exec: "/nope": stat /nope: no such file' av create --bundle "$x" x
x=$(in_pod x "$pod" "$(sh_args "$LOOP") | $(cri container pod)")
# shellcheck disable=SC2013
for p in $(grep -rhoE 'fault_point\("cli\.[a-z.-]+"\)' "$HERE/../../core/cli" | sed 's/.*"\(.*\)".*/\1/' | sort -u); do
    case $p in # there is a monitor and a network already; it has no disks, is not taken from a pool, and asks for nothing
    cli.monitor-spawned | cli.disks | cli.taps | cli.n* | cli.pool-* | cli.vm-grown) continue ;;
    esac
    ANYVISOR_FAULT=$p av create --bundle "$x" x > "$WORK/x.out" 2>&1 < /dev/null
    rc=$?
    same "$p: the create fails" yes "$([ $rc != 0 ] && echo yes)"
    check "$p: delete --force" 0 '' av delete --force x
    check "$p: delete --force again" 0 '' av delete --force x
done
check "then it starts after all" 0 '' started x "$x"
same "and the others still run" "running running running running " "$(states pod a b x)"
check "gc leaves them alone" 0 '^$' av gc
check "delete --force of it" 0 '' av delete --force x

# --- a crash, a restart
check "a is killed" 0 '' av kill a KILL
check "and stops" 0 '' until_ok 20 has_status a stopped
same "alone" "running running " "$(states pod b)"
check "exec into b works" 0 '^b$' av exec b echo b
check "exec into a fails" 255 'stopped' av exec a true
check "a is deleted" 0 '' av delete a
check "a starts again" 0 '' started a "$a"
check "exec into a works again" 0 '^again$' av exec a echo again
check "the volume is still there" 0 '^made' av exec a cat /v/init
kill -9 "$(cat "$WORK/a.pid")"
check "kill -9 of a's proxy ends a" 0 '' until_ok 20 has_status a stopped
same "alone, too" "running running " "$(states pod b)"
check "a is deleted" 0 '' av delete --force a
check "twice" 0 '' av delete --force a
check "a starts once more" 0 '' started a "$a"

# --- two at once
for i in 1 2; do
    x=$(in_pod "x$i" "$pod" "$(sh_args "$LOOP") | $(cri container pod)")
    started "x$i" "$x" &
    jobs[i]=$!
done
wait "${jobs[1]}" && wait "${jobs[2]}"
same "two that start at once both run" "running running " "$(states x1 x2)"
check "one of them is deleted" 0 '' av delete --force x1

# --- the end: in the order that no engine would choose
check "the sandbox is killed" 0 '' av kill pod KILL
check "and stops" 0 '' until_ok 20 has_status pod stopped
for id in a b x2; do
    check "with it $id" 0 '' until_ok 20 has_status $id stopped
done
check "delete of the sandbox first" 0 '' av delete pod
check "then b" 0 '' av delete b
check "then a" 0 '' av delete a
check "then the other" 0 '' av delete x2
same "nothing is listed" "" "$(av list --quiet)"
remove_parent() {   # the sandbox that made it has gone first; with engines it is theirs
    find /sys/fs/cgroup -depth -type d -path "*$CG" -exec rmdir {} +
}
check "what they had in common is empty" 0 '' remove_parent
same "no cgroup is left of it" "" "$(leftover_cgroups)"

# --- others outlive the container whose network they have joined
x=$(bundle owner "$(sh_args "$LOOP") | $volumes")
check "X starts" 0 '' started x "$x"
y=$(in_pod y "$(cat "$WORK/x.pid")" "$(sh_args "$LOOP") | .linux.namespaces |= map(select(.type != \"ipc\" and .type != \"uts\")) | $(cpus 300000) | $volumes")
check "Y joins its network" 0 '' started y "$y"
check "and is told that the VM, which keeps its size, has fewer processors than its quota" 0 \
    "CPU quota of 3 processors is more than the 1 of the VM of container 'x', ignoring" cat "$WORK/y.out"
same "in one VM" 1 "$(find "$ROOT" -name monitor | wc -l)"
z=$(in_pod z "$(cat "$WORK/y.pid")" "$(sh_args "$LOOP")")
check "Z joins Y's namespaces" 0 '' started z "$z"
same "in the same VM" x "$(jq -r .sandbox "$ROOT/z/state.json")"
check "X ends" 0 '' av kill x KILL
check "and stops" 0 '' until_ok 20 has_status x stopped
same "Y and Z run on" "running running " "$(states y z)"
check "exec into Y works" 0 '^y$' av exec y echo y
same "the host sees what Y writes" y "$(av exec y sh -c 'echo y > /v/y'; cat "$WORK/v/y")"
check "delete of X takes the VM with it" 0 '' av delete x
same "Y and Z have stopped" "stopped stopped " "$(states y z)"
check "delete Y" 0 '' av delete y
check "delete Z" 0 '' av delete z

# --- the monitor is killed: all stop, and nothing is left that delete --force or gc does not clean
check "X starts again" 0 '' started x "$x"
y=$(in_pod y "$(cat "$WORK/x.pid")" "$(sh_args "$LOOP")")
check "Y joins it" 0 '' started y "$y"
kill -9 "$(cut -d' ' -f1 "$ROOT/x/monitor")"
check "X stops" 0 '' until_ok 20 has_status x stopped
check "Y stops" 0 '' until_ok 20 has_status y stopped
check "exec says so" 255 'stopped|not running' av exec y true
check "a third one cannot join" 1 'not running|is not one of|No such' av create --bundle "$(in_pod z 1 "$(cri container x)")" z
check "delete --force Y" 0 '' av delete --force y
check "delete --force Y again" 0 '' av delete --force y
check "gc removes X" 0 "removed container 'x'" av gc
check "gc has no more to do" 0 '^$' av gc
check "the parent is empty" 0 '' remove_parent
umount "$WORK/shm"
finish
