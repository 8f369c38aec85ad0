#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# create, start, state, kill, delete, list, ps, run, pid file, hooks: the verbs as engines use them.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: lifecycle.sh BACKEND}"

# --- run
b=$(bundle run "$(sh_args 'echo out; echo err >&2; exit 7')")
av run --bundle "$b" r1 > "$WORK/out" 2> "$WORK/err" < /dev/null
same "run returns the status" 7 $?
same "run prints stdout" out "$(cat "$WORK/out")"
check "run prints stderr" 0 '^err$' cat "$WORK/err"
check "run deletes the container" 1 'does not exist' av state r1
check "run BUNDLE needs no id" 7 out av run "$b"

# --- create .. delete on one VM
b=$(bundle life "$(sh_args 'trap "exit 9" TERM; echo up; sleep 5000 & wait') | .process.oomScoreAdj = 77")
mkfifo "$WORK/out1"
exec 9<> "$WORK/out1"
av create --bundle "$b" --pid-file "$WORK/pid1" c1 > "$WORK/out1" 2>&1 < /dev/null
same "create returns 0" 0 $?
pid=$(cat "$WORK/pid1")
check "the pid file names a live process" 0 '' kill -0 "$pid"
same "the host may kill it as early as the bundle says" 77 "$(cat "/proc/$pid/oom_score_adj")"
[ -n "${AV_POD:-}" ] || same "its VM as well" 77 "$(cat "/proc/$(cut -d" " -f1 "$ROOT/c1/monitor")/oom_score_adj")"
same "state says created" created "$(status_of c1)"
same "state has the pid of the pid file" "$pid" "$(av state c1 | jq -r .pid)"
same "state has the bundle" "$b" "$(av state c1 | jq -r .bundle)"
check "a second create with the id fails" 1 "already exists" av create --bundle "$b" c1
check "list shows it" 0 "c1 +$pid +created" av list
same "list --quiet" c1 "$(own)"
same "list --format json" c1 "$(av list --format json | jq -r '.[].id' | grep -vxF "${AV_POD:-/}")"
check "start" 0 '' av start c1
check "delete of a running container fails" 1 'running' av delete c1
read -r -t 20 line <&9
same "the program's output arrives" up "${line:-}"
same "state says running" running "$(status_of c1)"
check "start twice fails" 1 'cannot start|running' av start c1
check "ps shows the guest's processes" 0 'sh -c' av ps c1
same "ps --format json gives host pids" "[$pid]" "$(av ps --format json c1 | jq -c .)"
check "kill of an unknown signal fails" 1 'signal' av kill c1 NOSUCH
check "kill 0 asks whether it runs" 0 '' av kill c1 0
check "update to less memory than none fails" 1 "'-5': expected a size such as 64MiB" av update --memory -5 c1
check "kill TERM" 0 '' av kill c1 TERM
until_ok 60 has_status c1 stopped
same "state says stopped" stopped "$(status_of c1)"
check "kill of a stopped container fails" 1 'not running' av kill c1 KILL
check "and with 0" 1 'not running' av kill c1 0
check "exec in a stopped container fails" 255 'stopped|not running' av exec c1 true
check "delete" 0 '' av delete c1
check "delete again fails" 1 'does not exist' av delete c1
check "delete --force of nothing succeeds" 0 '' av delete --force c1
exec 9>&-

clones  # what follows is about containers, unless it says otherwise

# --- the pid file's process is the container: its status, kill(2)
b=$(bundle sig "$(sh_args 'trap "exit 11" USR1; echo up; sleep 5000 & wait')")
mkfifo "$WORK/out2"
exec 9<> "$WORK/out2"
av run --detach --bundle "$b" --pid-file "$WORK/pid2" c2 > "$WORK/out2" 2>&1 < /dev/null
read -r -t 20 _ <&9
check "kill(2) on the pid file's process reaches the guest" 0 '' kill -USR1 "$(cat "$WORK/pid2")"
until_ok 60 has_status c2 stopped
same "and ends it" stopped "$(status_of c2)"
check "delete after it" 0 '' av delete c2
exec 9>&-

# --- created containers can be killed and deleted
b=$(bundle created "$(sh_args 'echo never')")
av create --bundle "$b" c3 > "$WORK/out3" 2>&1 < /dev/null
check "delete --force of a created container" 0 '' av delete --force c3
same "its program never ran" "" "$(cat "$WORK/out3")"

[ -z "${AV_POD:-}" ] || finish  # the rest is about VMs and their beginning

# --- pausing needs something that runs
b=$(bundle unstarted "$(sh_args 'exit 12')")
av create --bundle "$b" c8 > /dev/null 2>&1 < /dev/null
check "pause of a created container fails" 1 'not been started' av pause c8
check "and does not keep it from starting" 0 '' av start c8
check "delete --force it" 0 '' av delete --force c8

# --- what the VMM could reach if it were taken over: nothing of other sandboxes, booted or cloned
b=$(bundle other "$(sh_args 'while :; do sleep 0.1; done')")
no_clones
av run --detach --bundle "$b" c9 > /dev/null 2>&1 < /dev/null
clones
b=$(bundle another "$(sh_args 'while :; do sleep 0.1; done')")
av run --detach --bundle "$b" c10 > /dev/null 2>&1 < /dev/null
monitor=$(cut -d' ' -f1 "$ROOT/c9/monitor")
check "a monitor's mounts show its own state" 0 '' test -e "/proc/$monitor/root$ROOT/c9/state.json"
check "but not another sandbox's" 1 '' test -e "/proc/$monitor/root$ROOT/c10"
check "nor the host's secrets" 1 '' test -e "/proc/$monitor/root/etc/shadow"
check "delete --force both" 0 '' av delete --force c9
check "of them" 0 '' av delete --force c10

# --- arguments that only look wrong
check "a relative --root" 0 '' sh -c "cd '$WORK' && '$AV' --root root list"
check "a full standard output is an error" 1 'standard output' sh -c "'$AV' --root '$ROOT' list > /dev/full"

# --- foreground run forwards signals and reports death by signal as 128+n
b=$(bundle death "$(sh_args 'while :; do sleep 0.1; done')")
av run --bundle "$b" c4 > /dev/null 2>&1 < /dev/null &
cli=$!
until_ok 60 has_status c4 running
check "kill KILL" 0 '' av kill c4 KILL
wait $cli
same "death by signal of the init is 128+n" 137 $?
"$AV" --root "$ROOT" run --bundle "$b" c4 > /dev/null 2>&1 < /dev/null &
cli=$!
until_ok 60 has_status c4 running
kill -USR1 $cli      # ash catches INT and ends by itself later
same "a foreground run forwards signals: pid 1 in the guest ignores this one" running "$(status_of c4)"
check "and lives until it is killed" 0 '' av kill c4 KILL
wait $cli

# --- hooks
b=$(bundle hooks "$(sh_args 'true') | .hooks={
  prestart:[{path:\"/bin/sh\",args:[\"sh\",\"-c\",\"cat > $WORK/h.prestart\"]}],
  createRuntime:[{path:\"/bin/sh\",args:[\"sh\",\"-c\",\"cat > $WORK/h.createRuntime\"]}],
  createContainer:[{path:\"/bin/sh\",args:[\"sh\",\"-c\",\"cat > $WORK/h.createContainer\"]}],
  startContainer:[{path:\"/bin/sh\",args:[\"sh\",\"-c\",\"cat > /h.startContainer\"]}],
  poststart:[{path:\"/bin/sh\",args:[\"sh\",\"-c\",\"cat > $WORK/h.poststart\"]}],
  poststop:[{path:\"/bin/sh\",args:[\"sh\",\"-c\",\"cat > $WORK/h.poststop\"]}]}")
check "run with all hooks" 0 '' av run --bundle "$b" c5
for h in prestart createRuntime createContainer poststart poststop; do
    same "$h got the state" c5 "$(jq -r .id "$WORK/h.$h" 2>&1)"
done
same "startContainer ran inside" c5 "$(jq -r .id "$b/rootfs/h.startContainer" 2>&1)"
same "prestart saw a pid" number "$(jq -r '.pid|type' "$WORK/h.prestart" 2>&1)"
b=$(bundle hookfail '.hooks={prestart:[{path:"/bin/sh",args:["sh","-c","echo no luck >&2; exit 3"]}]}')
check "a failing prestart hook fails the run" 1 'no luck' av run --bundle "$b" c6
check "and leaves nothing" 1 'does not exist' av state c6

# --- errors of the program in runc's words, at create
b=$(bundle missing '.process.args=["/nope"]')
check "missing file" 1 'exec: "/nope": stat /nope: no such file or directory' av create --bundle "$b" c7
b=$(bundle missing2 '.process.args=["nope"]')
check "missing program" 1 'exec: "nope": executable file not found in \$PATH' av create --bundle "$b" c7
b=$(bundle noexec '.process.args=["/etc/passwd"]')
check "program without permission" 1 'exec: "/etc/passwd": permission denied' av create --bundle "$b" c7

# --- files that cannot be written: one sentence, before anything is made
b=$(bundle files "$(sh_args 'true')")
nothing_left() {    # nothing_left NAME: neither state nor process of a failed create
    same "$1: nothing is left" "" "$(av list --quiet; leftover_processes)"
}
for verb in create run; do
    check "$verb: a pid file in a missing directory" 1 \
        "^anyvisor: pid file '/nodir/pid': directory '/nodir': No such file or directory$" \
        av $verb --bundle "$b" --pid-file /nodir/pid c8
    nothing_left "$verb: pid file"
    check "$verb: an unwritable log" 1 "^anyvisor: open log '/nodir/log': No such file or directory$" \
        av --log /nodir/log $verb --bundle "$b" c8
    nothing_left "$verb: log"
done
t=$(bundle console '.process.terminal=true')
check "create: a missing console socket" 1 "^anyvisor: console socket '/nodir/sock': .*No such file" \
    av create --bundle "$t" --console-socket /nodir/sock c8
nothing_left "console socket"
check "create: a terminal without console socket" 1 'without setting console socket' \
    av create --bundle "$t" c8
echo precious > "$WORK/pid"
check "a create that fails" 1 'no such file' av create --bundle "$(bundle missing3 '.process.args=["/nope"]')" \
    --pid-file "$WORK/pid" c8
same "leaves a pid file that is not its own" precious "$(cat "$WORK/pid")"

# --- a signal before the container is there undoes what has been made
has_monitor() { [ -e "$ROOT/$1/monitor" ]; }
slow=$(bundle slow ".hooks={prestart:[{path:\"/bin/sh\",args:[\"sh\",\"-c\",\"touch $WORK/hook.\$\$; sleep 1000\"]}]}")
hook_runs() { [ -n "$(find "$WORK" -maxdepth 1 -name 'hook.*')" ]; }
interrupted() { # interrupted NAME SIGNAL CONDITION VERB ARG...
    local name=$1 sig=$2 condition=$3 rc
    shift 3
    "$AV" --root "$ROOT" "$@" i1 > "$WORK/out" 2>&1 < /dev/null &
    cli=$!
    check "$name: it is at work" 0 '' until_ok 60 "$condition" i1
    kill -"$sig" $cli
    wait $cli
    rc=$?
    same "$name: exit status" 1 $rc
    check "$name: one sentence" 0 "interrupted" cat "$WORK/out"
    same "$name: one line" 1 "$(wc -l < "$WORK/out")"
    nothing_left "$name"
    rm -f "$WORK"/hook.*
}
if [[ $BACKEND == kvm* ]]; then
    no_clones
    interrupted "SIGTERM while the VM of a create boots" TERM has_monitor create --bundle "$b"
    interrupted "SIGHUP while the VM of a run boots" HUP has_monitor run --bundle "$b"
    clones
else
    skip "SIGTERM while the VM boots" "the fake back-end boots too fast to hit"
fi
interrupted "SIGTERM while a hook of a run hangs" TERM hook_runs run --bundle "$slow"
interrupted "SIGHUP while a hook of a create hangs" HUP hook_runs create --bundle "$slow"

# --- what a limit allows a container to use, it can use: kernel and agent have their own
if [[ $BACKEND == kvm* ]]; then
    printf 'version: 1\nplugins_dir: plugins.d\ndefaults: {hypervisor: [%s]}\n' "$BACKEND" > "$WORK/etc/auto.yaml"
    b=$(bundle limit ".linux.resources.memory.limit=$((64 << 20)) |
        $(sh_args 'dd if=/dev/zero of=/dev/null bs=60M count=2 2> /dev/null && echo lives')")
    check "a container of 64 MiB can use 60 MiB" 0 '^lives$' av --config "$WORK/etc/auto.yaml" run --bundle "$b" c9
else
    skip "a container of 64 MiB can use 60 MiB" "the fake back-end has no memory of its own"
fi
finish
