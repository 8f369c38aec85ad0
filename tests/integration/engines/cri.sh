#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's containerd through its CRI plug-in, with the shipped runtime handler and our shim, as the
# kubelet would: a pod of two containers in one VM, exec probes, logs, statistics, restart, removal.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/integration/engines/daemons.sh
. "$(dirname "$0")/daemons.sh"
# shellcheck source=tests/integration/engines/disks.sh
. "$(dirname "$0")/disks.sh"
HANDLER=$(realpath "$HERE/../../configs/containerd-anyvisor.toml")
CLIENT=$HERE/engines/cri.py
for tool in ctr containerd; do
    command -v "$tool" > /dev/null || skip_all "$tool is not installed"
done
[ -x /usr/lib/cni/bridge ] || skip_all "the CNI plug-ins are not installed"
/usr/bin/python3 -c 'import grpc' 2> /dev/null || skip_all "python3-grpcio is not installed"
[ -x "$AV_BUILD/bin/containerd-shim-anyvisor-v2" ] || skip_all "the shim is not built"
own_namespaces "$@"
setup "${1:?usage: cri.sh BACKEND}"
clones
export PATH=$AV_BUILD/bin:$PATH ANYVISOR_ROOT=$ROOT
daemons_setup
cni_setup av0 10.88.77.0/24
mkdir -p "$E/logs"
containerd_cri_start "$HANDLER" || exit 1
ROOT=$ROOT/k8s.io                       # the namespace of the CRI
I=localhost/busybox:test
busybox_image "$WORK/busybox.tar" "$I"
busybox_image "$WORK/pause.tar" localhost/pause:test '["sleep", "100000"]'
check "import" 0 "$I" kct images import "$WORK/busybox.tar"
check "import of the pause image" 0 pause kct images import "$WORK/pause.tar"

cri() { timeout --foreground -k 10 "$LIMIT" "$CLIENT" "$E/containerd/sock" "$@"; }
field() { cri "$1" "$2" | jq -r "$3"; }         # METHOD REQUEST JQ: one value of the answer
pod_config() {
    jq -cn --arg n "$1" --arg logs "$E/logs" --arg parent "/$PARENT/$1" '{metadata: {name: $n, uid: $n,
        namespace: "tests"}, hostname: "podhost", log_directory: $logs,
        annotations: {"org.anyvisor.note": "x"}, linux: {cgroup_parent: $parent}}'
}
# container POD NAME SCRIPT [JQ]: creates and starts it, prints its id
container() {
    local id
    id=$(field CreateContainer "$(jq -cn --arg pod "$1" --arg n "$2" --arg s "$3" --arg i "$I" \
        --argjson p "$POD" '{pod_sandbox_id: $pod, sandbox_config: $p, config: ({metadata: {name: $n},
        image: {image: $i}, command: ["sh", "-c", $s], log_path: ($n + ".log")} | '"${4:-.}"')}')" \
        .container_id) && cri StartContainer "{\"container_id\": \"$id\"}" > /dev/null && echo "$id"
}
exec_sync() {
    cri ExecSync "$(jq -cn --arg c "$1" '{container_id: $c, timeout: 20, cmd: $ARGS.positional}' --args -- "${@:2}")"
}
says() { exec_sync "$@" | jq -j .stdout; }
state_of() { field ContainerStatus "{\"container_id\": \"$1\"}" '"\(.status.state // 0) \(.status.exit_code // 0)"'; }
is_in_state() { [ "$(state_of "$1")" = "$2" ]; }
logs() { cut -d' ' -f2- "$E/logs/$1.log"; }

check "the CRI answers" 0 containerd cri Version
POD=$(pod_config p1)
pod=$(field RunPodSandbox "{\"config\": $POD, \"runtime_handler\": \"anyvisor\"}" .pod_sandbox_id)
[ -n "$pod" ]
result "a pod's sandbox" $? "$(tail -3 "$E/containerd.log")"
[ -n "$pod" ] || exit 1
check "it is ready, with its handler and an address" 0 'anyvisor 10\.88\.77' \
    field PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\"}" '.status | "\(.runtime_handler) \(.network.ip)"'
mkdir "$WORK/shared"
SHARED=".mounts=[{container_path: \"/shared\", host_path: \"$WORK/shared\"}]"
mkdir "$WORK/shared/in" && head -c 300000 /dev/urandom > "$WORK/shared/in/file"
init=$(container "$pod" init 'echo made > /shared/init' "$SHARED")
check "an init container ends by itself" 0 '' until_ok 20 is_in_state "$init" "2 0"
# As the kubelet asks for it: with processes of its own.
a=$(container "$pod" a 'echo out; echo err >&2; echo from a > /shared/a; exec sleep 1000' \
    "$SHARED | .linux = {security_context: {namespace_options: {pid: 1}}}")
b=$(container "$pod" b 'trap "exit 3" TERM; while :; do sleep 0.1; done' \
    "$SHARED | .linux.resources = {memory_limit_in_bytes: 50331648, cpu_shares: 512}")
same "two containers run" "1 0 1 0" "$(state_of "$a") $(state_of "$b")"
same "one shim serves them" 1 "$(pgrep -fc "containerd-shim-anyvisor-v2 -namespace=k8s.io -id=$pod ")"
same "one VM" "$pod" "$(for d in "$ROOT"/*/; do jq -r .sandbox "$d/state.json"; done | sort -u)"
same "exec tells both streams and the status" "one two 4" "$(exec_sync "$a" sh -c 'echo one; echo two >&2; exit 4' |
    jq -r '"\(.stdout)\(.stderr)\(.exit_code)"' | tr '\n' ' ' | sed 's/ $//')"
check "an exec that takes too long is ended" 1 'DEADLINE' cri ExecSync \
    "{\"container_id\": \"$a\", \"timeout\": 1, \"cmd\": [\"sleep\", \"100\"]}"
same "a volume is the same files" "from a" "$(says "$b" cat /shared/a)"
same "what the init container left" made "$(says "$b" cat /shared/init)"
same "the pod's host name" podhost "$(says "$b" hostname)"
same "logs tell the streams" "stderr F err
stdout F out" "$(logs a | sort)"
check "statistics" 0 '^[1-9][0-9]*$' field ContainerStats "{\"container_id\": \"$a\"}" .stats.cpu.usage_core_nano_seconds.value
if [ "$BACKEND" != fake ]; then         # whose guest has no memory cgroup
    check "memory is the container's own" 0 '^[0-9]{5,7}$' \
        field ContainerStats "{\"container_id\": \"$b\"}" .stats.memory.working_set_bytes.value
    address=$(field PodSandboxStatus "{\"pod_sandbox_id\": \"$pod\"}" .status.network.ip)
    address_in() { says "$1" ip -o -4 addr show eth0 | grep -o '10[0-9.]*' | head -n 1; }
    same "both have the pod's address" "$address $address" "$(address_in "$a") $(address_in "$b")"
    check "which the node reaches" 0 '' busybox ping -c 1 -w 10 "$address"
    check "update" 0 '' cri UpdateContainerResources \
        "{\"container_id\": \"$b\", \"linux\": {\"memory_limit_in_bytes\": 67108864}}"
    same "update reaches the guest" 67108864 "$(says "$b" sh -c 'cat /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/memory.max')"
fi
# --- kubectl debug --target, cp, and the message of a container's end
debug=$(container "$pod" debug 'exec sleep 2000' \
    ".linux = {security_context: {namespace_options: {pid: 3, target_id: \"$a\"}}}")
check "an ephemeral container sees its target's processes" 0 '^sleep 1000 $' says "$debug" sh -c 'tr "\0" " " < /proc/1/cmdline'
check "and its files by them" 0 '^made' says "$debug" cat /proc/1/root/shared/init
tar_of() { kct tasks exec --exec-id "$1" "${@:2}"; }
tar -C "$WORK/shared/in" -c file | tar_of in "$a" tar -x -C /tmp
same "tar into it" "$(sha256sum < "$WORK/shared/in/file")" "$(says "$a" sh -c "sha256sum < /tmp/file")"
same "tar out of it" "$(sha256sum < "$WORK/shared/in/file")" "$(tar_of out "$a" tar -c -C /tmp file | tar -x -O | sha256sum)"
: > "$WORK/message"
last=$(container "$pod" last 'echo bad luck > /dev/termination-log; exit 9' \
    ".mounts=[{container_path: \"/dev/termination-log\", host_path: \"$WORK/message\"}]")
check "a container that fails" 0 '' until_ok 20 is_in_state "$last" "2 9"
same "its termination message" "bad luck" "$(cat "$WORK/message")"
check "stop" 0 '' cri StopContainer "{\"container_id\": \"$b\", \"timeout\": 20}"
same "its own status" "2 3" "$(state_of "$b")"
same "the other one lives" "1 0" "$(state_of "$a")"
check "remove" 0 '' cri RemoveContainer "{\"container_id\": \"$b\"}"
b=$(container "$pod" b 'echo again; exit 0')
check "it is made again, and ends" 0 '' until_ok 20 is_in_state "$b" "2 0"
check "a missing program is told" 1 '/nope' container "$pod" c x '.command=["/nope"]'
check "stop of the pod" 0 '' cri StopPodSandbox "{\"pod_sandbox_id\": \"$pod\"}"
same "the container is killed with it" "2 137" "$(state_of "$a")"
check "removal of the pod" 0 '' cri RemovePodSandbox "{\"pod_sandbox_id\": \"$pod\"}"

if [ "$BACKEND" = fake ]; then          # no question of the VM: one shim, several containers
    POD=$(pod_config p2)
    pod=$(field RunPodSandbox "{\"config\": $POD, \"runtime_handler\": \"anyvisor\"}" .pod_sandbox_id)
    a=$(container "$pod" a 'exec sleep 1000')
    kill -9 "$(pgrep -f "containerd-shim-anyvisor-v2 -namespace=k8s.io -id=$pod ")"
    check "a pod whose shim is killed: its container has ended" 0 '' until_ok 30 is_in_state "$a" "2 255"
    only_containerd() { [ "$(leftover_processes | grep -cv ' containerd -c ')" = 0 ]; }
    check "nothing of it is left" 0 '' until_ok 20 only_containerd
    check "its stop" 0 '' cri StopPodSandbox "{\"pod_sandbox_id\": \"$pod\"}"
    check "its removal" 0 '' cri RemovePodSandbox "{\"pod_sandbox_id\": \"$pod\"}"
fi
same "no container is left in containerd" "" "$(kct containers ls -q)"
ip link del av0
daemons_stop
cni_done
finish
