#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# CRI-O's calls, replayed, with the real conmon: no Debian has CRI-O. A pod with pinned namespaces, its
# annotations, synchronous and streaming exec (in the foreground, with a terminal of ours), update,
# pause, signals by name, stop, and the exit status through conmon's file.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/integration/engines/daemons.sh
. "$(dirname "$0")/daemons.sh"
command -v conmon > /dev/null || skip_all "conmon is not installed"
own_namespaces "$@"
setup "${1:?usage: crio.sh BACKEND}"
clones
mkdir -p "$WORK/exits" "$WORK/ns"
touch "$WORK"/ns/{net,ipc,uts}
unshare --net="$WORK/ns/net" --ipc="$WORK/ns/ipc" --uts="$WORK/ns/uts" true
trap 'rc=$?; umount "$WORK"/ns/* 2> /dev/null; (exit $rc); leave' EXIT
CG=/av-test-${WORK##*.}/p

# pod_bundle ID sandbox|container FILTER: as CRI-O writes it
pod_bundle() {
    bundle "$1" ".linux.cgroupsPath=\"$CG/crio-$1\" | .linux.namespaces=[{type:\"pid\"}, {type:\"mount\"},
        {type:\"network\",path:\"$WORK/ns/net\"}, {type:\"ipc\",path:\"$WORK/ns/ipc\"},
        {type:\"uts\",path:\"$WORK/ns/uts\"}] | del(.hostname) | .annotations={
        \"io.container.manager\": \"cri-o\", \"io.kubernetes.cri-o.ContainerType\": \"$2\",
        \"io.kubernetes.cri-o.SandboxID\": \"pod\", \"io.kubernetes.cri-o.RuntimeHandler\": \"anyvisor\",
        \"io.kubernetes.pod.name\": \"web\", \"io.kubernetes.pod.namespace\": \"tests\"} | $3"
}
# conmon_call ID WORD...: conmon as CRI-O starts it; what it reports is in $WORK/ID.sync
conmon_call() {
    local id=$1
    shift
    # Like CRI-O, which waits for the end of the pipe: conmon stays until then.
    _OCI_SYNCPIPE=9 timeout -k 5 "$LIMIT" conmon -c "$id" -n "k8s_$id" -r "$AV" --log-level info \
        --runtime-arg "--root=$ROOT" --socket-dir-path "$WORK" "$@" 9> "$WORK/$id.sync" < /dev/null
}
created() {     # created ID BUNDLE
    conmon_call "$1" -b "$2" --persist-dir "$2" --exit-dir "$WORK/exits" -l "$WORK/$1.log" -u "$1" \
        -P "$WORK/$1.conmon" -p "$2/pidfile" && until_ok 60 grep -q pid "$WORK/$1.sync" &&
        [ "$(jq .pid < "$WORK/$1.sync")" -gt 0 ]
}
exit_file() { cat "$WORK/exits/$1"; }
state_is() { [ "$(av state "$1" | jq -r .status)" = "$2" ]; }
process() {     # process NAME TERMINAL SCRIPT: a process file of a container's
    jq --arg s "$3" ".process | .args=[\"sh\",\"-c\",\$s] | .terminal=$2" "$WORK/b/a/config.json" > "$WORK/$1.json"
    printf '%s\n' "$WORK/$1.json"
}

check "features, asked when CRI-O starts" 0 '"ociVersionMin"' av features
b=$(pod_bundle pod sandbox '.process.args=["sleep","100000"] | .hostname="podhost"')
check "the sandbox is created" 0 '' created pod "$b"
check "start" 0 '' av start pod
check "state is what CRI-O parses" 0 '^running [0-9]+ pod$' jq -r '"\(.status) \(.pid) \(.id)"' <(av state pod)
a=$(pod_bundle a container "$(sh_args 'echo says; trap "exit 7" TERM; while :; do sleep 0.1; done') |
    .linux.resources.memory.limit=67108864")
check "a container of the pod" 0 '' created a "$a"
check "its start" 0 '' av start a
same "one VM" 1 "$(find "$ROOT" -name monitor | wc -l)"
same "the pod's host name" podhost "$(av exec a hostname)"
check "its log, as conmon writes it for Kubernetes" 0 '' until_ok 10 grep 'stdout F says' "$WORK/a.log"

# Synchronous exec: conmon --exec; the status comes over the pipe.
sync_exec() {
    conmon_call a -e -u exec --exec-process-spec "$1" -l "$WORK/exec.log" -p "$WORK/exec.pid" -b "$a" \
        --persist-dir "$a" && until_ok 20 grep -q 'exit_code\|data' "$WORK/a.sync"
    cat "$WORK/a.sync"
}
check "exec, synchronous: the status" 0 '"(exit_code|data)": *5' sync_exec "$(process s false 'echo out; exit 5')"
check "and what it said" 0 'stdout F out' cat "$WORK/exec.log"

# Streaming exec: in the foreground, no --console-socket, no --tty; the file says whether it is a terminal.
same "exec, streaming: stdin and stdout" "in out" \
    "$(echo in | av exec --process "$(process f false 'read x; echo $x out')" a)"
check "its status" 3 'err' av exec --process "$(process g false 'echo err >&2; exit 3')" a
INPUT='exit 4\n' WAIT=pts check "with a terminal" 4 '/dev/pts' "$HERE/on_terminal.py" fg \
    "$AV" --root "$ROOT" exec --process "$(process t true 'tty; exec sh')" a
RESIZE=33x99 INPUT='\n' WAIT=pts check "which is resized by SIGWINCH" 0 'size is 33 99' "$HERE/on_terminal.py" fg \
    "$AV" --root "$ROOT" exec --process "$(process w true 'tty; until [ "$(stty size)" = "33 99" ]; do sleep 0.1; done
        echo size is $(stty size)')" a

# Port-forward: CRI-O enters the pod's namespace, whose loopback CNI has set up, and connects there itself;
# older ones have socat do so in the namespace of the sandbox's process.
with_forwards() {
    nsenter --net="$WORK/ns/net" ip link set lo up
    av exec --detach a httpd -f -p 8080 -h /etc > /dev/null 2>&1
    check "port-forward, by the namespace" 0 '^nobody' until_ok_print 20 \
        nsenter --net="$WORK/ns/net" busybox wget -q -O - http://127.0.0.1:8080/passwd
    check "port-forward, by the process" 0 '^nobody' \
        nsenter -t "$(av state pod | jq .pid)" -n busybox wget -q -O - http://127.0.0.1:8080/passwd
}
if can_forward; then with_forwards; else skip "port-forward" "the kernel takes no BPF program that looks up sockets"; fi

echo '{"memory": {"limit": 50331648}, "cpu": {"shares": 512}}' > "$WORK/resources"
update() { av update --resources - a < "$WORK/resources"; }
check "update" 0 '' update
check "pause" 0 '' av pause a
check "paused" 0 '' state_is a paused
check "resume" 0 '' av resume a
check "stop: a signal by its name" 0 '' av kill a TERM
check "its exit is in conmon's file" 0 '' until_ok 20 exit_file a
same "with the trap's status" 7 "$(exit_file a)"
check "stopped" 0 '' state_is a stopped
check "kill --all of a stopped one" 0 '' av kill -a a 9
check "delete --force" 0 '' av delete --force a
check "the sandbox lives" 0 '' state_is pod running
check "stop of the sandbox" 0 '' av kill pod KILL
check "its exit is told" 0 '' until_ok 20 exit_file pod
same "killed" 137 "$(exit_file pod)"
check "delete of the sandbox" 0 '' av delete --force pod
check "delete of what is gone" 0 '' av delete --force pod
umount "$WORK"/ns/*
finish
