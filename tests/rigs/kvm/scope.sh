#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --systemd-cgroup where systemd is pid 1 and cgroup v2 pure: a container's scope, its limits, what
# update changes, and that whatever ends a container leaves no scope. Runs in the rig.
. "$(dirname "$0")/../../integration/lib.sh"
if [ ! -d /run/systemd/system ]; then
    skip_all "no systemd runs here: rig.sh run $0 fake"
fi
setup "${1:?usage: scope.sh BACKEND}"
CG=/sys/fs/cgroup

sd() { av --systemd-cgroup "$@"; }
# The container holds create's output: not a pipe, or who reads it would wait for the container.
sd_create() { local rc=0; sd create "$@" > "$WORK/out" 2>&1 || rc=$?; cat "$WORK/out"; return $rc; }
property() { systemctl show --value -p "$2" "$1"; }
# A unit that nobody has made, or that systemd has forgotten, has the load state "not-found".
no_scope() { [ "$(property "$1" LoadState)" = not-found ]; }
comms() { while read -r pid; do cat "/proc/$pid/comm"; done < "$1/cgroup.procs" | sort -u | paste -sd' '; }

limits='.linux.resources={"memory":{"limit":67108864},"cpu":{"shares":512,"quota":50000,"period":100000,"cpus":"0"},"pids":{"limit":50}}'
b=$(bundle b ".linux.cgroupsPath=\"av-test.slice:av:c1\" | $limits | $(sh_args 'exec sleep 1000')")
unit=av-c1.scope
dir=$CG/av.slice/av-test.slice/$unit

check "create" 0 '' sd_create --bundle "$b" c1
same "the scope is active" "active running" "$(property $unit ActiveState) $(property $unit SubState)"
same "in its slice" av-test.slice "$(property $unit Slice)"
same "at systemd's place" "/av.slice/av-test.slice/$unit" "$(property $unit ControlGroup)"
same "delegated" yes "$(property $unit Delegate)"
check "monitor and proxy are in it" 0 'anyvisor-monito.*anyvisor-proxy' comms "$dir"
vm=$(jq '.vmMemory + .vmOverhead' "$ROOT/c1/state.json")
same "memory is the VM's" "$vm" "$(property $unit MemoryMax)"
same "memory in the file, in whole pages" "$((vm / 4096 * 4096))" "$(cat "$dir/memory.max")"
same "CPU time" "500ms 50000 100000" "$(property $unit CPUQuotaPerSecUSec) $(cat "$dir/cpu.max")"
same "CPU weight" "20 20" "$(property $unit CPUWeight) $(cat "$dir/cpu.weight")"
same "CPU set" "0 0" "$(property $unit AllowedCPUs) $(cat "$dir/cpuset.cpus")"
same "processes are limited in the guest" "infinity max" "$(property $unit TasksMax) $(cat "$dir/pids.max")"
systemctl daemon-reload
same "a reload leaves the limits" "$((vm / 4096 * 4096)) 50000 100000 0" \
    "$(cat "$dir/memory.max" "$dir/cpu.max" "$dir/cpuset.cpus" | paste -sd' ')"
check "a second of the same name is refused in systemd's words" 1 "start scope '$unit' in 'av-test.slice': Unit .* already" \
    sd_create --bundle "$b" c1b
check "start" 0 '' sd start c1
check "update, without the option" 0 '' av update --cpu-quota 20000 --cpu-share 1024 c1
same "the unit and the files follow" "200ms 39 20000 100000 39" \
    "$(property $unit CPUQuotaPerSecUSec) $(property $unit CPUWeight) $(cat "$dir/cpu.max" "$dir/cpu.weight" | paste -sd' ')"
av exec --detach --pid-file "$WORK/pid" c1 sleep 1000 < /dev/null > /dev/null 2>&1
same "an exec's proxy is in the scope" "0::/av.slice/av-test.slice/$unit" "$(cat "/proc/$(cat "$WORK/pid")/cgroup")"
check "kill" 0 '' sd kill c1 KILL
until_ok 20 has_status c1 stopped
check "delete" 0 '' sd delete c1
check "systemd has forgotten the scope" 0 '' no_scope $unit
check "and its directory is gone" 1 '' test -e "$dir"

# --- the names
n=$(bundle n 'del(.linux.cgroupsPath)')
check "create without a path" 0 '' sd_create --bundle "$n" c2
same "is anyvisor-ID.scope in system.slice" /system.slice/anyvisor-c2.scope "$(property anyvisor-c2.scope ControlGroup)"
check "delete --force" 0 '' av delete --force c2
check "run" 0 '' sd run --bundle "$n" c2
check "nothing of it is left" 0 '' no_scope anyvisor-c2.scope
check "a slice that is none is refused" 1 "'a--b.slice' is not the name of a slice" \
    sd run --bundle "$(bundle bad '.linux.cgroupsPath="a--b.slice:x:y"')" c3
check "and a path of cgroupfs" 1 "expected 'SLICE:PREFIX:NAME'" sd run --bundle "$(bundle path)" c3

# --- a pod's sandbox: its VM beside it in the slice
p=$(bundle p '.linux.cgroupsPath="av-test.slice:cri:c7" |
    .annotations={"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-id":"c7"}')
check "create a sandbox" 0 '' sd_create --bundle "$p" c7
same "its proxy is in its scope" anyvisor-proxy "$(comms $CG/av.slice/av-test.slice/cri-c7.scope)"
check "its monitor in the VM's" 0 'anyvisor-monito' comms $CG/av.slice/av-test.slice/anyvisor-c7.scope
check "delete --force" 0 '' av delete --force c7
check "neither is left" 0 '^not-found not-found$' \
    sh -c 'systemctl show --value -p LoadState cri-c7.scope anyvisor-c7.scope | xargs'

# --- what fails or is killed
ANYVISOR_FAULT=cli.cgroups:fail check "a create that fails after the scope has started" 1 'fault cli.cgroups' \
    sd_create --bundle "$b" c4
check "leaves no scope" 0 '' no_scope $unit
ANYVISOR_FAULT=cli.cgroups sd_create --bundle "$b" c4 > /dev/null < /dev/null
check "what a killed create leaves, gc removes" 0 '' av gc
check "no scope after gc" 0 '' no_scope $unit
check "create" 0 '' sd_create --bundle "$b" c5
kill -9 "$(cut -d' ' -f1 "$ROOT/c5/monitor")" "$(jq .proxy.pid "$ROOT/c5/state.json")"
check "delete --force after kill -9" 0 '' av delete --force c5
check "again is fine" 0 '' av delete --force c5
check "no scope is left" 0 '' no_scope $unit
check "create once more" 0 '' sd_create --bundle "$b" c6
systemctl stop $unit 2> /dev/null
check "stopping the unit ends the container" 0 '' until_ok 20 has_status c6 stopped
check "delete" 0 '' sd delete c6
same "no scope of ours is left" "" "$(systemctl list-units --all --plain --no-legend 'av-*.scope' 'anyvisor-*.scope')"
finish
