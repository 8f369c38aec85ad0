#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Which class a bundle gets, what config check finds, and what explain and create --dry-run tell.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: policy.sh BACKEND}"
ETC=$WORK/etc
b=$(bundle b "$(sh_args 'grep -E " /(var/)?tmp " /proc/mounts; cat /proc/cmdline; sleep 1000')")

# policy TEXT: the rest of a configuration that has this test's hypervisor and size
policy() {
    printf 'version: 1\nplugins_dir: plugins.d\ndefaults:\n  hypervisor: [%s]\n  vm: {memory: 256MiB, vcpus: 1}\n%s\n' \
        "$BACKEND" "$1" > "$ETC/policy.yaml"
}
with() {
    av --config "$ETC/policy.yaml" "$@"
}
# explained BUNDLE FILTER: what explain says of it in JSON
explained() {
    with explain --format json "$1" 2> /dev/null | jq -r "$2"
}
# variant NAME FILTER: a copy of the bundle's configuration, changed; the root file system is b's
variant() {
    mkdir "$WORK/b/$1"
    jq --arg r "$b/rootfs" ".root.path=\$r | $2" "$b/config.json" > "$WORK/b/$1/config.json"
    printf '%s\n' "$WORK/b/$1"
}

# --- facts that a bundle and its engine give
policy 'classes:
  - {name: by-name, match: {runtime: "anyvisor-*"}}
  - {name: by-cgroup, match: {cgroup: "/kubepods/*"}}
  - {name: by-mount, match: {mounts: [{destination: /data, type: bind, options: ro}]}}
  - {name: by-platform, match: {platform: "*/s390x"}}
  - {name: by-pod, match: {any: [{pod_name: "web-*"}, {image: "*/web:*"}], not: {pod_namespace: kube-*}}}
  - {name: wanted, selectable: true}
  - {name: hidden, match: {user: "4711"}}'
same "no rule: default" default "$(explained "$b" .class)"
ln -s "$AV" "$WORK/anyvisor-fast"
same "the name that an engine calls" by-name \
    "$("$WORK/anyvisor-fast" --config "$ETC/policy.yaml" explain --format json "$b" | jq -r .class)"
same "cgroup" by-cgroup "$(explained "$(variant cg '.linux.cgroupsPath="/kubepods/x/y"')" .class)"
mount='{destination:"/data",type:"bind",source:"/usr",options:["rbind","ro"]}'
same "mount" by-mount "$(explained "$(variant mnt ".mounts+=[$mount]")" .class)"
same "platform of the image" by-platform \
    "$(explained "$(variant plat '.annotations={"org.opencontainers.image.architecture":"s390x"}')" .class)"
cri='"io.kubernetes.cri.sandbox-name":"web-1","io.kubernetes.cri.sandbox-namespace"'
same "any and not" "by-pod default" "$(explained "$(variant pod1 ".annotations={$cri:\"a\"}")" .class) $(
    explained "$(variant pod2 ".annotations={$cri:\"kube-system\"}")" .class)"
want=$(variant want '.annotations={"org.anyvisor.class":"wanted"}')
same "a selectable class is asked for" wanted "$(explained "$want" .class)"
check "another one is refused" 1 "'hidden', which is not selectable" \
    with explain "$(variant hid '.annotations={"org.anyvisor.class":"hidden"}')"
same "--class asks no rule" "hidden --class: classes[6] 'hidden'" \
    "$(with --class hidden explain --format json "$want" | jq -r '"\(.class) \(.rule)"' | sed 's/ (.*//')"
check "--class of a typing mistake" 1 "no class 'hiden' .* did you mean 'hidden'" \
    with --class hiden create --bundle "$b" p0

# --- what a workload may set itself
policy 'annotations: {allow: [{key: org.anyvisor.vm.memory, max: 1GiB}]}
classes: [{name: none, match: {user: "7"}, annotations: {allow: []}}]'
more='.annotations={"org.anyvisor.vm.memory":"512MiB","org.anyvisor.vm.vcpus":"3"}'
same "what is allowed counts, the rest is noted" "536870912 1 true" "$(explained "$(variant more "$more")" \
    '"\(.vm.memory) \(.vm.vcpus) \(.notes|join(" ")|contains("vm.vcpus is not in annotations.allow"))"')"
check "out of bounds is refused" 1 "'2GiB' is more than the 1073741824" \
    with create --bundle "$(variant much "${more/512MiB/2GiB}")" p1
same "a class may allow nothing" 268435456 \
    "$(explained "$(variant seven "$more | .process.user.uid=7")" .vm.memory)"

# --- drop-ins
mkdir "$ETC/conf.d"
policy 'classes: [{name: rest, match: {user: "*"}}]'
printf 'version: 1\nclasses: [{name: root, match: {user: "0"}}]\n' > "$ETC/conf.d/20-root.yaml"
printf 'version: 1\ndefaults: {vm: {memory: 320MiB}}\n' > "$ETC/conf.d/10-size.yaml"
same "a drop-in replaces a key and brings its class first" "root 335544320 1" \
    "$(explained "$b" '"\(.class) \(.vm.memory) \(.vm.vcpus)"')"
check "config check tells who replaces what" 0 \
    "note: .*conf.d/10-size.yaml:2:17: key 'defaults.vm.memory' replaces that of .*policy.yaml:5:8" \
    with config check
printf 'version: 1\nclases: []\n' > "$ETC/conf.d/30-bad.yaml"
check "a mistake in a drop-in has its place" 1 "30-bad.yaml:2:1: unknown key 'clases', did you mean 'classes'" \
    with create --bundle "$b" p2
rm -r "$ETC/conf.d"

# --- config check
policy 'classes:
  - {name: all, match: {image: "*"}}
  - {name: late, match: {image: busybox}}
  - {name: never, match: {user: "0", not: {user: "0"}}}
annotations: {allow: [org.anyvisor.vm.memroy]}'
check "a shadowed class" 1 "policy.yaml:8:5: class 'late' is never chosen: class 'all' .*:7\)" with config check
check "conditions that exclude each other" 1 "policy.yaml:9:5: class 'never': no workload can match" \
    with config check
check "a bound that fits nothing" 1 "policy.yaml:10:23: .*'org.anyvisor.vm.memroy', did you mean 'org.anyvisor.vm.memory'" \
    with config check
printf 'name: gone\nlibrary: gone.so\narch: x86_64\n' > "$ETC/plugins.d/gone.yaml"
policy ''
check "a plug-in that is not there is a note" 0 "note: .*gone.yaml: .*gone.so" with config check
policy 'classes: [{name: needs, selectable: true, hypervisor: [gone]}]'
check "until a class needs it" 1 "class 'needs': none of its hypervisors can be loaded: .*gone.so" with config check
same "config check --format json" "false 1 true" "$(with config check --format json |
    jq -r '"\(.ok) \(.problems|length) \(.notes[0]|contains("gone.so"))"')"
rm "$ETC/plugins.d/gone.yaml"
policy 'classes:
  - {name: disk, match: {user: "1"}, volumes: [{destination: /d, source: "nbd://x/", options: ["szie=1GiB"]}]}
  - {name: nfs, match: {user: "2"}, volumes: [{destination: /d, source: "nfs://x/y", options: ["tmeo=9"]}]}'
check "an option of a volume" 1 "policy.yaml:7:5: class 'disk': volume for '/d': option 'szie=1GiB': unknown, did you mean 'size='" with config check
check "an option of an NFS volume" 1 "policy.yaml:8:5: class 'nfs': volume for '/d': option 'tmeo=9' is not one" with config check

# --- calls of real engines, as recorded: their words, and the bundles they came with
calls=$HERE/../data/calls
# recorded NAME [FILTER]: the bundle of that call, changed, with all that it names; sets WORDS, with --dry-run
recorded() {
    local word previous='' dir config source
    WORDS=()
    while read -r word; do
        case $previous in
        --bundle) dir=$word ;;
        --root) word=$ROOT ;;
        create) WORDS+=(--dry-run) ;;
        esac
        case $word in /*) mkdir -p "${word%/*}" ;; esac
        WORDS+=("$word")
        previous=$word
    done < <(sed "s|/E/|$WORK/e/|" "$calls/$1.argv")
    config=$dir/config.json
    mkdir -p "$dir/rootfs"
    sed "s|/E/|$WORK/e/|g" "$calls/$1.config.json" | jq "${2:-.}" > "$config"
    for source in "$(jq -r .root.path "$config")" $(jq -r '.mounts[] | select(.options[]? | endswith("bind")) | .source' "$config"); do
        case $source in
        rootfs) ;;
        */merged | */shm | */vol) mkdir -p "$source" ;;
        *) mkdir -p "${source%/*}" && touch "$source" ;;
        esac
    done
}
# planned NAME [FILTER]: what the dry run of that call tells
planned() {
    recorded "$@"
    with "${WORDS[@]}" --format json
}
policy 'classes:
  - {name: pod, match: {pod_namespace: tests, pod_name: "web-*", cgroup: /engine/*}, vm: {memory: auto, vcpus: auto}}
  - {name: podman, match: {annotations: {io.container.manager: libpod, team: red}, mounts: [{source: "*/vol", options: ro}]},
     vm: {memory: auto, vcpus: auto}}
  - {name: any, match: {user: "1000", cgroup: /engine/*, not: {pod_name: "*"}}, vm: {memory: auto, vcpus: auto}}
  - {name: rest, match: {user: "0"}}'
told='"\(.class) \(.vm.memory / 1048576) \(.vm.vcpus)"'
same "the call of podman: class, MiB, CPUs" "podman 258 2" "$(planned podman-run | jq -r "$told")"
same "of podman for a pod" "rest 256 1" "$(planned podman-pod-infra | jq -r "$told")"
same "of docker" "any 258 2" "$(planned docker-run | jq -r "$told")"
same "of ctr" "rest 256 1" "$(planned ctr-run | jq -r "$told")"
same "of containerd's CRI for a pod" "pod 258 2" "$(planned cri-sandbox | jq -r "$told")"

# --- the plan, and nothing else
# Only QEMU has such an option.
model=$([ "$(of_backend .hypervisor)" != qemu ] || echo ', security_model: none')
policy "$(printf 'classes:
  - name: tuned
    match: {user: "0"}
    storage: {9pfs: {msize: 64KiB, cache: loose%s}, tmp: {kind: tmpfs, size: 8MiB}}
    vm: {kernel_args: loglevel=3}
    annotations: {allow: [{key: "*.kernel_args", values: [debug=*]}]}' "$model")"
same "explain shows the plan" "65536 loose quiet panic=-1 loglevel=3 $b/rootfs" "$(explained "$b" \
    '"\(.plan.share.msize) \(.plan.share.cache) \(.plan.cmdline) \(.plan.mounts[0].source)"')"
check "in words, too" 0 '^  /tmp +tmpfs +rw,nosuid,nodev,mode=1777,size=8388608' with explain "$b"
check "create --dry-run" 0 '^class: +tuned' with create --dry-run --bundle "$b" --pid-file "$WORK/pid" d1
same "create --dry-run --format json" "tuned $BACKEND tmpfs" "$(with create --dry-run --format json --bundle "$b" d1 |
    jq -r '"\(.class) \(.hypervisor) \(.plan.mounts[]|select(.destination=="/var/tmp").kind)"')"
check "it refuses what create refuses: the id" 1 "a/b" with create --dry-run --bundle "$b" a/b
check "the terminal" 1 "console socket" \
    with create --dry-run --bundle "$b" --console-socket "$WORK/none" d1
check "the plan" 1 "/no/such/source" \
    with create --dry-run --bundle "$(variant bad '.mounts+=[{destination:"/x",type:"bind",source:"/no/such/source"}]')" d1
same "it leaves nothing" "" \
    "$(find "$ROOT" "$WORK/pid" -mindepth 1 -maxdepth 1 ! -name '.*' 2> /dev/null)$(find "$WORK" -name pid)"

# --- the same in a VM
wish=$(variant wish "$(sh_args 'grep -E " /(var/)?tmp " /proc/mounts; cat /proc/cmdline; grep " 9p " /proc/mounts; exec sleep 1000') |
    .annotations={\"org.anyvisor.vm.kernel_args\":\"debug=off\"}")
# Xen is asked for first: of what it needs nothing is loaded where it cannot be used.
sed -i "s/hypervisor: .*/hypervisor: [xen, $BACKEND]/" "$ETC/policy.yaml"
export LD_DEBUG=libs LD_DEBUG_OUTPUT=$WORK/ld
with create --bundle "$wish" c1 > "$WORK/out" 2>&1 < /dev/null
same "create" 0 $?
unset LD_DEBUG LD_DEBUG_OUTPUT
loaded() { sed -n 's/.*calling init: //p' "$WORK"/ld.* | grep -oE "$1" | sort -u | tr '\n' ' '; }
same "create, its probes and its monitor load the back-end" "$BACKEND.so " "$(loaded "[^/]*/?$BACKEND.so" | grep -oE '[^/]*$')"
others=$([ "$BACKEND" = kvm-libvirt ] && echo xen || echo 'xen|virt')
same "and no library of another one" "" "$(loaded "backends/[^/]*.so|lib($others)[^/]*" | sed "s|backends/$BACKEND.so ||")"
check "explain tells why not" 0 "xen.*this host has no '/proc/xen'" with explain "$wish"
with start c1
seen() { grep -q "$1" "$WORK/out"; }
check "/tmp is a tmpfs" 0 '' until_ok 20 seen '^tmpfs /tmp tmpfs .*size=8192k'
check "/var/tmp, too" 0 '' seen '^tmpfs /var/tmp tmpfs '
if [ -n "$model" ]; then
    check "the class's kernel arguments, then the workload's" 0 '' until_ok 20 seen 'loglevel=3 debug=off'
    check "the share has the class's options" 0 '' until_ok 20 seen '^share / 9p .*,loose,.*msize=65536'
    check "and its security model" 0 'security_model=none' cat "/proc/$(vmm_of c1)/cmdline"
else
    skip "kernel arguments and share options" "they are QEMU's"
fi
# What a pod's second container is called with, of c1 in place of the pod.
pid=$(av state c1 | jq .pid)
member=".linux.namespaces |= map(if .path then .path = \"/proc/$pid/ns/\" + (.path | split(\"/\") | last) else . end) |
    .annotations |= with_entries(if .key | test(\"SandboxID|sandbox-id\") then .value = \"c1\" else . end)"
for name in podman-pod-member podman-kube-member cri-member; do
    recorded $name "$member"
    check "the call of $name tells whose VM it joins" 0 "^joins: +the VM of container 'c1' \(class tuned, hypervisor $BACKEND\)" \
        with "${WORDS[@]}"
done
with delete --force c1
finish
