#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of every process of ours, at every fault point of the code and at random moments: one
# sentence, a bounded wait, and nothing left that `delete --force` or `gc` does not remove, twice.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: faults.sh BACKEND}"
SRC=$HERE/../..

b=$(bundle f "$(sh_args 'echo up; while :; do sleep 0.1; done')")

sweep() {   # sweep NAME ID: everything is gone after delete --force and gc, each of them twice
    check "$1: delete --force" 0 '' av delete --force "$2"
    check "$1: delete --force again" 0 '' av delete --force "$2"
    check "$1: gc" 0 '' av gc
    check "$1: gc again" 0 '^$' av gc
    until_ok 10 no_processes_left
    same "$1: no process is left" "" "$(leftover_processes)"
    same "$1: no cgroup is left" "" "$(leftover_cgroups)"
}

# --- at the named points of cli, monitor and proxy
points=$(grep -rhoE 'fault_point\("[a-z.-]+"\)' "$SRC/core" | sed 's/.*"\(.*\)".*/\1/' | sort -u)
same "there are fault points" yes "$([ "$(wc -l <<< "$points")" -ge 8 ] && echo yes)"
for p in $points; do
    # storage/block.sh tries those of storage; template.sh the killed builder of a template;
    # network.sh a NIC too few; pool.sh its own; pod.sh the VM that has grown
    case $p in storage.* | monitor.template-* | *.pool-* | cli.nics-plug* | cli.vm-grown) continue ;; esac
    ANYVISOR_FAULT=$p av run --detach --bundle "$b" "f-$p" > "$WORK/out" 2>&1 < /dev/null
    rc=$?
    case $p in
    *exited* | *delete* | *disks*) ;; # reached only later, by the sweep, or with disks
    *) same "$p: the command fails" yes "$([ $rc != 0 ] && [ $rc != 124 ] && echo yes)" ;;
    esac
    sweep "$p" "f-$p"
done

# --- the agent at its own points, by a kernel argument: what fails says why, once, with its phase
agent_dies_at() {
    local vm='memory: 256MiB, vcpus: 1'
    sed -i "s/^  vm: .*/  vm: {$vm${1:+, kernel_args: anyvisor.fault=$1}}/" "$ANYVISOR_CONFIG"
}
no_monitor() { ! kill -0 "$(cut -d' ' -f1 "$ROOT/$1/monitor")" 2> /dev/null; }
why='the VM has ended \(panic\): .*(pid 1 died|Attempted to kill init)'
run() { av run --detach --bundle "$b" "$1" < /dev/null; }
says() {    # says NAME TEXT [WORDS]: one line of it gives the reason; the console's last ones follow
    [ "$(grep -cE "kernel: $why" <<< "$2")" = 1 ]
    result "$1: one sentence with its phase" $? "$2"
    same "$1: and the console's last lines" yes "$(grep -qE "${3:-fault point|Kernel Offset|exitcode}" <<< "$2" && echo yes)"
}
for p in hello setup create start; do
    agent_dies_at "$p"
    begin=$SECONDS
    out=$(run "a-$p" 2>&1)
    same "agent $p: run fails in time" "1 yes" "$? $([ $((SECONDS - begin)) -lt 45 ] && echo yes)"
    says "agent $p" "$out"
    same "agent $p: nothing of it is listed" "" "$(av list --quiet)"
    sweep "agent $p" "a-$p"
done
agent_dies_at exec
run a-exec > /dev/null 2>&1
out=$(av exec a-exec true 2>&1 < /dev/null)
same "agent exec: exec fails" 255 $?
says "agent exec" "$out"
check "agent exec: the container stops" 0 '' until_ok 20 has_status a-exec stopped
sweep "agent exec" a-exec
agent_dies_at exit
run a-exit > /dev/null 2>&1
check "agent exit: the kill is taken" 0 '' av kill a-exit KILL
check "agent exit: the container stops" 0 '' until_ok 20 has_status a-exit stopped
says "agent exit" "$(cat "$ROOT/a-exit/monitor.log")"
sweep "agent exit" a-exit
# Only a VM with another container in it deletes one.
agent_dies_at delete
run a-keep > /dev/null 2>&1
b2=$(bundle f2 "$(sh_args 'while :; do sleep 0.1; done') | .linux.namespaces |= map(
    if .type == \"network\" then .path = \"/proc/$(av state a-keep | jq -r .pid)/ns/net\" else . end)")
av run --detach --bundle "$b2" a-delete > "$WORK/out" 2>&1 < /dev/null
same "agent delete: one VM for two" a-keep "$(jq -r .sandbox "$ROOT/a-delete/state.json")"
check "agent delete: delete ends all the same" 0 '' av delete --force a-delete
check "agent delete: the other stops" 0 '' until_ok 20 has_status a-keep stopped
says "agent delete" "$(cat "$ROOT/a-keep/monitor.log")"
sweep "agent delete" a-keep
# The VM is powered off with its last container, where somebody may still write then: with a pid namespace of
# its own nobody is left. Nobody misses the agent.
agent_dies_at poweroff
b3=$(bundle f3 "$(sh_args 'while :; do sleep 0.1; done') | .linux.namespaces |= map(select(.type != \"pid\"))")
ends_by_itself() {  # ends_by_itself ID BUNDLE: and its VM with it
    av run --detach --bundle "$2" "$1" > /dev/null 2>&1 < /dev/null
    check "agent poweroff, $1: kill" 0 '' av kill "$1" KILL
    check "agent poweroff, $1: the VM ends" 0 '' until_ok 20 no_monitor "$1"
}
ends_by_itself a-shared "$b3"
check "it was asked to" 0 'the agent could not power off' cat "$ROOT/a-shared/monitor.log"
check "agent poweroff: delete" 0 '' av delete a-shared
begin=$SECONDS
ends_by_itself a-off "$b"
[ "$BACKEND" = fake ] || same "it is not where all is written" "" "$(grep 'power off' "$ROOT/a-off/monitor.log")"
sweep "agent poweroff" a-off
same "agent poweroff: in time" yes "$([ $((SECONDS - begin)) -lt 30 ] && echo yes)"
agent_dies_at ''

# --- each process of a running container, in clones: how their VM came to run is nothing to those who die
clones
victim() {  # victim PATTERN|vmm [ID]: kills the processes of this test whose command line matches, or ID's VMM
    [ "$1" != vmm ] || { kill -9 "$(vmm_of "$2")"; return; }
    leftover_processes | grep -E -- "$1" | while read -r pid _; do kill -9 "$pid"; done
}
for v in vmm anyvisor-monitor anyvisor-proxy fake-vmm 'agent --fd'; do
    [ "$v" != vmm ] || [ "$BACKEND" != fake ] || continue
    case $v in fake-vmm | agent*) [ "$BACKEND" = fake ] || continue ;; esac
    av run --detach --bundle "$b" --pid-file "$WORK/pid" k1 > /dev/null 2>&1 < /dev/null
    same "kill $v: the container runs" running "$(status_of k1)"
    victim "$v" k1
    check "kill $v: the container stops" 0 '' until_ok 20 has_status k1 stopped
    # A dead proxy is a stopped container, as with runc; the monitor still has to kill the guest's
    # process then, and says so when that is done.
    [ "$v" = anyvisor-monitor ] || check "kill $v: the log names the signal" 0 '' \
        until_ok 10 grep -q "container 'k1' was killed by signal 9" "$ROOT/k1/monitor.log"
    check "kill $v: exec says so" 255 'stopped|not running' av exec k1 true
    sweep "kill $v" k1
done

# --- who watches the process is told why it ended, before run deletes the log
sleeper=$(bundle w "$(sh_args 'echo up; sleep 1000')")
watched() {     # watched NAME VICTIM WORDS: run and exec end with 137 and one sentence
    av --log "$WORK/w.log" run --bundle "$sleeper" w1 > "$WORK/run.out" 2>&1 < /dev/null &
    local run=$! exec
    check "$1: the container runs" 0 '' until_ok 60 grep -q up "$WORK/run.out"
    av exec w1 sleep 1000 > "$WORK/exec.out" 2>&1 < /dev/null &
    exec=$!
    execs() { [ "$(leftover_processes | grep -c 'anyvisor-proxy')" = 2 ]; }
    check "$1: the exec runs" 0 '' until_ok 30 execs
    victim "$2" w1
    wait $run; same "$1: run's status" 137 $?
    wait $exec; same "$1: exec's status" 137 $?
    same "$1: run tells why, once" 1 "$(grep -cE "^anyvisor: $3" "$WORK/run.out")"
    same "$1: exec tells why, once" 1 "$(grep -cE "^anyvisor: $3" "$WORK/exec.out")"
    same "$1: --log has it" 1 "$(grep -cE "^error: $3" "$WORK/w.log")"
    rm -f "$WORK/w.log"
    sweep "$1" w1
}
if [ "$BACKEND" = fake ]; then watched "watched VM" fake-vmm '.*the VM has ended'
else watched "watched VM" vmm '.*(QEMU was killed: signal 9|QEMU ended without a word|closed its channel)'; fi
watched "watched monitor" anyvisor-monitor "the container's monitor was killed"

no_clones

# --- a monitor that does what it never does dies of it, and whoever waits is told of what
killed="the monitor was killed at the system call 'swapoff' \\([0-9]+\\), which it never makes"
for p in sealed:1 exited:137; do    # in the worker before the guest runs; in the main thread later
    want=${p#*:}
    p=${p%:*}
    ANYVISOR_FAULT=monitor.$p:fail av --log "$WORK/w.log" run \
        --bundle "$(bundle "j-$p" "$(sh_args 'exit 3')")" "j-$p" > "$WORK/run.out" 2>&1 < /dev/null
    same "intruder, $p: run's status" "$want" $?
    same "intruder, $p: run tells why, once" 1 "$(grep -cE "^anyvisor: $killed" "$WORK/run.out")"
    same "intruder, $p: --log has it" 1 "$(grep -cE "^error: $killed" "$WORK/w.log")"
    rm -f "$WORK/w.log"
    sweep "intruder, $p" "j-$p"
done
ANYVISOR_FAULT=monitor.exited:fail av run --detach --bundle "$(bundle jd "$(sh_args 'exit 3')")" jd > "$WORK/out" 2>&1 < /dev/null
check "intruder: a detached container is stopped" 0 '' until_ok 20 has_status jd stopped
same "intruder: the log says why" 1 "$(grep -cE "^error: $killed" "$ROOT/jd/monitor.log")"
sweep "intruder, detached" jd

# --- the back-end's descriptor has gone meanwhile: the monitor ends the VM; without it VMM and VM
# have ended with it, which nobody can confirm
yaml=$WORK/etc/plugins.d/$BACKEND.yaml
av run --detach --bundle "$b" d1 > "$WORK/out" 2>&1 < /dev/null
av run --detach --bundle "$sleeper" d2 > "$WORK/out" 2>&1 < /dev/null
victim "anyvisor-monitor.*/d2\b"
check "no descriptor: the container without a monitor stops" 0 '' until_ok 20 has_status d2 stopped
mv "$yaml" "$WORK/descriptor"
check "no descriptor: delete --force" 0 '^$' av delete --force d1
check "no descriptor, no monitor: delete says why it fails" 1 "end the VM '.*: .*$BACKEND.yaml" av delete d2
check "no descriptor, no monitor: delete --force says what it leaves" 0 "^warning: end the VM '.*gc.*'$BACKEND'" av delete --force d2
for id in d1 d2; do check "no descriptor: delete --force again" 0 '^$' av delete --force $id; done
mv "$WORK/descriptor" "$yaml"
# A VM that has outlived its state, too: which cgroup was made for it the state knew.
[ "$BACKEND" != kvm-libvirt ] || av gc > /dev/null
[ "$BACKEND" != kvm-libvirt ] || find /sys/fs/cgroup -depth -type d -path "*/av-test-${WORK##*.}/w" -exec rmdir {} +
sweep "no descriptor" d2

clones

# --- gc removes what crashes left, and leaves to engines what stopped by itself
av run --detach --bundle "$(bundle e "$(sh_args 'exit 3')")" g1 > "$WORK/out" 2>&1 < /dev/null
check "gc: a container ends by itself" 0 '' until_ok 20 has_status g1 stopped
monitor_gone() { ! leftover_processes | grep -q anyvisor-monitor; }
check "gc: its monitor ends" 0 '' until_ok 20 monitor_gone
check "gc leaves it to its engine's delete" 0 '^$' av gc
same "gc: it is still there" stopped "$(status_of g1)"
av run --detach --bundle "$b" g2 > "$WORK/out" 2>&1 < /dev/null
check "gc leaves a running container" 0 '^$' av gc
same "gc: it still runs" running "$(status_of g2)"
leftover_processes | awk '/anyvisor-(monitor|proxy)/ {print $1}' | xargs -r kill -9
check "gc: its processes are killed" 0 '' until_ok 20 has_status g2 stopped
gc_removes() { av gc 2>&1 | grep -qx "removed container '$1'"; }
check "gc removes what the crash left, once the monitor is gone" 0 '' until_ok 20 gc_removes g2
check "gc --all takes the stopped one, too" 0 '^\[.*"g1"' av gc --all --format json
check "gc --all: nothing is left" 0 '^$' av list --quiet

no_clones

# --- the CLI and everything else at random moments of a start
if [ "$BACKEND" = fake ]; then rounds=12; span=4; else rounds=2; span=50; fi
for i in $(seq $rounds); do
    av run --detach --bundle "$b" "r$i" > /dev/null 2>&1 < /dev/null &
    cli=$!
    read -r -t "$((RANDOM % span / 10)).$((RANDOM % 10))" < /dev/zero || true
    leftover_processes | awk '{print $1}' | shuf -n 1 | xargs -r kill -9 2>/dev/null
    wait $cli 2>/dev/null
    sweep "random $i" "r$i"
done
finish
