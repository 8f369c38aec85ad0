#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Records again what engines ask of a runtime: real podman, docker and containerd (ctr, CRI) run
# containers on the fake back-end, through a wrapper that keeps the words of each `create` and the bundle's
# config.json.
#
#   AV_BUILD=DIR capture.sh FOLDER      # NAME.argv, one word a line, and NAME.config.json
#
# Ids, times and this machine's paths are taken out: /E is the engine's folder. As root.
OUT=$(realpath "${1:?usage: capture.sh FOLDER}")
integration=$(realpath "$(dirname "$0")/../../integration")
# shellcheck source=tests/integration/lib.sh
. "$integration/lib.sh"
# shellcheck source=tests/integration/engines/daemons.sh
. "$integration/engines/daemons.sh"
# shellcheck source=tests/integration/engines/disks.sh
. "$integration/engines/disks.sh"
own_namespaces "$@"
DOCKER=/usr/bin/docker
setup fake
daemons_setup
export RECORD=$WORK/record

# recorder WRAPPER: the same, which keeps each create as the file RECORD says.
recorder() {
    local real=$1.real
    mv "$1" "$real"
    cat > "$1" <<X
#!/bin/bash
create='' bundle=.
for w in "\$@"; do
    [ "\$previous" != --bundle ] && [ "\$previous" != -b ] || bundle=\$w
    [ "\$w" != create ] || create=1
    previous=\$w
done
if [ -n "\$create" ]; then
    printf '%s\n' "\$@" > "$WORK/\$(cat "$RECORD").argv"
    cp "\$bundle/config.json" "$WORK/\$(cat "$RECORD").config.json"
fi
exec "$real" "\$@"
X
    chmod +x "$1"
}

# What differs from run to run has one form; lists of rules and devices keep their first members.
normalise() {
    sed -E "s#$WORK/(e|podman)/#/E/#g; s#$WORK#/E#g; s#$PARENT#engine#g; s#[0-9a-f]{12,64}#0123456789ab#g
        s#/proc/[0-9]+/#/proc/1/#g; s#cni-[0-9a-f-]{36}#cni-1#g; s#overlay/[A-Z0-9]{26}#overlay/L#g
        s#[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z#2026-01-01T00:00:00Z#g" "$1"
}

# recorded NAME CMD...: the last create of the command is kept as NAME.
recorded() {
    local name=$1
    shift
    echo "$name" > "$RECORD"
    "$@" > "$WORK/out" 2>&1 < /dev/null || { echo "capture.sh: $name:"; tail -n 5 "$WORK/out"; }
    [ -s "$WORK/$name.argv" ] || { echo "capture.sh: $name: no create"; return; }
    normalise "$WORK/$name.argv" > "$OUT/$name.argv"
    normalise "$WORK/$name.config.json" | jq -Sc 'if .linux.seccomp then (.linux.seccomp.syscalls |= .[:2] |
        .linux.seccomp.syscalls[].names |= .[:4]) else . end' |
        sed 's/,"\(process\|mounts\|linux\|root\|hooks\|hostname\|ociVersion\)":/,\n"\1":/g' > "$OUT/$name.config.json"
}

LIMITS=(--memory 128m --cpus 1.5)
mkdir -p "$WORK/vol"

podman_calls() {
    local P=$WORK/podman
    mkdir -p "$P"/{root,run,tmp}
    printf '#!/bin/sh\nANYVISOR_CONFIG=%s exec %s --root %s "$@"\n' "$ANYVISOR_CONFIG" "$AV" "$ROOT" > "$P/anyvisor"
    chmod +x "$P/anyvisor"
    recorder "$P/anyvisor"
    echo 'unqualified-search-registries = []' > "$P/registries.conf"
    cat > "$P/containers.conf" <<X
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
[engine]
events_logger = "file"
runtime_supports_json = ["anyvisor"]
[engine.runtimes]
anyvisor = ["$P/anyvisor"]
X
    pm() {
        timeout "$LIMIT" env HOME=/root XDG_RUNTIME_DIR= CONTAINERS_CONF="$P/containers.conf" \
            CONTAINERS_REGISTRIES_CONF="$P/registries.conf" podman --root "$P/root" --runroot "$P/run" \
            --tmpdir "$P/tmp" --storage-driver overlay --cgroup-manager=cgroupfs --runtime anyvisor "$@"
    }
    tar -C "$WORK/rootfs" -cf "$P/busybox.tar" .
    pm import -c 'CMD ["/bin/sh"]' "$P/busybox.tar" localhost/busybox:latest > /dev/null 2>&1
    recorded podman-run pm run --rm --network none --cgroup-parent "/$PARENT" "${LIMITS[@]}" --user 1000 \
        -v "$WORK/vol:/data:ro" --annotation team=red localhost/busybox true
    pm pod create --name web --network none --cgroup-parent "/$PARENT" > /dev/null 2>&1
    recorded podman-pod-infra pm pod start web
    recorded podman-pod-member pm run -d --pod web --name member localhost/busybox sleep 100
    pm pod rm -f -t 0 web > /dev/null 2>&1
    cat > "$P/kube.yaml" <<X
{apiVersion: v1, kind: Pod, metadata: {name: kube-web, namespace: tests, labels: {app: web}, annotations: {team: red}},
 spec: {containers: [{name: worker, image: localhost/busybox:latest, imagePullPolicy: Never, command: [/bin/sleep, "100"]}]}}
X
    recorded podman-kube-member pm kube play --network none "$P/kube.yaml"
    pm kube down "$P/kube.yaml" > /dev/null 2>&1
    umount -R "$P/root/overlay" 2> /dev/null
}

docker_calls() {
    dk load -i "$WORK/busybox.tar" > /dev/null
    recorded docker-run dk run --rm --network none "${LIMITS[@]}" --user 1000 -v "$WORK/vol:/data:ro" busybox:test true
}

ctr_calls() {
    local image=docker.io/library/busybox:test
    ct images import "$WORK/busybox.tar" > /dev/null
    recorded ctr-run ct run --rm --runc-binary "$E/anyvisor" --runc-root "$ROOT" --memory-limit 134217728 \
        --mount "type=bind,src=$WORK/vol,dst=/data,options=rbind:ro" $image c1 true
}

cri() { timeout "$LIMIT" "$integration/engines/cri.py" "$E/containerd/sock" "$@"; }
cri_calls() {
    local pod config
    config=$(jq -cn --arg parent "/$PARENT/p" '{metadata: {name: "web-0", uid: "u", namespace: "tests"}, annotations: {team: "red"},
        linux: {cgroup_parent: $parent, resources: {cpu_period: 100000, cpu_quota: 150000, memory_limit_in_bytes: 134217728}}}')
    kct images import "$WORK/busybox.tar" > /dev/null
    busybox_image "$WORK/pause.tar" localhost/pause:test '["sleep", "100000"]'
    kct images import "$WORK/pause.tar" > /dev/null
    recorded cri-sandbox cri RunPodSandbox "{\"config\": $config, \"runtime_handler\": \"anyvisor\"}"
    pod=$(jq -r .pod_sandbox_id < "$WORK/out")
    cri CreateContainer "$(jq -cn --arg p "$pod" --argjson c "$config" '{pod_sandbox_id: $p, sandbox_config: $c,
        config: {metadata: {name: "worker"}, image: {image: "docker.io/library/busybox:test"}, command: ["sleep", "100"],
        linux: {resources: {memory_limit_in_bytes: 67108864}}}}')" > "$WORK/made"
    recorded cri-member cri StartContainer "$(cat "$WORK/made")"
    cri StopPodSandbox "{\"pod_sandbox_id\": \"$pod\"}" > /dev/null
    cri RemovePodSandbox "{\"pod_sandbox_id\": \"$pod\"}" > /dev/null
}

recorder "$E/anyvisor"
busybox_image "$WORK/busybox.tar" busybox:test
podman_calls
containerd_start && dockerd_start && { docker_calls; ctr_calls; }
daemons_stop > /dev/null
DAEMONS=()
cni_setup av0 10.88.78.0/24
cat > "$E/handler.toml" <<X
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.anyvisor]
  runtime_type = "io.containerd.runc.v2"
  pod_annotations = ["*"]
  container_annotations = ["*"]
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.anyvisor.options]
    BinaryName = "$E/anyvisor"
    Root = "$ROOT"
X
containerd_cri_start "$E/handler.toml" && cri_calls
ip link del av0
daemons_stop > /dev/null
cni_done
finish
