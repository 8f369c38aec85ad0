#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# OpenStack Zun's two drivers (docs/openstack.md): the calls that its docker driver makes, through the
# client library that it uses, and those of its cri driver, with its requests.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/integration/engines/daemons.sh
. "$(dirname "$0")/daemons.sh"
# shellcheck source=tests/integration/engines/disks.sh
. "$HERE/engines/disks.sh"
HANDLER=$(realpath "$HERE/../../configs/containerd-anyvisor.toml")
DOCKER=/usr/bin/docker
for tool in "$DOCKER" dockerd containerd ctr; do
    command -v "$tool" > /dev/null || skip_all "$tool is not installed"
done
/usr/bin/python3 -c 'import docker, grpc' 2> /dev/null ||
    skip_all "python3-docker and python3-grpcio are not installed"
[ -x /usr/lib/cni/bridge ] || skip_all "the CNI plug-ins are not installed"
[ -x "$AV_BUILD/bin/containerd-shim-anyvisor-v2" ] || skip_all "the shim is not built"
own_namespaces "$@"
setup "${1:?usage: zun.sh BACKEND}"
export PATH=$AV_BUILD/bin:$PATH ANYVISOR_ROOT=$ROOT
daemons_setup
cni_setup zun0 10.88.78.0/24
containerd_cri_start "$HANDLER" || exit 1
dockerd_start || exit 1
I=localhost/busybox:test
busybox_image "$WORK/busybox.tar" "$I"
busybox_image "$WORK/pause.tar" localhost/pause:test '["sleep", "100000"]'

# ---- the docker driver: container_runtime = anyvisor

check "load" 0 "$I" dk load -i "$WORK/busybox.tar"
docker_calls=$(timeout -k 10 300 /usr/bin/python3 "$HERE/engines/zun.py" "$E/docker/sock" "$I" anyvisor "/$PARENT" 2>&1)
result "the docker driver's calls" $? "$docker_calls"
echo "$docker_calls"

# ---- the cri driver: the handler's name goes into RunPodSandbox, the rest as Zun fills it in

check "import" 0 "$I" kct images import "$WORK/busybox.tar"
check "import of the pause image" 0 pause kct images import "$WORK/pause.tar"
cri() {
    CRI_PACKAGE=runtime.v1alpha2 timeout --foreground -k 10 "$LIMIT" "$HERE/engines/cri.py" "$E/containerd/sock" "$@"
}
uuid=$(cat /proc/sys/kernel/random/uuid)
# Zun names no cgroup; ours keeps the test's cgroups together.
capsule=$(jq -cn --arg u "$uuid" --arg parent "/$PARENT/zun" \
    '{metadata: {name: $u, namespace: "default", uid: $u}, linux: {cgroup_parent: $parent}}')
pod=$(cri RunPodSandbox "{\"config\": $capsule, \"runtime_handler\": \"anyvisor\"}" | jq -r .pod_sandbox_id)
[ -n "$pod" ]
result "a capsule's sandbox" $? "$(tail -3 "$E/containerd.log")"
request=$(jq -cn --arg pod "$pod" --arg i "$I" --argjson s "$capsule" '{pod_sandbox_id: $pod, sandbox_config: $s,
    config: {metadata: {name: "c"}, image: {image: $i}, tty: 0, stdin: 0,
        args: ["sh", "-c", "echo $A; exec sleep 1000"], envs: [{key: "A", value: "b"}], working_dir: "/tmp",
        linux: {security_context: {privileged: 0}, resources: {cpu_shares: 512, memory_limit_in_bytes: 100663296}}}}')
id=$(cri CreateContainer "$request" | jq -r .container_id)
check "its container starts" 0 '' cri StartContainer "{\"container_id\": \"$id\"}"
same "it is listed as running" "$pod 1" "$(cri ListContainers "{\"filter\": {\"id\": \"$id\"}}" |
    jq -r '.containers[0] | "\(.pod_sandbox_id) \(.state)"')"
check "in a VM of ours" 0 "^$pod\$" jq -r .sandbox "$ROOT/k8s.io/$id/state.json"
check "the capsule is deleted: stop" 0 '' cri StopPodSandbox "{\"pod_sandbox_id\": \"$pod\"}"
check "and removal" 0 '' cri RemovePodSandbox "{\"pod_sandbox_id\": \"$pod\"}"
ip link del zun0
ROOT=$ROOT/k8s.io
daemons_stop
cni_done
finish
