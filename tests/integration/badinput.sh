#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Input that is wrong, hostile, huge or deep, and a host that lacks something: each ends in one
# sentence that names the thing, in time, and leaves nothing behind.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: badinput.sh BACKEND}"
ETC=$WORK/etc
SECONDS_MAX=20

# spoken REGEX: $WORK/said is one sentence of ours that matches and that a terminal can show
spoken() {
    [ "$(grep -c '^anyvisor: ' "$WORK/said")" = 1 ] && grep -qE -- "^anyvisor: $1" "$WORK/said" &&
        ! grep -qvE '^(anyvisor: |    |warning: )' "$WORK/said" && [ "$(wc -c < "$WORK/said")" -lt 3000 ] &&
        ! LC_ALL=C grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$WORK/said"
}

# refused NAME REGEX CMD...: fails with that sentence, in time; no container is there afterwards
refused() {
    local name=$1 regex=$2 begin=$SECONDS rc
    shift 2
    timeout -k 5 60 "$@" > "$WORK/said" 2>&1 < /dev/null
    rc=$?
    { [ $rc = 1 ] || [ $rc = 255 ]; } && spoken "$regex" && [ $((SECONDS - begin)) -le $SECONDS_MAX ] &&
        [ "$(find "$ROOT" -mindepth 1 -maxdepth 1 ! -name '.*' ! -name "${keep:-}" 2> /dev/null)" = "" ]
    result "$name" $? "status $rc, $((SECONDS - begin)) s, wanted one sentence /$regex/; root: $(ls "$ROOT" 2>&1)
$(head -c 1500 "$WORK/said" | cat -v)"
}
keep=

yaml() { cat > "$ETC/bad.yaml"; }
config() {  # config NAME REGEX
    refused "$1" "$2" "$AV" --root "$ROOT" --config "$ETC/bad.yaml" create --bundle "$b" x1
}
b=$(bundle good "$(sh_args 'echo up; while :; do sleep 1; done')")
if [ "$BACKEND" = fake ]; then  # what follows up to the back-ends is the same on all of them
# --- names
long=$(printf 'x%.0s' {1..1025})
i=0
for id in '' . .. ../x a/b /abs 'a b' $'a\nanyvisor: forged' $'a\033[2J' "$long"; do
    i=$((i + 1))
    for verb in create run; do
        refused "$verb: bad id $i" '(invalid )?container id' "$AV" --root "$ROOT" $verb --bundle "$b" "$id"
    done
    for verb in state kill start delete 'delete --force' pause resume ps events update timings logs; do
        # shellcheck disable=SC2086
        refused "$verb: bad id $i" '(invalid )?container id' "$AV" --root "$ROOT" $verb "$id"
    done
    refused "exec: bad id $i" '(invalid )?container id' "$AV" --root "$ROOT" exec "$id" true
done
refused "an id that no file name can be" 'make state directory .*: File name too long' "$AV" --root "$ROOT" create --bundle "$b" "${long:0:300}"
refused "an id that no VM can be called" "plug-in: the container's id, which names its VM, has 129 bytes" "$AV" --root "$ROOT" create --bundle "$b" "${long:0:129}"
refused "an unknown id" "container 'nosuch' does not exist" "$AV" --root "$ROOT" state nosuch

# --- bundles
bad=$WORK/b/bad
try() {     # try NAME REGEX: create of the bundle $bad
    refused "$1" "$2" "$AV" --root "$ROOT" create --bundle "$bad" x1
}
refused "a bundle that is missing" "config: .*'?/nonexistent.*: No such file" "$AV" --root "$ROOT" create --bundle /nonexistent x1
refused "a bundle that is a file" "config: .*: Not a directory" "$AV" --root "$ROOT" create --bundle /etc/passwd x1
mkdir -p "$bad"
cp -a "$WORK/rootfs" "$bad/rootfs"
try "a bundle without config.json" "config: .*bad.*: No such file"
mkdir "$bad/config.json"
try "config.json is a directory" "config: .*config.json.*"
rmdir "$bad/config.json"
mkfifo "$bad/config.json"
try "config.json is a pipe that nobody writes" "config: .*config.json.*"
rm "$bad/config.json"
ln -s /dev/zero "$bad/config.json"
try "config.json is endless" "config: .*config.json.*"
rm "$bad/config.json"

json() { cat > "$bad/config.json"; }
good() { jq "$1" "$b/config.json" > "$bad/config.json"; }
: | json; try "empty JSON" "config: .*config.json:1:1: unexpected end"
echo '{' | json; try "truncated JSON" "config: .*config.json:[12]:[0-9]+: unexpected end"
echo '[]' | json; try "JSON of another kind" "config: .*config.json: expected an object"
echo 'null' | json; try "null" "config: .*config.json"
echo '{} trailing' | json; try "something after JSON" "config: .*config.json"
head -c 700 "$b/config.json" | json; try "half a config.json" "config: .*config.json:[0-9]+:[0-9]+: "
head -c 4096 /dev/urandom | json; try "random bytes" "config: .*config.json"
printf '{"a\0b":1}' | json; try "a NUL byte" "config: .*config.json"
printf '{"ociVersion":"1.0.2","process":{"args":["\xff\xfe"]}}' | json
try "bytes that are no UTF-8" "config: .*config.json"
{ printf '[%.0s' {1..10000}; printf ']%.0s' {1..10000}; } | json
try "10000 lists deep" "config: .*config.json:1:[0-9]+: .*(deep|depth)"
{ printf '{"a":%.0s' {1..10000}; printf 1; printf '}%.0s' {1..10000}; } | json
try "10000 objects deep" "config: .*config.json:1:[0-9]+: .*(deep|depth)"
{ printf '{"a":"'; head -c 9000000 /dev/zero | tr '\0' x; printf '"}'; } | json
try "9 MB" "config: .*(longer|larger) than 8388608 bytes"
{ printf '{"a":"'; head -c 8000000 /dev/zero | tr '\0' x; printf '"}'; } | json
try "8 MB of nothing known" "config: .*config.json"
good 'del(.ociVersion)'; try "no version" "config: .*ociVersion"
good '.ociVersion="2.0.0"'; try "a later version" "config: .*version '2.0.0' is not supported"
good '.ociVersion="1.0.2\u001b[2J\n"'; try "a version with escapes" "config: .*ociVersion"
good 'del(.process)'; try "no process" "config: .*process"
good '.process.args=[]'; try "no arguments" "(config: )?.*args"
good '.process.args="true"'; try "arguments of another kind" "config: .*process.args: expected"
good '.process.args=["a\u0000b"]'; try "a NUL character in an argument" "config: .*process.args.*NUL"
good '.process.env=["NOEQUALS\u0000"]'; try "a NUL character in the environment" "config: .*process.env.*NUL"
good '.process.cwd="rel"'; try "a relative cwd" "(config: )?.*cwd"
good '.process.user.uid=4294967296'; try "a uid that is none" "config: .*process.user.uid"
good '.process.user.uid=-1'; try "a negative uid" "config: .*process.user.uid"
good '.process.rlimits=[{type:"RLIMIT_NOSUCH",soft:1,hard:1}]'; try "an unknown limit" "(config: )?.*RLIMIT_NOSUCH"
good '.process.rlimits=[{type:"RLIMIT_NOFILE",soft:10,hard:1}]'
try "a limit above itself" "(config: )?.*(soft|rlimit|RLIMIT)"
good '.process.oomScoreAdj=5000'; try "an absurd oomScoreAdj" "(config: )?.*oomScoreAdj"
good '.process.args=[range(20000)|"x"]'; try "20000 arguments" "config: .*process.args.*more than 16000 entries"
good '.mounts=[range(20000)|{destination:"/x",type:"tmpfs",source:"t"}]'
try "20000 mounts" "config: .*mounts.*more than 16000 entries"
sed 's/"limit": *67108864/X/' "$b/config.json" | jq '.linux.resources.memory.limit="HUGE"' | sed 's/"HUGE"/1e300/' | json
try "a memory limit of 1e300" "config: .*memory.limit"
jq '.linux.resources.memory.limit="HUGE"' "$b/config.json" | sed 's/"HUGE"/99999999999999999999/' | json
try "a memory limit of 20 digits" "config: .*memory.limit"
good '.linux.namespaces+=[{type:"nosuch"}]'; try "an unknown namespace" "config: .*namespaces.*nosuch"
good '.linux.namespaces+=[{type:"pid"},{type:"pid"}]'; try "a namespace twice" "config: .*namespaces.*pid"
good '.linux.namespaces=[{type:"network",path:"/nonexistent/ns"}]'
try "a namespace's path that is missing" ".*/nonexistent/ns"
good '.linux.seccomp={defaultAction:"SCMP_ACT_NOSUCH"}'; try "an unknown seccomp action" ".*SCMP_ACT_NOSUCH"
good '.linux.cgroupsPath="/../../x"'; try "a cgroup path that leads out" ".*cgroup"
good '.hooks={prestart:[{path:"relative"}]}'; try "a relative hook" "config: .*hooks.prestart.*absolute"
good '.hooks={prestart:[{path:"/nonexistent/hook"}]}'; try "a missing hook" ".*/nonexistent/hook"
good '.mounts+=[{destination:"/x",type:"bind",source:"/nonexistent/source",options:["bind"]}]'
try "a missing source" ".*/nonexistent/source"
good '.mounts+=[{destination:"/x",type:"nosuchfs",source:"x"}]'; try "an unknown file system" ".*nosuchfs"
good '.linux.sysctl={"kernel.nosuch\u001b[31m":"1"}'; try "an unknown sysctl" ".*(sysctl|kernel.nosuch)"
good '.linux.devices=[{path:"/dev/x",type:"z",major:1,minor:1}]'; try "an unknown kind of device" ".*devices"
good '.root.path="missing"'; try "a rootfs that is missing" ".*bad/missing"
echo file > "$bad/afile"
good '.root.path="afile"'; try "a rootfs that is a file" ".*bad/afile.*(irectory)"
ln -s /etc "$bad/out"
good '.root.path="out"|.process.args=["/bin/no-such-program"]'
try "a rootfs that is a link" ".*(bad/out|no-such-program|/etc)"
mkdir "$bad/empty"
good '.root.path="empty"'; try "an empty rootfs" '.*"sh"'
good '.root=null'; try "no root" "config: .*root: missing"

# --- configuration
{ echo 'version: 1'; printf 'defaults: '; printf '[%.0s' {1..10000}; } | yaml
config "YAML 10000 lists deep" "config: .*bad.yaml"
{ echo 'version: 1'; for i in {1..2000}; do printf '%*sa:\n' "$i" ''; done; } | yaml
config "YAML 2000 mappings deep" "config: .*bad.yaml"
{ echo 'version: 1'; head -c 20000000 /dev/zero | tr '\0' '#'; } | yaml; config "20 MB of YAML" "config: .*bad.yaml"
{ echo 'a: &a [x,x,x,x,x,x,x,x,x]'; for c in b c d e f g h i; do p=$(tr 'b-i' 'a-h' <<< $c); echo "$c: &$c [*$p,*$p,*$p,*$p,*$p,*$p,*$p,*$p,*$p]"; done; } | yaml
config "aliases that multiply" "config: .*bad.yaml"
printf 'version: 1\nclasses: &a [*a]\n' | yaml; config "an alias that holds itself" "config: .*bad.yaml"
printf 'version: 1\0\n' | yaml; config "YAML with a NUL byte" "config: .*bad.yaml"
printf 'version: 1\n\tdefaults: {}\n' | yaml; config "YAML with a tab" "config: .*bad.yaml:2"
head -c 4096 /dev/urandom | yaml; config "random YAML" "config: .*bad.yaml"
printf 'version: 99\n' | yaml; config "a later version of YAML" "config: .*bad.yaml:1.*99"
printf 'version: 1\ndefaults: {vm: {vcpus: 99999999999999999999}}\n' | yaml
config "absurd vcpus" "config: .*bad.yaml:2.*vcpus"
printf 'version: 1\ndefaults: {vm: {memory: 99999999TiB}}\n' | yaml
config "absurd memory" "config: .*bad.yaml:2.*memory"
printf 'version: 1\n"key\\e[31m": 1\n' | yaml; config "a key with escapes" "config: .*bad.yaml:2"
rm "$ETC/bad.yaml"; mkdir "$ETC/bad.yaml"; config "YAML that is a directory" "config: .*bad.yaml.*irectory"
rmdir "$ETC/bad.yaml"; mkfifo "$ETC/bad.yaml"; config "YAML that is a pipe" "config: .*bad.yaml"
rm "$ETC/bad.yaml"
fi

# --- what a back-end needs is not there
descriptor() {  # descriptor SED-SCRIPT: 'lacks', a back-end like ours but for that
    sed "s/^name:.*/name: lacks/; $1" "$ETC/plugins.d/$BACKEND.yaml" > "$WORK/lacks.yaml"
    install -m 0644 "$WORK/lacks.yaml" "$ETC/plugins.d/lacks.yaml"
    printf 'version: 1\nplugins_dir: plugins.d\ndefaults: {hypervisor: [lacks], vm: {memory: 256MiB, vcpus: 1%s}}\n' "${2:-}" | yaml
}
descriptor 's/^library:.*/library: nosuch.so/'; config "a missing plug-in" ".*nosuch.so.*No such file"
echo 'no library' > "$ETC/text.so"
descriptor "s|^library:.*|library: $ETC/text.so|"
config "a plug-in that is none" ".*text.so.*(ELF|too short|invalid)"
descriptor "s|^library:.*|library: /lib/x86_64-linux-gnu/libc.so.6|"
config "a library that is no plug-in" ".*libc.so.6.*hvp_plugin"
if [ "$BACKEND" = fake ]; then
    descriptor 's|^  agent:.*|  agent: /nonexistent/agent|'
    config "a missing agent" ".*/nonexistent/agent.*No such file"
    descriptor 's|^  vmm:.*|  vmm: /nonexistent/vmm|'; config "a missing VMM" ".*/nonexistent/vmm.*No such file"
    descriptor "s|^  agent:.*|  agent: $ETC/text.so|"; chmod +x "$ETC/text.so"
    config "an agent that is no program" "kernel: the VM has ended"
else
    descriptor '/^config:/,$d'
    echo 'config: {qemu: /nonexistent/qemu}' >> "$ETC/plugins.d/lacks.yaml"
    config "a missing QEMU" ".*/nonexistent/qemu"
    descriptor '' ', kernel: /nonexistent/vmlinux'; config "a missing kernel" ".*/nonexistent/vmlinux.*No such file"
    descriptor '' ', image: /nonexistent/image'; config "a missing image" ".*/nonexistent/image.*No such file"
    descriptor '' ", kernel: /etc/passwd"; config "a kernel that is none" "(vmm|VMM|kernel): .*"
fi
rm "$ETC/plugins.d/lacks.yaml" "$ETC/bad.yaml"

if [ "$BACKEND" = fake ]; then
# --- a state root that takes nothing
touch "$WORK/rootfile"
refused "a root that is a file" ".*rootfile.*not a directory" "$AV" --root "$WORK/rootfile" create --bundle "$b" x1
refused "a root below a file" ".*rootfile.*Not a directory" "$AV" --root "$WORK/rootfile/sub" create --bundle "$b" x1
mkdir "$WORK/full"
if mount -t tmpfs -o size=64k,nr_inodes=40 av-test "$WORK/full" 2> /dev/null; then
    head -c 100000 /dev/zero > "$WORK/full/.fill" 2> /dev/null
    for free in 0 8 24; do
        head -c $((65536 - free * 1024)) /dev/zero > "$WORK/full/.fill" 2> /dev/null
        refused "a full root, $free KiB left" ".*No space left" "$AV" --root "$WORK/full" run --bundle "$b" full
        same "a full root, $free KiB left: nothing is there" "" "$(find "$WORK/full" -mindepth 1 -maxdepth 1 ! -name '.*')"
    done
    mount -o remount,ro "$WORK/full"
    refused "a read-only root" ".*Read-only file system" "$AV" --root "$WORK/full" run --bundle "$b" full
    umount "$WORK/full"
else
    skip "a full root" "this machine mounts no tmpfs"
fi

# --- few descriptors: it works, or says so
for n in 6 8 10 12 16 20 {22..40}; do
    ( ulimit -n "$n" && timeout 60 "$AV" --root "$ROOT" create --bundle "$b" few ) > "$WORK/said" 2>&1 < /dev/null
    rc=$?
    [ $rc = 0 ] || spoken '.*'
    result "$n descriptors: it works, or one sentence" $? "$(cat "$WORK/said")"
    [ $rc = 0 ] || same "$n descriptors: a failure leaves nothing" "" "$(ls "$ROOT")"
    check "$n descriptors: delete --force" 0 '' av delete --force few
    same "$n descriptors: nothing is left" "" "$(av list --quiet)"
done

# --- a process for exec, limits for update; a state that is damaged
av run --detach --bundle "$b" good > "$WORK/out" 2>&1 < /dev/null
keep=good
p=$WORK/process.json
process() {     # process NAME REGEX
    refused "exec --process: $1" "$2" "$AV" --root "$ROOT" exec --process "$p" good
    refused "update --resources: $1" ".*" "$AV" --root "$ROOT" update --resources "$p" good
}
: > "$p"; process "empty" ".*process.json.*unexpected end"
echo '[1]' > "$p"; process "of another kind" ".*expected an object"
{ printf '[%.0s' {1..10000}; } > "$p"; process "10000 lists deep" ".*(deep|depth)"
head -c 9000000 /dev/zero | tr '\0' ' ' > "$p"; process "9 MB" ".*longer than 8388608 bytes"
p=$WORK; process "a directory" ".*irectory"
p=/nonexistent; process "missing" ".*No such file"
cp "$ROOT/good/state.json" "$WORK/state.json"
size=$(stat -c %s "$WORK/state.json")
for n in 0 1 $((size / 2)) $((size - 3)); do
    head -c "$n" "$WORK/state.json" > "$ROOT/good/state.json"
    refused "state.json of $n bytes: state" '.*state.json' "$AV" --root "$ROOT" state good
    refused "state.json of $n bytes: kill" '.*state.json' "$AV" --root "$ROOT" kill good
    refused "state.json of $n bytes: delete" '.*state.json' "$AV" --root "$ROOT" delete good
done
jq '.sandbox="../../x"|.id="a/b"|.runDir="/etc"' "$WORK/state.json" > "$ROOT/good/state.json"
refused "state.json that points elsewhere: kill" '.*id' "$AV" --root "$ROOT" kill good
check "list goes on" 0 '' av list
run_dir=$(jq -r .runDir "$WORK/state.json")
same "a running VM has its directory" yes "$([ -d "$run_dir" ] && echo yes)"
head -c 4096 /dev/urandom > "$ROOT/good/state.json"
check "delete --force of a damaged state" 0 '' av delete --force good
keep=
same "its VM's directory is gone" no "$([ -e "$run_dir" ] && echo yes || echo no)"
same "its cgroups are gone" "" "$(leftover_cgroups)"
same "nothing is listed" "" "$(av list --quiet)"
check "its processes are gone" 0 '' until_ok 15 no_processes_left

# --- what reads the wall clock: a jump of it must not matter. Dates in logs, state and containerd's
# events, the age of templates and of VMs of a pool, the guest's clock, and libxl's timers, which it
# sets by that clock.
dates="backends/xen/loop.c core/base/log.c core/base/timing.c core/base/timing.h core/cli/creation/creation_record.c"
dates="$dates core/cli/pool.c core/cli/pool/fill.c core/cli/pool/store.c core/cli/template.c core/monitor/clock.c core/monitor/sandbox.c"
dates="$dates core/shim/delete.c core/shim/publish.c core/shim/task.c core/template/entry.c"
same "the wall clock is asked for dates only" "$dates" \
    "$(cd "$HERE/../.." && grep -rlE 'CLOCK_REALTIME|realtime_n?s\(|[^a-z_]time\(NULL\)|gettimeofday' core backends --exclude-dir=jail |
        sort | paste -sd ' ')"

# --- two at once with one id: exactly one has it
for i in 1 2 3; do
    av create --bundle "$b" twin > "$WORK/twin1" 2>&1 < /dev/null & one=$!
    av create --bundle "$b" twin > "$WORK/twin2" 2>&1 < /dev/null & two=$!
    wait $one; r1=$?
    wait $two; r2=$?
    same "two creates of one id, round $i: one wins" 1 $((r1 + r2))
    check "the other is told" 0 "container with id 'twin' already exists" cat "$WORK/twin1" "$WORK/twin2"
    same "the winner's container is there" created "$(status_of twin)"
    check "delete --force" 0 '' av delete --force twin
done
fi

# --- many at once
if [ "$BACKEND" = fake ]; then many=20; else many=4; fi
# Emulated machines that boot on two busy cores are slow, which is not what this is about.
sed -i 's/^defaults:/&\n  boot_timeout: 180s/' "$ANYVISOR_CONFIG"
LIMIT=240
pids=()
for i in $(seq $many); do
    mkdir "$WORK/b/p$i"     # a cgroup of its own: who shares one leaves it to the others
    jq ".root.path=\"$WORK/rootfs\" | .linux.cgroupsPath+=\"$i\"" "$b/config.json" > "$WORK/b/p$i/config.json"
    av run --detach --bundle "$WORK/b/p$i" "p$i" > "$WORK/out.p$i" 2>&1 < /dev/null &
    pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do wait "$pid" || failed=$((failed + 1)); done
result "$many starts at once" "$failed" "$(grep -h anyvisor "$WORK"/out.p*)"
same "all of them run" "$many" "$(av list | grep -c ' running ')"
for i in $(seq $many); do av delete --force "p$i" > "$WORK/out" 2>&1 || failed=1; done
same "and go" "0 " "$failed $(av list --quiet)"
finish
