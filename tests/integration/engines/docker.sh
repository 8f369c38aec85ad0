#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's docker on its own containerd: run, exec, attach, top, stats, pause, update, cp, logs,
# stop, restart, kill, health, volumes, users, limits. --privileged and raised limits act in the
# guest. The networks are in network.sh.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/integration/engines/daemons.sh
. "$(dirname "$0")/daemons.sh"
# shellcheck source=tests/integration/engines/disks.sh
. "$HERE/engines/disks.sh"
DOCKER=/usr/bin/docker
for tool in "$DOCKER" dockerd containerd; do
    command -v "$tool" > /dev/null || skip_all "$tool is not installed"
done
own_namespaces "$@"
setup "${1:?usage: docker.sh BACKEND}"
clones
daemons_setup
containerd_start && dockerd_start || exit 1
ROOT=$E/docker/exec/runtime-runc/moby   # where dockerd's shim keeps our state
DK=$(as_program dk)
I=busybox:test
N=(--network none)
R=(run --rm "${N[@]}")
busybox_image "$WORK/busybox.tar" $I
check "load" 0 "$I" dk load -i "$WORK/busybox.tar"

has_logged() { dk logs "$1" | grep -q "^$2\$"; }
inspect() { dk inspect -f "{{$2}}" "$1"; }
is() { [ "$(inspect "$1" "$2")" = "$3" ]; }
on_tty() { INPUT=$1 WAIT=pts "$HERE/on_terminal.py" fg "$DK" "${@:2}"; }

check "run" 0 '^hello$' dk "${R[@]}" $I echo hello
check "exit status" 5 '' dk "${R[@]}" $I sh -c 'exit 5'
check "missing program is 127" 127 'nope' dk "${R[@]}" $I /nope
check "no permission is 126" 126 'denied' dk "${R[@]}" $I /etc/passwd
same "run -i passes stdin" piped "$(echo piped | dk "${R[@]}" -i $I cat)"
check "run -it" 3 '/dev/pts/0' on_tty 'exit 3\n' "${R[@]}" -it $I sh -c 'tty; exec sh'

# One container through everything that happens to a running one.
check "run -d" 0 '' dk run -d --name s1 "${N[@]}" $I \
    sh -c 'trap "exit 7" TERM; echo logged; while :; do sleep 0.1; done'
check "logs" 0 '' until_ok 20 has_logged s1 logged
check "exec" 3 '^in$' dk exec s1 sh -c 'echo in; exit 3'
check "exec -it" 4 '/dev/pts/' on_tty 'exit 4\n' exec -it s1 sh -c 'tty; exec sh'
check "exec of a missing program is 126" 126 'nope' dk exec s1 /nope
check "exec -u -w -e" 0 '^65534 /tmp b$' dk exec -u nobody -w /tmp -e A=b s1 sh -c 'echo $(id -u) $PWD $A'
check "exec -d" 0 '' dk exec -d s1 sleep 1234
check "top shows the container's process" 0 'sh -c trap .*logged' dk top s1
check "top shows an exec" 0 'sleep 1234' dk top s1
check "stats" 0 's1' dk stats --no-stream s1
check "pause" 0 '' dk pause s1
same "it is paused" paused "$(inspect s1 .State.Status)"
check "unpause" 0 '' dk unpause s1
check "update" 0 '' dk update --memory 100m --memory-swap 200m --cpus 0.5 --pids-limit 50 s1
check "cp in" 0 '' dk cp "$WORK/etc/anyvisor.yaml" s1:/tmp/y
check "cp in is seen inside" 0 'hypervisor' dk exec s1 cat /tmp/y
check "cp out" 0 '' dk cp s1:/etc/passwd "$WORK/passwd"
same "cp out is the file" "$(cat "$WORK/rootfs/etc/passwd")" "$(cat "$WORK/passwd")"
check "stop" 0 '' dk stop -t 20 s1
same "stop lets the trap end it" 7 "$(inspect s1 .State.ExitCode)"
check "start again" 0 '' dk start s1
check "restart" 0 '' dk restart -t 1 s1
check "exec after restart" 0 '' dk exec s1 true
check "kill" 0 '' dk kill s1
check "kill ends it" 0 '' until_ok 20 is s1 .State.ExitCode 137
check "rm" 0 '' dk rm s1

check "a healthy container" 0 '' dk run -d --name s2 -i "${N[@]}" --health-cmd true \
    --health-interval 1s $I sh -c 'read l; echo got $l; exit 6'
check "health" 0 '' until_ok 30 is s2 .State.Health.Status healthy
# stdin stays open until the end: docker stops showing output when it closes.
{ echo word; until_ok 30 is s2 .State.Status exited; } | dk attach s2 > "$WORK/attached"
same "attach gives the exit status" 6 "${PIPESTATUS[1]}"
same "attach passes stdin and stdout" "got word" "$(cat "$WORK/attached")"
check "rm -f" 0 '' dk rm -f s2

# What a container may be given.
mkdir -p "$WORK/v"
check "a volume" 0 '' dk "${R[@]}" -v "$WORK/v:/v" $I sh -c 'echo v > /v/f'
same "its file is on the host" v "$(cat "$WORK/v/f")"
check "user, groups, limits, caps, shm, tmpfs, read-only, init" 0 '^1000 .*44.* 100 ro shm:65536k tmpfs' \
    dk "${R[@]}" -u 1000:1000 --group-add 44 --ulimit nofile=100:200 --cap-add NET_ADMIN --shm-size 64m \
    --tmpfs /tt --read-only --init -m 64m --cpus 1 --pids-limit 100 -v "$WORK/v:/v:ro" $I sh -c '
        touch /x 2>/dev/null && ro=rw || ro=ro
        shm=$(grep " /dev/shm " /proc/mounts | grep -o "size=[0-9]*k"); t=$(grep " /tt " /proc/mounts | cut -d" " -f3)
        echo $(id -u) $(id -G) $(ulimit -n) $ro shm:${shm#size=} $t'
check "--init is the first process" 0 'init' dk "${R[@]}" --init $I cat /proc/1/comm
check "a bridge" 0 'up' dk run --rm $I echo up
if [ "$BACKEND" = fake ]; then
    skip "--privileged and raised limits" "this host's bounding set lacks a capability they need"
else
    check "--privileged" 0 'CapEff:.*3fffffffff$' dk "${R[@]}" --privileged $I grep CapEff /proc/self/status
    check "limits above the host's" 0 '^1048576$' dk "${R[@]}" --ulimit nofile=1048576:1048576 $I sh -c 'ulimit -n'
fi
check "--runtime names us" 0 '^r$' dk "${R[@]}" --runtime anyvisor $I echo r
# Docker's containers that join another's namespaces are in its VM.
vms() { find "$ROOT" -name monitor | wc -l; }
check "X" 0 '' dk run -d --name x1 --ipc shareable "${N[@]}" $I sleep 1001
check "Y joins X's namespaces" 0 '' dk run -d --name y1 --network container:x1 --ipc container:x1 --pid container:x1 \
    $I sleep 1002
same "in one VM" 1 "$(vms)"
check "Y sees X's processes" 0 '^2$' dk exec y1 sh -c 'ps | grep -c "[s]leep 100[12]"'
check "and its /dev/shm" 0 '^x$' sh -c "'$DK' exec x1 sh -c 'echo x > /dev/shm/x' && '$DK' exec y1 cat /dev/shm/x"
check "rm -f Y" 0 '' dk rm -f y1
check "X lives on" 0 '^x$' dk exec x1 echo x
check "rm -f X" 0 '' dk rm -f x1
on_disks() {
    check "on disks: run -d" 0 '' dk run -d --name k1 --runtime disk "${N[@]}" -v "$DISK_IMAGE:/data" $I sh -c "$DISK_SCRIPT"
    disks_seen 1 dk logs k1
    check "on disks: exec" 0 '^2$' dk exec k1 sh -c 'echo x >> /root/new; wc -l < /root/new'
    check "on disks: stop" 0 '' dk stop -t 30 k1
    same "stop lets the trap end it" 7 "$(inspect k1 .State.ExitCode)"
    check "on disks: start again" 0 '' dk start k1
    disks_seen 2 dk logs --tail 3 k1
    check "on disks: stop again" 0 '' dk stop -t 30 k1
    check "on disks: rm" 0 '' dk rm k1
    disks_kept
}
! disks_possible || on_disks
same "no container is left in docker" "" "$(dk ps -aq)"
daemons_stop
finish
