# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# daemons.sh - containerd and dockerd for one test: in the test's own mount and network namespaces,
# on unix sockets below WORK, ended by their process ids. Sourced after lib.sh's setup, with disks.sh:
#
#     daemons_setup            # folder $E with a wrapper $E/anyvisor that has the configuration
#     containerd_start && dockerd_start
#     ... checks ...
#     daemons_stop; finish

# The daemons' mounts, links and firewall rules stay in namespaces of the test.
own_namespaces() {
    [ -z "${ENGINE_NS:-}" ] || return 0
    ENGINE_NS=1 exec unshare -m -n --propagation private -- "$0" "$@"
}

# containerd finds no statistics, with any runtime, when a v1 hierarchy of the kernel is not mounted,
# and another test may have made one in its own namespace: mount what there is, in ours.
mount_hierarchies() {
    local number names dir
    grep -qv '^0:' /proc/self/cgroup || return 0    # cgroup v2 only
    mount -t tmpfs -o mode=755 cgroups /sys/fs/cgroup
    while IFS=: read -r number names _; do
        dir=/sys/fs/cgroup/${names#name=}
        case $number:$names in
        0:) mkdir /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified ;;
        *:name=*) mkdir "$dir" && mount -t cgroup -o "none,$names" cgroup "$dir" ;;
        *) mkdir "$dir" && mount -t cgroup -o "$names" cgroup "$dir" ;;
        esac
    done < /proc/self/cgroup
}

daemons_setup() {
    E=$WORK/e
    PARENT=av-test-${WORK##*.}      # of the containers' cgroups: leftover_cgroups looks for it
    DAEMONS=()
    mkdir -p "$E"/{containerd,docker/home} /run/containerd
    mount -t tmpfs -o mode=711 shims /run/containerd    # where shims put their sockets
    mount --make-rshared /                              # docker asks for it before :rslave
    ip link set lo up
    mount_hierarchies
    cat > "$E/anyvisor" <<X
#!/bin/sh
ANYVISOR_CONFIG=$ANYVISOR_CONFIG exec $AV "\$@"
X
    chmod +x "$E/anyvisor"
    disks_setup "$E/anyvisor"
}

# cni_setup BRIDGE SUBNET [KEYS [PLUGIN]]: a bridge network of the test's own for the CRI plug-in, with
# more keys of the bridge plug-in and another plug-in behind it. cni_done after daemons_stop.
cni_setup() {
    local dir
    for dir in /run/netns /var/lib/cni; do
        mkdir -p "$dir" && mount -t tmpfs cri "$dir"
    done
    mkdir -p "$E/cni"
    cat > "$E/cni/10-test.conflist" <<X
{"cniVersion": "0.4.0", "name": "test", "plugins": [{"type": "bridge", "bridge": "$1", "isGateway": true,
 ${3:+$3, }"ipam": {"type": "host-local", "subnet": "$2", "dataDir": "$E/ipam"}}${4:+, $4}]}
X
}

cni_done() {
    umount /run/netns /var/lib/cni
}

# daemon NAME CMD...: started in the background, its words in $E/NAME.log.
daemon() {
    local name=$1
    shift
    setsid "$@" > "$E/$name.log" 2>&1 < /dev/null &
    DAEMONS+=($!)
}

containerd_start() {
    cat > "$E/containerd/config.toml" <<X
version = 2
root = "$E/containerd/root"
state = "$E/containerd/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "$E/containerd/sock"
[ttrpc]
  address = "$E/containerd/sock.ttrpc"
X
    daemon containerd containerd -c "$E/containerd/config.toml"
    until_ok 60 ct version || { tail "$E/containerd.log"; return 1; }
}

# The same with the CRI plug-in; $1: the file with the runtime handler, to be merged.
containerd_cri_start() {
    cat > "$E/containerd/config.toml" <<X
version = 2
root = "$E/containerd/root"
state = "$E/containerd/state"
[grpc]
  address = "$E/containerd/sock"
[ttrpc]
  address = "$E/containerd/sock.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:test"
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$E/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    default_runtime_name = "anyvisor"
$(grep -v '^version' "$1")
X
    daemon containerd containerd -c "$E/containerd/config.toml"
    until_ok 60 kct version || { tail "$E/containerd.log"; return 1; }
}

ct() {
    timeout --foreground -k 10 "$LIMIT" ctr -a "$E/containerd/sock" -n "$PARENT" "$@"
}

# The CRI's namespace.
kct() {
    timeout --foreground -k 10 "$LIMIT" ctr -a "$E/containerd/sock" -n k8s.io "$@"
}

# $1: more of dockerd's options
# shellcheck disable=SC2120
dockerd_start() {
    daemon dockerd dockerd -H "unix://$E/docker/sock" --data-root "$E/docker/data" \
        --exec-root "$E/docker/exec" --pidfile "$E/docker/pid" --containerd "$E/containerd/sock" \
        --add-runtime "anyvisor=$E/anyvisor" --add-runtime "disk=$E/anyvisor-disk" --default-runtime anyvisor \
        --cgroup-parent "/$PARENT" --storage-driver overlay2 "$@"
    until_ok 60 dk version || { tail "$E/dockerd.log"; return 1; }
}

# Debian's client, also where another one comes first in PATH.
dk() {
    HOME=$E/docker/home timeout --foreground -k 10 "$LIMIT" \
        "$DOCKER" -H "unix://$E/docker/sock" "$@"
}

# dk or ct as a program, for tools that want one.
as_program() {
    cat > "$E/$1" <<X
#!/bin/bash
E=$E LIMIT=$LIMIT DOCKER=${DOCKER:-} PARENT=$PARENT
$(declare -f "$1")
$1 "\$@"
X
    chmod +x "$E/$1"
    printf '%s\n' "$E/$1"
}

# An image as docker save would write it, for both engines: busybox_image FILE NAME [COMMAND, JSON]
busybox_image() {
    local dir=$WORK/image id
    mkdir -p "$dir/layer"
    tar -C "$WORK/rootfs" -cf "$dir/layer/layer.tar" .
    id=$(sha256sum < "$dir/layer/layer.tar")
    jq -n --arg id "sha256:${id%% *}" --argjson cmd "${3:-[\"/bin/sh\"]}" '{architecture: "amd64", os: "linux",
        config: {Cmd: $cmd, Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]},
        rootfs: {type: "layers", diff_ids: [$id]}}' > "$dir/config.json"
    jq -n --arg name "$2" '[{Config: "config.json", RepoTags: [$name], Layers: ["layer/layer.tar"]}]' \
        > "$dir/manifest.json"
    tar -C "$dir" -cf "$1" manifest.json config.json layer
    rm -rf "$dir"
}

no_shims() {
    ! leftover_processes | grep -q containerd-shim
}

# What engines leave by design: the parent of the containers' cgroups.
remove_parents() {
    find /sys/fs/cgroup -depth -type d -path "*/$PARENT*" -exec rmdir {} + 2>/dev/null
}

# Newest first: dockerd needs its containerd to stop.
daemons_stop() {
    local i
    same "no shim is left" "" "$(until_ok 20 no_shims || leftover_processes)"
    for ((i = ${#DAEMONS[@]} - 1; i >= 0; i--)); do
        kill "${DAEMONS[i]}" && wait "${DAEMONS[i]}"
    done 2> /dev/null
    umount -R "$E/docker/data" "$E/docker/exec" "$E/containerd" 2> /dev/null
    remove_parents
}
