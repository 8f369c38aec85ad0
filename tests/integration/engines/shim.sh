#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's containerd with our own shim, through ctr: the task API, events and their order, OOM,
# statistics, a containerd that is restarted, a shim that is killed.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/integration/engines/daemons.sh
. "$(dirname "$0")/daemons.sh"
# shellcheck source=tests/integration/engines/disks.sh
. "$(dirname "$0")/disks.sh"
for tool in ctr containerd; do
    command -v "$tool" > /dev/null || skip_all "$tool is not installed"
done
SHIM=$AV_BUILD/bin/containerd-shim-anyvisor-v2
[ -x "$SHIM" ] || skip_all "the shim is not built"
own_namespaces "$@"
setup "${1:?usage: shim.sh BACKEND}"
clones
export PATH=$AV_BUILD/bin:$PATH ANYVISOR_ROOT=$ROOT
daemons_setup
containerd_start || exit 1
CT=$(as_program ct)
I=docker.io/library/busybox:test
R=(--runtime io.containerd.anyvisor.v2)
ROOT=$ROOT/$PARENT                      # the shim puts the namespace's name below
busybox_image "$WORK/busybox.tar" busybox:test
check "import" 0 "$I" ct images import "$WORK/busybox.tar"

shim_pid() { pgrep -f "containerd-shim-anyvisor-v2 -namespace=$PARENT -id=$1 "; }
on_tty() { INPUT=$1 WAIT=pts "$HERE/on_terminal.py" fg "$CT" "${@:2}"; }
task_is() { ct task ls | grep -q "^$1 .*$2"; }
guest_runs() { ct task exec --exec-id "look$RANDOM" "$1" ps | grep -q "$2"; }
guest_lacks() { ! guest_runs "$@"; }

check "-v" 0 'Version: +[0-9]' "$SHIM" -v
check "-info, as containerd 2 asks" 0 'io.containerd.anyvisor.v2.*features/Features' \
    sh -c '"$1" -info | tr -c "[:print:]" .' sh "$SHIM"
check "nobody but containerd starts it" 1 'containerd starts this program' "$SHIM"
# One line, not the end of the file: ctr loses an end that comes before the task runs, also with runc.
run_with_input() { echo piped | ct run --rm "$@"; }
check "run: stdin, output, exit status" 5 '^piped out$' \
    run_with_input "${R[@]}" $I c1 sh -c 'read l; echo "$l" out; exit 5'
check "missing program" 1 'exec: "/nope": stat /nope: no such file' ct run --rm "${R[@]}" $I c3 /nope
# ctr sets the size when it has started; a change of it soon after may escape ctr.
SIZE=33x99 check "run -t, and the terminal's size" 3 'size is 33 99' on_tty '\n' \
    run --rm -t "${R[@]}" $I c6 sh -c 'tty; until [ "$(stty size)" = "33 99" ]; do sleep 0.1; done
        echo size is $(stty size); read x; exit 3'

check "run -d" 0 '' ct run -d "${R[@]}" $I d1 sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done'
check "exec" 4 '^in$' ct task exec --exec-id e1 d1 sh -c 'echo in; exit 4'
same "exec passes all of stdin and its end" 100000 "$(head -c 100000 /dev/zero | ct task exec --exec-id e0 d1 wc -c)"
same "more output than a FIFO holds" 3000000 \
    "$(ct task exec --exec-id e6 d1 head -c 3000000 /dev/zero | wc -c)"
check "exec -t" 4 '/dev/pts/' on_tty 'exit 4\n' task exec -t --exec-id e2 d1 sh -c 'tty; exec sh'
check "exec of a missing program" 1 'nope' ct task exec --exec-id e3 d1 /nope
check "ps" 0 '^[0-9]+' ct task ps d1
check "metrics are the guest's, in containerd's type" 0 'cpu.usage_usec *[1-9]' ct task metrics d1
check "pause" 0 '' ct task pause d1
check "it is paused" 0 '' task_is d1 PAUSED
check "resume" 0 '' ct task resume d1
check "it runs" 0 '' task_is d1 RUNNING
check "checkpoint is refused" 1 'not implemented' ct task checkpoint d1
check "exec -d" 0 '' ct task exec -d --exec-id e4 d1 sleep 1234
check "ps names the exec" 0 'e4' ct task ps d1
check "the exec runs" 0 '' until_ok 10 guest_runs d1 'sleep 1234'
check "kill of an exec" 0 '' ct task kill -s KILL --exec-id e4 d1
check "it is gone in the guest" 0 '' until_ok 10 guest_lacks d1 'sleep 1234'

# The events of a task's life, as containerd hands them on: topics in their order.
events_of() { grep -o "/tasks/[a-z-]* {\"container_id\":\"$1\"[^}]*" "$E/events"; }
topics() { events_of "$1" | sed 's|/tasks/\([a-z-]*\).*|\1|' | tr '\n' ' '; }
has_ended() { topics "$1" | grep -q "$2"; }
# A task without a client: its output goes to a file, or to a program (nerdctl's way).
cat > "$E/logger" <<'X'
#!/bin/sh
exec 5>&-
read -r out <&3; read -r err <&4
echo "$CONTAINER_ID $CONTAINER_NAMESPACE $* $out $err" > "$0.out"
X
chmod +x "$E/logger"
check "exec with a logging program" 0 '' ct task exec -d --exec-id l1 --log-uri "binary://$E/logger?to=%2Fx" d1 \
    sh -c 'echo out; echo err >&2'
check "which gets both streams" 0 '' until_ok 20 grep -q "^d1 $PARENT to /x out err$" "$E/logger.out"
check "exec with a log file" 0 '' ct task exec -d --exec-id l2 --log-uri "file://$E/exec.log" d1 echo logged
check "which has the output" 0 '' until_ok 20 grep -q '^logged$' "$E/exec.log"
check "a log URI that is none of these" 1 'fifo:, file: or binary:' \
    ct task exec -d --exec-id l3 --log-uri "ftp://x" d1 true

ct events > "$E/events" 2> /dev/null & # ends with its containerd
check "a task with an exec, for its events" 0 '' ct run -d "${R[@]}" $I v1 sleep 1000
check "events are heard" 0 '' until_ok 10 has_ended v1 start
check "its exec" 0 '' ct task exec --exec-id x1 v1 true
check "killed by SIGKILL" 0 '' ct task kill -s KILL v1
check "its exit is told" 0 '' until_ok 20 has_ended v1 'exit exit'
check "its status is told" 0 'exit code 137' ct task rm v1
check "its end is told" 0 '' until_ok 10 has_ended v1 delete
same "events come in order" "create start exec-added exec-started exit exit delete " "$(topics v1)"
check "exit events name process and status" 0 '"id":"v1".*"exit_status":137' events_of v1
check "container rm of it" 0 '' ct containers rm v1

if [ "$BACKEND" != fake ]; then         # whose guest has no memory cgroup
    ct run "${R[@]}" --memory-limit 33554432 $I o1 \
        sh -c 'dd if=/dev/zero of=/dev/null bs=100M count=1; sleep 1' > "$E/oom.out" 2>&1
    check "running out of memory is an event" 0 '' until_ok 10 has_ended o1 oom
    same "before the exit" "create start oom exit delete " "$(topics o1)"
    check "container rm of that" 0 '' ct containers rm o1
fi

# A containerd that is restarted finds its tasks again; what they do meanwhile is not lost.
containerd_stop() {
    kill "${DAEMONS[0]}" && wait "${DAEMONS[0]}"
    DAEMONS=()
} 2> /dev/null
containerd_stop
containerd_start
check "the task survives a restart of containerd" 0 '' task_is d1 RUNNING
check "exec after it" 0 '^back$' ct task exec --exec-id e5 d1 echo back

# What an idle task costs besides its VM.
pss() { awk '/^Pss:/ {n += $2} END {print n}' "/proc/$1/smaps_rollup"; }
monitor=$(cut -d' ' -f1 "$ROOT/d1/monitor")
shim=$(shim_pid d1)
kib=$(($(pss "$shim") + $(pss "$monitor")))
[ "$kib" -le 3072 ]
result "shim and monitor together are at most 3 MiB ($(pss "$shim") and $(pss "$monitor") KiB)" $?

# It ends while nobody is there to be told.
containerd_stop
pid=$(cat "$E/containerd/state/io.containerd.runtime.v2.task/$PARENT/d1/init.pid")
kill -TERM "$pid"
proxy_is_gone() { ! kill -0 "$pid"; }
check "its proxy ends" 0 '' until_ok 20 proxy_is_gone
containerd_start
check "containerd learns of it" 0 '' until_ok 20 task_is d1 STOPPED
check "kill of a stopped one" 1 'not found|finished' ct task kill -s TERM d1
check "task rm gives the trap's status" 0 'exit code 7' ct task rm d1
check "container rm" 0 '' ct containers rm d1

# A shim that is killed: containerd has everything removed.
check "run -d, to lose its shim" 0 '' ct run -d "${R[@]}" $I k1 sleep 1000
check "an exec, to lose it too" 0 '' ct task exec -d --exec-id x2 k1 sleep 1000
kill -9 "$(shim_pid k1)"
task_is_gone() { ! ct task ls -q | grep -q "^$1$"; }
check "containerd forgets the task" 0 '' until_ok 30 task_is_gone k1
check "container rm without a shim" 0 '' ct containers rm k1
only_containerd() { [ "$(leftover_processes | grep -cv ' containerd -c ')" = 0 ]; }
check "no VM, proxy or monitor is left" 0 '' until_ok 20 only_containerd

same "no container is left in containerd" "" "$(ct containers ls -q)"
daemons_stop
finish
