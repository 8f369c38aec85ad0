#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's containerd with ctr: run, exec, attach, ps, metrics, pause, kill of a container and of an
# exec by its pid, rm.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/integration/engines/daemons.sh
. "$(dirname "$0")/daemons.sh"
# shellcheck source=tests/integration/engines/disks.sh
. "$HERE/engines/disks.sh"
for tool in ctr containerd; do
    command -v "$tool" > /dev/null || skip_all "$tool is not installed"
done
own_namespaces "$@"
setup "${1:?usage: ctr.sh BACKEND}"
clones
daemons_setup
containerd_start || exit 1
CT=$(as_program ct)
I=docker.io/library/busybox:test
B=(--runc-binary "$E/anyvisor" --runc-root "$ROOT")
ROOT=$ROOT/$PARENT                      # the shim puts the namespace's name below --runc-root
busybox_image "$WORK/busybox.tar" busybox:test
check "import" 0 "$I" ct images import "$WORK/busybox.tar"

on_tty() { INPUT=$1 WAIT=pts "$HERE/on_terminal.py" fg "$CT" "${@:2}"; }
task_is() { ct task ls | grep -q "^$1 .*$2"; }
guest_runs() { ct task exec --exec-id "look$RANDOM" "$1" ps | grep -q "$2"; }
guest_lacks() { ! guest_runs "$@"; }

check "run" 0 '^hello$' ct run --rm "${B[@]}" $I c1 echo hello
check "exit status" 5 '' ct run --rm "${B[@]}" $I c2 sh -c 'exit 5'
check "missing program" 1 'exec: "/nope": stat /nope: no such file' ct run --rm "${B[@]}" $I c3 /nope
# One line, not the end of the file: ctr loses an end that comes before the task runs, also with runc.
same "run passes stdin" piped "$(echo piped | ct run --rm "${B[@]}" $I c4 sh -c 'read l; echo $l')"
check "run -t" 3 '/dev/pts/0' on_tty 'exit 3\n' run --rm -t "${B[@]}" $I c5 sh -c 'tty; exec sh'
mkdir -p "$WORK/v"
check "mounts, environment, limits" 0 '^0 b /tmp v ' ct run --rm "${B[@]}" --memory-limit 67108864 \
    --env A=b --cwd /tmp --mount "type=bind,src=$WORK/v,dst=/v,options=rbind:rw" $I c6 \
    sh -c 'echo $(id -u) $A $PWD $(ls / | grep "^v$") here'
# containerd asks for all capabilities that it has itself.
check "--privileged" 0 "$(grep CapEff /proc/self/status)" ct run --rm "${B[@]}" --privileged $I c7 grep CapEff /proc/self/status

check "run -d" 0 '' ct run -d "${B[@]}" $I d1 sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done'
check "exec" 4 '^in$' ct task exec --exec-id e1 d1 sh -c 'echo in; exit 4'
check "exec -t" 4 '/dev/pts/' on_tty 'exit 4\n' task exec -t --exec-id e2 d1 sh -c 'tty; exec sh'
check "exec of a missing program" 1 'nope' ct task exec --exec-id e3 d1 /nope
check "ps" 0 '^[0-9]+' ct task ps d1
check "metrics" 0 'memory' ct task metrics d1
check "pause" 0 '' ct task pause d1
check "it is paused" 0 '' task_is d1 PAUSED
check "resume" 0 '' ct task resume d1
check "exec -d" 0 '' ct task exec -d --exec-id e4 d1 sleep 1234
check "the exec runs" 0 '' until_ok 10 guest_runs d1 'sleep 1234'
check "kill of an exec, by its pid" 0 '' ct task kill -s KILL --exec-id e4 d1
check "it is gone in the guest" 0 '' until_ok 10 guest_lacks d1 'sleep 1234'
check "kill" 0 '' ct task kill -s TERM d1
check "kill ends it" 0 '' until_ok 20 task_is d1 STOPPED
check "task rm gives the trap's status" 0 'exit code 7' ct task rm d1
check "container rm" 0 '' ct containers rm d1

check "run -d of a program that ends" 0 '' ct run -d "${B[@]}" $I d2 sh -c 'sleep 1; exit 6'
check "attach ends as the task does" 6 '' ct task attach d2
check "run -d of a program that stays" 0 '' ct run -d "${B[@]}" $I d3 sleep 100
check "task rm -f" 0 'exit code 137' ct task rm -f d3
check "container rm of both" 0 '' ct containers rm d2 d3
on_disks() {
    local logs=$WORK/k1.log
    run_on_disks() { ct run -d --runc-binary "$E/anyvisor-disk" --runc-root "${ROOT%/*}" --log-uri "file://$logs" \
        --mount "type=bind,src=$DISK_IMAGE,dst=/data,options=rbind:rw" $I k1 sh -c "$DISK_SCRIPT"; }
    for round in 1 2; do
        : > "$logs"
        check "on disks: run -d" 0 '' run_on_disks
        disks_seen $round cat "$logs"
        check "on disks: exec" 0 '^2$' ct task exec --exec-id e1 k1 sh -c 'echo x >> /root/new; wc -l < /root/new'
        check "on disks: kill" 0 '' ct task kill -s TERM k1
        check "kill ends it" 0 '' until_ok 30 task_is k1 STOPPED
        check "task rm gives the trap's status" 0 'exit code 7' ct task rm k1
        check "on disks: container rm" 0 '' ct containers rm k1
    done
    disks_kept
}
! disks_possible || on_disks
same "no container is left in containerd" "" "$(ct containers ls -q)"
daemons_stop
finish
