#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's podman with --network none: run, run -d, -it, exec, stop, kill, pause, cp, logs, top,
# stats, healthcheck, restart, attach, rm. podman sees its default (raised) limits: they act in the guest.
if [ -z "${PODMAN_NS:-}" ]; then    # podman's mounts and links stay in namespaces of this test
    PODMAN_NS=1 exec unshare -m -n --propagation private -- "$0" "$@"
fi
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/integration/engines/disks.sh
. "$HERE/engines/disks.sh"
if ! command -v podman > /dev/null; then
    skip_all "podman is not installed"
fi
setup "${1:?usage: podman.sh BACKEND [cgroups]}"
clones
P=$WORK/podman
mkdir -p "$P"/{root,run,tmp}
# podman passes no --root: the wrapper gives this test's, and its configuration.
cat > "$P/anyvisor" <<X
#!/bin/sh
ANYVISOR_CONFIG=$ANYVISOR_CONFIG exec $AV --root $ROOT "\$@"
X
chmod +x "$P/anyvisor"
disks_setup "$P/anyvisor"
echo 'unqualified-search-registries = []' > "$P/registries.conf"
# podman's default limits are above what this machine may set: they hold in a VM, not in the fake.
limits='' nofile=1048576
[ "$BACKEND" != fake ] || limits='default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]' nofile=20000
# Where systemd runs podman keeps its containers' cgroups with it, as it does without being told.
manager=cgroupfs
[ ! -d /run/systemd/system ] || manager=systemd
cat > "$P/containers.conf" <<X
[containers]
$limits
[engine]
cgroup_manager = "$manager"
events_logger = "file"
runtime_supports_json = ["anyvisor", "disk"]
[engine.runtimes]
anyvisor = ["$P/anyvisor"]
disk = ["$P/anyvisor-disk"]
X
pm() {
    timeout --foreground -k 10 "$LIMIT" env HOME=/root XDG_RUNTIME_DIR= CONTAINERS_CONF="$P/containers.conf" \
        CONTAINERS_REGISTRIES_CONF="$P/registries.conf" podman --root "$P/root" --runroot "$P/run" \
        --tmpdir "$P/tmp" --storage-driver overlay --cgroup-manager=$manager --runtime anyvisor "$@"
}
# podman in a file, for tools that want a program
cat > "$P/pm" <<X
#!/bin/bash
P=$P LIMIT=$LIMIT manager=$manager
$(declare -f pm)
pm "\$@"
X
chmod +x "$P/pm"

has_logged() { pm logs d1 | grep -q '^logged$'; }

tar -C "$WORK/rootfs" -cf "$P/busybox.tar" .
check "import" 0 '' pm import -c 'CMD ["/bin/sh"]' \
    -c 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$P/busybox.tar" localhost/busybox:latest
I=localhost/busybox
N=(--network none)

# What depends on where podman keeps cgroups, without the rest: for the emulated machine of
# tests/rigs/kvm, where each command of podman takes seconds.
scope_of() { systemctl show --value -p ActiveState -p Slice "libpod-$(pm inspect -f '{{.Id}}' "$1").scope" | sort | paste -sd' '; }
cgroups_only() {
    check "run --rm" 5 '^hello$' pm run --rm "${N[@]}" -m 64m --cpus 1 $I sh -c 'echo hello; exit 5'
    check "pod create" 0 '' pm pod create --name pod1 "${N[@]}"
    check "a container of the pod" 0 '' pm run -d --pod pod1 --name p1 $I sleep 1000
    check "a container" 0 '' pm run -d --name d1 "${N[@]}" $I sleep 1000
    if [ $manager = systemd ]; then
        same "it is in podman's scope" "active machine.slice" "$(scope_of d1)"
        check "the pod's is in the pod's slice" 0 '^active machine-libpod_pod_.*\.slice$' scope_of p1
    fi
    check "exec" 0 '^in$' pm exec d1 echo in
    check "exec in the pod" 0 '^in$' pm exec p1 echo in
    check "stats" 0 'd1' pm stats --no-stream d1
    check "update" 0 '' pm update --cpus 0.5 d1
    check "pause" 0 '' pm pause d1
    check "unpause" 0 '' pm unpause d1
    check "kill" 0 '' pm kill d1
    check "rm" 0 '' pm rm -f -t 0 d1
    check "pod rm" 0 '' pm pod rm -f -t 0 pod1
    [ $manager = cgroupfs ] ||
        same "no scope of podman's is left" "" "$(systemctl list-units --all --plain --no-legend 'libpod-*.scope' 'anyvisor-*.scope')"
    umount -R "$P/root/overlay" 2> /dev/null
    finish
}
[ "${2:-}" != cgroups ] || cgroups_only

check "run --rm" 0 '^hello$' pm run --rm "${N[@]}" $I echo hello
check "exit status" 5 '' pm run --rm "${N[@]}" $I sh -c 'exit 5'
check "missing program is 127" 127 'nope' pm run --rm "${N[@]}" $I /nope
check "no permission is 126" 126 'denied' pm run --rm "${N[@]}" $I /etc/passwd
same "run -i passes stdin" piped "$(echo piped | pm run -i --rm "${N[@]}" $I cat)"
WAIT=pts INPUT='exit 3\n' check "run -it" 3 '/dev/pts/0' "$HERE/on_terminal.py" fg "$P/pm" run -it --rm "${N[@]}" $I sh -c 'tty; exec sh'

check "run -d" 0 '' pm run -d --name d1 --health-cmd true --health-interval disable "${N[@]}" $I \
    sh -c 'trap "exit 7" TERM; echo logged; while :; do sleep 0.1; done'
check "logs" 0 '' until_ok 20 has_logged
check "exec" 3 '^in$' pm exec d1 sh -c 'echo in; exit 3'
WAIT=pts INPUT='exit 4\n' check "exec -it" 4 '/dev/pts/' "$HERE/on_terminal.py" fg "$P/pm" exec -it d1 sh -c 'tty; exec sh'
check "exec of a missing program is 127" 127 '' pm exec d1 /nope
check "exec -u -w -e" 0 '^65534 /tmp b$' pm exec -u nobody -w /tmp -e A=b d1 sh -c 'echo $(id -u) $PWD $A'
check "default limits hold in the guest" 0 "^$nofile\$" pm exec d1 sh -c 'ulimit -n'
check "top" 0 'sh -c trap .*logged' pm top d1
check "stats" 0 'd1' pm stats --no-stream d1
check "healthcheck" 0 '' pm healthcheck run d1
check "pause" 0 '' pm pause d1
check "unpause" 0 '' pm unpause d1
check "cp in" 0 '' pm cp "$P/registries.conf" d1:/tmp/r
check "cp in is seen inside" 0 'unqualified' pm exec d1 cat /tmp/r
check "cp out" 0 '' pm cp d1:/etc/passwd "$P/passwd"
same "cp out is the file" "$(cat "$WORK/rootfs/etc/passwd")" "$(cat "$P/passwd")"
check "kill -s CHLD" 0 '' pm kill -s CHLD d1
check "update" 0 '' pm update --memory 100m --cpus 0.5 d1
check "stop" 0 '' pm stop -t 20 d1
check "wait gives the trap's status" 0 '^7$' pm wait d1
check "start again" 0 '' pm start d1
check "restart" 0 '' pm restart -t 1 d1
check "exec after restart" 0 '' pm exec d1 true
check "kill" 0 '' pm kill d1
check "rm -f" 0 '' pm rm -f -t 0 d1
check "run -d -i" 0 '' pm run -d -i --name d2 "${N[@]}" $I sh -c 'read l; echo got $l; exit 6'
echo word | pm attach d2 > "$WORK/attached"
same "attach passes stdin and stdout" "got word" "$(cat "$WORK/attached")"
check "wait gives the status after it" 0 '^6$' pm wait d2   # podman 4.3's attach does not
check "rm" 0 '' pm rm d2
mkdir -p "$P/v"
check "limits, mounts, user, groups, init" 0 'uid=1000.*groups=.*44' pm run --rm "${N[@]}" -m 64m --cpus 1 \
    --cpuset-cpus 0 --pids-limit 100 --read-only --tmpfs /tt -v "$P/v:/v" --hostname hh -u 1000:1000 --group-add 44 \
    -w /tmp -e X=1 --ulimit nofile=100:200 --ulimit nproc=1000:1000 $I id
check "a user namespace" 0 '100000 +65536' pm run --rm "${N[@]}" --uidmap 0:100000:65536 $I cat /proc/self/uid_map
if [ "$BACKEND" = fake ]; then
    skip "--privileged" "this host's bounding set lacks a capability it needs"
else
    check "--privileged" 0 'CapEff:.*1ff' pm run --rm "${N[@]}" --privileged $I grep CapEff /proc/self/status
fi
check "a volume" 0 '' pm run --rm "${N[@]}" -v "$P/v:/v" $I sh -c 'echo v > /v/f'
same "its file is on the host" v "$(cat "$P/v/f")"
# A pod: podman builds its infra image of Debian's catatonit. And a container that joins another's VM.
monitors() { find "$ROOT" -name monitor | wc -l; }
inside() { pm exec "$1" sh -c "$2"; }
L='trap "exit 7" TERM; while :; do sleep 0.1; done'
check "pod create" 0 '' pm pod create --name pod1 "${N[@]}"
check "a container of the pod" 0 '' pm run -d --pod pod1 --name p1 -v "$P/v:/v" $I sh -c "$L"
check "another one" 0 '' pm run -d --pod pod1 --name p2 -v "$P/v:/v" $I sh -c "$L"
same "one VM for the pod" 1 "$(monitors)"
for ns in net ipc uts; do
    same "pod: shared $ns" "$(inside p1 "readlink /proc/self/ns/$ns")" "$(inside p2 "readlink /proc/self/ns/$ns")"
done
check "pod: /dev/shm" 0 '^x$' sh -c "'$P/pm' exec p1 sh -c 'echo x > /dev/shm/x' && '$P/pm' exec p2 cat /dev/shm/x"
check "pod: localhost" 0 '^over lo$' sh -c "'$P/pm' exec -d p1 sh -c 'echo over lo | nc -l -p 7000'
    for i in 1 2 3 4 5 6 7 8 9; do '$P/pm' exec p2 nc 127.0.0.1 7000 < /dev/null && exit 0; done; exit 1"
check "pod: restart of one" 0 '' pm restart -t 1 p1
check "pod: exec after it" 0 '^v$' pm exec p1 cat /v/f
check "pod: stop one, the other stays" 0 'p2' sh -c "'$P/pm' stop -t 5 p1 && '$P/pm' exec p2 echo p2"
check "pod: start it again" 0 '' pm start p1
check "pod: run --rm in it" 3 '' pm run --rm --pod pod1 $I sh -c 'exit 3'
check "pod stop" 0 '' pm pod stop -t 5 pod1
check "pod start" 0 '' pm pod start pod1
check "pod: exec after it" 0 '^again$' pm exec p2 echo again
check "pod rm" 0 '' pm pod rm -f -t 0 pod1
same "no VM is left of it" 0 "$(monitors)"
check "X" 0 '' pm run -d --name x1 "${N[@]}" $I sh -c "$L"
check "Y joins X" 0 '' pm run -d --name y1 --network container:x1 --ipc container:x1 --pid container:x1 $I sh -c "$L"
same "in one VM" 1 "$(monitors)"
check "Y sees X's processes" 0 '^2$' pm exec y1 sh -c 'ps | grep -c "[s]h -c trap"'
check "run --rm --network container:X" 0 '^joined$' pm run --rm --network container:x1 $I echo joined
check "rm Y" 0 '' pm rm -f -t 0 y1
check "rm X" 0 '' pm rm -f -t 0 x1
cat > "$P/pod.yaml" <<X
{apiVersion: v1, kind: Pod, metadata: {name: kp}, spec: {containers: [
  {name: a, image: "$I:latest", command: [/bin/sleep, "1000"]},
  {name: b, image: "$I:latest", command: [/bin/sh, -c, "echo kube-b; sleep 1000"]}]}}
X
kube_logged() { pm logs kp-b | grep -q '^kube-b$'; }
check "play kube" 0 '' pm play kube --network none "$P/pod.yaml"
check "play kube: logs" 0 '' until_ok 20 kube_logged
same "play kube: one VM" 1 "$(monitors)"
check "play kube --down" 0 '' pm play kube --down "$P/pod.yaml"
on_disks() {
    local round
    check "on disks: run -d" 0 '' pm --runtime disk run -d --name k1 "${N[@]}" -v "$DISK_IMAGE:/data" $I sh -c "$DISK_SCRIPT"
    disks_seen 1 pm logs k1
    check "on disks: exec" 0 '^2$' pm exec k1 sh -c 'echo x >> /root/new; wc -l < /root/new'
    check "on disks: cp sees the image's files" 0 '' pm cp k1:/etc/layer "$P/layer"
    same "with what is in them" image "$(cat "$P/layer")"
    check "on disks: stop" 0 '' pm stop -t 30 k1
    check "wait gives the trap's status" 0 '^7$' pm wait k1
    check "on disks: start again" 0 '' pm start k1
    disks_seen 2 pm logs --tail 3 k1
    check "on disks: rm -f" 0 '' pm rm -f -t 30 k1
    disks_kept
}
! disks_possible || on_disks
same "no container is left in podman" "" "$(pm ps -aq)"
umount -R "$P/root/overlay" 2> /dev/null
finish
