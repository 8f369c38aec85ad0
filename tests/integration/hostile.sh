#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Guests that mean harm: an agent of tests/hostile that misbehaves by name. Whatever it does ends in
# one clear sentence with its phase, in bounded time and memory, leaves nothing, and no other
# sandbox notices. Most of it waits for time limits: the cases run side by side.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: hostile.sh BACKEND}"
EVIL=$AV_BUILD/tests/hostile/agent
if [ ! -x "$EVIL" ]; then
    skip "hostile agents" "there is none: it needs musl-gcc (package musl-tools)"
    finish
fi
# Seconds for a boot, and for each answer; an emulated machine that shares its CPU boots slowly.
if [ "$BACKEND" = fake ]; then answer=2 beside=6; else answer=45 beside=2; fi

# The agent comes as a descriptor of its own, or in the guest's image, where a later file counts.
if [ "$BACKEND" = fake ]; then
    sed "s/^name:.*/name: evil/; s|^  agent:.*|  agent: $EVIL|" "$WORK/etc/plugins.d/fake.yaml" \
        > "$WORK/etc/plugins.d/evil.yaml"
    chmod 0644 "$WORK/etc/plugins.d/evil.yaml"
    machine='hypervisor: [evil], vm: {memory: 256MiB, vcpus: 1'
else
    guest=$(dirname "$(find "$AV_BUILD" -path "*/$(uname -m)/initramfs.cpio" | head -n 1)")
    echo "file init 0755 $EVIL" > "$WORK/spec"
    "$HERE/../../guest/image/mkcpio.py" "$WORK/spec" "$WORK/evil.cpio"
    cat "$guest/initramfs.cpio" "$WORK/evil.cpio" > "$WORK/image.cpio"
    machine="hypervisor: [$BACKEND], vm: {memory: 256MiB, vcpus: 1, image: $WORK/image.cpio"
fi

# as NAME VERB...: the command, for a guest that behaves as NAME
as() {
    printf 'version: 1\nplugins_dir: plugins.d\ndefaults: {boot_timeout: %ss, %s, kernel_args: anyvisor.hostile=%s}}\n' \
        "$answer" "$machine" "$1" > "$WORK/etc/$1.yaml"
    av --config "$WORK/etc/$1.yaml" "${@:2}"
}
bundle_of() {
    local shared='.'                    # a VM is powered off where a pid namespace does not end with its init
    [ "$1" != poweroff-nothing ] || shared='.linux.namespaces |= map(select(.type != "pid"))'
    [ -d "$WORK/b/$1" ] || bundle "$1" "$(sh_args 'echo up') | $shared" > /dev/null
    echo "$WORK/b/$1"
}
start() {   # start NAME: a detached container; its words are in out.NAME
    as "$1" run --detach --bundle "$(bundle_of "$1")" "$1" > "$WORK/out.$1" 2>&1 < /dev/null
}

# within SECONDS NAME COMMAND...: it ends in time, whatever its status
within() {
    local begin=$SECONDS limit=$1 name=$2 rc
    shift 2
    "$@"
    rc=$?
    [ $((SECONDS - begin)) -le "$limit" ] || result "$name in time" 1 "$((SECONDS - begin)) s"
    return $rc
}

# sentence NAME REGEX FILE: one line of ours that a terminal can show, else console lines
sentence() {
    local ours
    ours=$(grep -c '^anyvisor: ' "$3")
    [ "$ours" = 1 ] && grep -qE -- "^anyvisor: $2" "$3" && ! grep -qvE '^(anyvisor: |    |up$)' "$3" &&
        ! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$3" && [ "$(wc -c < "$3")" -lt 3000 ]
    result "$1" $? "wanted one line with /$2/, got:
$(head -c 2000 "$3" | cat -v)"
}

gone() {    # gone NAME ID: nothing of it is left
    check "$1: nothing is listed" 1 'does not exist' av state "$2"
    same "$1: no cgroup is left" "" "$(find /sys/fs/cgroup -type d -path "*/av-test-${WORK##*.}/$2" 2>/dev/null)"
}

# fails NAME REGEX: the container never runs
fails() {
    within $((answer + 25)) "$1" start "$1"
    same "$1: run fails" 1 $?
    sentence "$1: one sentence" "$2" "$WORK/out.$1"
    gone "$1" "$1"
}

memory() {  # memory NAME KIB: what the monitor ever had
    local pid had
    pid=$(cut -d' ' -f1 "$ROOT/$1/monitor")
    had=$(awk '/^VmHWM/ {print $2}' "/proc/$pid/status")
    [ "${had:-0}" -gt 0 ] && [ "$had" -lt "$2" ]
    result "$1: the monitor's memory is bounded" $? "$had KiB"
}
if [ "$BACKEND" = fake ]; then much=12000; else much=40000; fi

delete() {
    within 20 "$1: delete" check "$1: delete --force" 0 '' av delete --force "$1"
    gone "$1" "$1"
}

# breaks NAME REGEX: the container runs until the guest breaks the rules; the log says which one
breaks() {
    start "$1"
    check "$1: the container stops" 0 '' until_ok 20 has_status "$1" stopped
    check "$1: the log tells why" 0 "error: agent: the agent broke the protocol: $2" cat "$ROOT/$1/monitor.log"
    check "$1: exec says so" 255 'stopped' av exec "$1" true
    delete "$1"
}

# stands NAME: the container runs on, and the verbs work
stands() {
    start "$1"
    same "$1: run" 0 $?
    same "$1: state" running "$(status_of "$1")"
    check "$1: exec" 0 '' av exec "$1" true
    memory "$1" "$much"
    check "$1: kill" 0 '' av kill "$1" KILL
    check "$1: the container stops" 0 '' until_ok 20 has_status "$1" stopped
    delete "$1"
}

# mute NAME: no answer is ever given; kill and delete get their way all the same
mute() {
    start "$1"
    same "$1: run" 0 $?
    same "$1: state" running "$(status_of "$1")"
    within $((answer + 5)) "$1: exec" av exec "$1" true > "$WORK/exec.$1" 2>&1 < /dev/null
    same "$1: exec fails" 255 $?
    sentence "$1: exec's sentence" "agent: the agent has not answered 'exec' in $answer s" "$WORK/exec.$1"
    memory "$1" "$much"
    same "$1: the log is bounded" yes "$([ "$(stat -c %s "$ROOT/$1/monitor.log")" -lt 300000 ] && echo yes)"
    same "$1: the log can be shown" 0 "$(LC_ALL=C grep -c $'[\x01-\x08\x0b-\x1f\x7f]' "$ROOT/$1/monitor.log")"
    av kill "$1" KILL > "$WORK/kill.$1" 2>&1    # the guest does not say that it took it
    check "$1: the container stops" 0 '' until_ok 8 has_status "$1" stopped
    delete "$1"
}

# exits NAME STATUS: a foreground run ends with it, in time
exits() {
    within 20 "$1" as "$1" run --bundle "$(bundle_of "$1")" "$1" > "$WORK/out.$1" 2>&1 < /dev/null
    same "$1: run's status" "$2" $?
    gone "$1" "$1"
}

# asks NAME REGEX VERB ARG...: the answer of a verb about a running container is good enough to show
asks() {
    local name=$1 regex=$2 verb=$3
    shift 3
    start "$name"
    av "$verb" "$name" "$@" > "$WORK/ask.$name" 2>&1 < /dev/null
    grep -qE -- "$regex" "$WORK/ask.$name" && ! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$WORK/ask.$name"
    result "$name: $verb" $? "$(head -c 1000 "$WORK/ask.$name" | cat -v)"
    memory "$name" "$much"
    delete "$name"
}

# job FUNCTION NAME ...: beside the others, with little memory for the monitor
job() {
    while [ "$(jobs -rp | wc -l)" -ge "$beside" ]; do wait -n; done
    (
        [ "$BACKEND" != fake ] || ulimit -d 65536
        "$@"
    ) > "$WORK/job.$2" 2>&1 &
    names+=("$2")
}
names=()

b=$(bundle peaceful "$(sh_args 'echo up; while :; do sleep 1; done')")
av run --detach --bundle "$b" peaceful > "$WORK/peaceful" 2>&1 < /dev/null
same "another sandbox runs" running "$(status_of peaceful)"

broke='agent: the agent broke the protocol:'
job mute flood-log
job mute start-deaf
[ "$BACKEND" = fake ] || answer=90
job fails garbage "$broke no HELLO in what it sends"
job fails long-frame "$broke a malformed frame"
[ "$BACKEND" = fake ] || answer=20
job fails silence 'kernel: the guest has not reported in time'
if [ "$BACKEND" = fake ]; then
    job fails half 'kernel: the guest has not reported in time'
    job fails drip 'kernel: the guest has not reported in time'
    job fails half-close 'kernel: the agent has closed its channel'
    job fails close 'kernel: the agent has closed its channel'
    job fails exit 'kernel: the VM has ended \(panic\)'
    job fails long-data "$broke a malformed frame"
    job fails no-hello 'kernel: the guest has not reported in time'
    job fails hello-guessed 'kernel: the guest has not reported in time'
    job fails hello-bad "$broke a malformed HELLO"
    job fails hello-again "$broke a second HELLO"
    job fails hello-other 'agent: .*another protocol version'
    job fails hello-silence 'agent: the agent has not set the guest up in time'
    job fails setup-refuse 'agent: error: \?\]0;owned'
    job fails create-refuse 'error: \?\]0;owned'
    job fails create-nothing "agent: the agent has not answered 'create' in $answer s"
    job fails create-deaf "agent: the agent has not answered 'start' in $answer s"
    job fails create-close 'agent: the agent has closed its channel'
    job fails create-wrong "$broke a reply that nobody asked for"
    job fails create-twice '.*a reply that nobody asked for'
    job fails create-negative "$broke a malformed reply"
    job fails create-exited '(the container ended while it was created|cannot start a container that has stopped)'
    job fails start-nothing "agent: the agent has not answered 'start' in $answer s"
    job fails start-close 'agent: the agent has closed its channel'
    job fails start-refuse 'error: \?\]0;owned'
    job stands honest
    job stands hello-escapes
    job stands data-odd
    job breaks data-eof 'data after the end of a stream'
    job breaks credit 'credit for bytes that were never sent'
    job breaks exited-absurd 'a malformed exit'
    job breaks flood-unknown 'a flood of unknown frames'
    job breaks flood-strangers 'a flood of frames for unknown processes'
    job exits exited-twice 5
    job exits exited-left 5
    job exits exited-to-eof 5
    job exits exited-more 5
    job exits data-exit 137
    job mute flood-oom
    job mute flood-exited
    job mute flood-empty
    job mute data-window
    job asks exec-nothing "agent: the agent has not answered 'exec'" exec true
    job asks exec-refuse 'error: \?\]0;owned' exec true
    job asks signal-nothing "agent: the agent has not answered 'kill'" kill TERM
    job asks ps-escapes '\?\]0;owned.*forged.row' ps
    job asks ps-huge '4294967295' ps
    job asks ps-garbage 'the guest has sent a malformed process list' ps
    job asks ps-body 'PID' ps
    job asks stats-garbage 'the guest has sent malformed statistics' events --stats
    job asks poweroff-nothing '"status": *"running"' state
fi
wait
for name in "${names[@]}"; do
    cat "$WORK/job.$name"
    PASSED=$((PASSED + $(grep -c '^ok ' "$WORK/job.$name")))
    FAILED=$((FAILED + $(grep -c '^not ok ' "$WORK/job.$name")))
done

# More than a stalled reader has asked for: a window, and not a byte more, waits on the host.
if [ "$BACKEND" = fake ]; then
    mkfifo "$WORK/stalled"
    exec 9<> "$WORK/stalled"
    as data-window run --detach --bundle "$(bundle_of data-window)" w1 > "$WORK/stalled" 2>&1 < /dev/null
    check "data-window, stalled: the container stops" 0 '' until_ok 20 has_status w1 stopped
    check "data-window, stalled: the log tells why" 0 "more data than the stream's window" cat "$ROOT/w1/monitor.log"
    exec 9<&-
    delete w1
fi

# --- a guest that panics while somebody watches
if [ "$BACKEND" != fake ]; then
    b=$(bundle panic "$(sh_args 'echo up; echo c > /proc/sysrq-trigger; sleep 100')
        | .linux.readonlyPaths=[] | .linux.maskedPaths=[]")
    within 60 panic av run --bundle "$b" panic > "$WORK/panic" 2>&1 < /dev/null
    same "a guest's panic: run's status" 137 $?
    check "a guest's panic: run tells why" 0 '^anyvisor: kernel: the VM has ended \(panic\): .*Kernel panic.*sysrq' cat "$WORK/panic"
    gone "a guest's panic" panic
else
    skip "a guest's panic" "the fake back-end has no kernel"
fi

# --- nobody else has noticed
same "the other sandbox runs on" running "$(status_of peaceful)"
check "exec in it" 0 '^still here$' av exec peaceful echo still here
finish
