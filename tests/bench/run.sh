#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Takes our figures, each beside its floor in the same run: docs/figures.md says what they mean.
#
#   run.sh [--build DIR] [--backend kvm|fake] [-n N] [--smoke] [NAME...]
#
# NAME: cold clone clones burst idle warm state exec second cpu memory wakeups (default: all). Subject and floor take turns, so that what
# else the machine does hits both. Exit status 0 = every figure was taken; whether it meets its
# target is in the table, for a busy machine proves nothing.
here=$(cd "$(dirname "$0")" && pwd)

usage() {
    sed -n '3,10s/^# \{0,1\}//p' "$0"
}

# crun refuses a hybrid of cgroup v1 and v2, which other programs may leave: then all is measured in a
# mount namespace without its second half.
UNIFIED=/sys/fs/cgroup/unified
if [ -z "${AV_BENCH_INSIDE:-}" ] && grep -qs . "$UNIFIED/cgroup.controllers"; then
    export AV_BENCH_INSIDE=1
    exec unshare --mount --propagation private sh -c 'umount "$0" && exec "$@"' "$UNIFIED" "$0" "$@"
fi

build='' backend=kvm runs='' smoke='' names=()
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$2; shift ;;
    --backend) backend=$2; shift ;;
    -n) runs=$2; shift ;;
    --smoke) smoke=1 backend=fake runs=1 ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) names+=("$1") ;;
    esac
    shift
done
[ ${#names[@]} -gt 0 ] || names=(cold clone clones burst idle warm state exec second cpu memory wakeups)
[ -z "$build" ] || export AV_BUILD=$build

# shellcheck source=../integration/lib.sh
. "$here/../integration/lib.sh"
# shellcheck source=figures.sh
. "$here/figures.sh"
# shellcheck source=clones.sh
. "$here/clones.sh"
# shellcheck source=warm.sh
. "$here/warm.sh"
setup "$backend"
IDLE_S=10
[ -z "$smoke" ] || IDLE_S=1
CRUN=(crun --root "$WORK/crun" --cgroup-manager=disabled)

start_idle() {  # start_idle ID: a container that does nothing
    local b
    b=$(fresh_bundle "$1" '["sleep","100000"]')
    av run --detach --bundle "$b" "$1" > /dev/null 2>&1 < /dev/null
}

start_crun() {
    local b
    b=$(fresh_bundle crun '["sleep","100000"]')
    "${CRUN[@]}" run --detach --bundle "$b" crun > "$WORK/out" 2>&1 < /dev/null ||
        printf '# crun does not start a container: %s\n' "$(tail -n 1 "$WORK/out")"
}

end_both() {
    "${CRUN[@]}" delete --force crun 2>/dev/null
    av delete --force "$1"
}

prepare_baseline() {  # prepare_baseline BUNDLE: into WORK/qemu
    "$here/initrd.sh" "$(image_of "$1")" "$TOOLS/bare_init" "$WORK/bare.cpio" || return 1
    start_idle idle
    python3 "$here/baseline.py" "$(qemu_of idle)" "$1/rootfs" "$WORK/bare.cpio" \
        "$WORK/console" > "$WORK/qemu"
    av delete --force idle
    [ -s "$WORK/qemu" ]
}

bench_cold() {
    local b i qemu=()
    b=$(fresh_bundle cold '["/bin/true"]')
    if [ "$BACKEND" = fake ]; then
        for ((i = 0; i < $(times 5); i++)); do
            meter "$WORK/cold" "$AV" --root "$ROOT" run --bundle "$b" cold
            meter "$WORK/cold.floor" "${CRUN[@]}" run --bundle "$b" cold
        done
        row 'cold run (fake; floor: crun)' ms "$WORK/cold" 1 "$WORK/cold.floor" -
        return
    fi
    if ! prepare_baseline "$b"; then no_figure 'cold run' 'no bare QEMU (cpio, python3, musl-gcc?)'; MISSING=1; return; fi
    mapfile -d '' qemu < "$WORK/qemu"
    for ((i = 0; i < $(times 7); i++)); do
        meter "$WORK/cold.floor" "${qemu[@]}"
        grep -q 'bare_init: status 0' "$WORK/console" || { echo '# bare QEMU did not run the program:'; tail -n 3 "$WORK/console"; }
        meter "$WORK/cold" "$AV" --root "$ROOT" run --bundle "$b" cold
    done
    row 'cold run' ms "$WORK/cold" 1 "$WORK/cold.floor" 1.15
}

bench_state() {
    local i
    start_idle idle
    start_crun
    for ((i = 0; i < $(times 100); i++)); do
        meter "$WORK/state" "$AV" --root "$ROOT" state idle
        meter "$WORK/state.floor" "${CRUN[@]}" state crun
    done
    end_both idle
    row 'state' ms "$WORK/state" 1 "$WORK/state.floor" 1.5
    row 'state, CPU' ms "$WORK/state" 2 "$WORK/state.floor" 1.5
}

start_runc() {
    local b
    RUNC=
    [ -x "$(command -v runc)" ] || return
    b=$(fresh_bundle runc '["sleep","100000"]')
    runc --root "$WORK/runc" run --detach --bundle "$b" runc > "$WORK/out" 2>&1 < /dev/null && RUNC=1
}

bench_exec() {
    local i
    start_idle idle
    start_crun
    start_runc
    for ((i = 0; i < $(times 50); i++)); do
        meter "$WORK/exec" "$AV" --root "$ROOT" exec idle /bin/true
        meter "$WORK/exec.floor" "${CRUN[@]}" exec crun /bin/true
        [ -z "$RUNC" ] || meter "$WORK/exec.runc" runc --root "$WORK/runc" exec runc /bin/true
    done
    [ -z "$RUNC" ] || runc --root "$WORK/runc" delete --force runc
    end_both idle
    row 'exec /bin/true (floor: crun)' ms "$WORK/exec" 1 "$WORK/exec.floor" -
    [ -z "$RUNC" ] || row 'exec /bin/true (floor: runc)' ms "$WORK/exec" 1 "$WORK/exec.runc" 2
}

# A container in the VM of another one. As engines give it, its environment has HOME.
bench_second() {
    local b i pid
    start_idle idle
    pid=$(proxy_of idle)
    b=$(fresh_bundle second "[\"/bin/true\"] | .process.env += [\"HOME=/root\"] | del(.hostname) |
        .linux.namespaces = [{type:\"pid\"}, {type:\"mount\"}, {type:\"ipc\",path:\"/proc/$pid/ns/ipc\"},
            {type:\"uts\",path:\"/proc/$pid/ns/uts\"}, {type:\"network\",path:\"/proc/$pid/ns/net\"}]")
    fresh_bundle floor '["/bin/true"]' > /dev/null
    for ((i = 0; i < $(times 25); i++)); do
        meter "$WORK/second.c" "$AV" --root "$ROOT" create --bundle "$b" second
        meter "$WORK/second.s" "$AV" --root "$ROOT" start second
        av timings --format json second |
            jq '[.phases[] | select(.name == "created" or .name == "started").took_us] | add' >> "$WORK/second.vm"
        until_ok 20 has_status second stopped
        av delete second
        meter "$WORK/floor.c" "${CRUN[@]}" create --bundle "$WORK/b/floor" floor
        meter "$WORK/floor.s" "${CRUN[@]}" start floor
        "${CRUN[@]}" delete --force floor
    done
    av delete --force idle
    paste "$WORK/second.c" "$WORK/second.s" | awk '{ print $1 + $3 }' > "$WORK/second"
    paste "$WORK/floor.c" "$WORK/floor.s" | awk '{ print $1 + $3 }' > "$WORK/second.floor"
    row 'second container in a VM' ms "$WORK/second.vm" 1 "$WORK/second.floor" 30 max
    row '  with our create and start' ms "$WORK/second" 1 "$WORK/second.floor" -
}

# Names of threads as the kernel cuts them; the VMM's and the guest's are not ours.
sum_ours() {
    awk '$1 ~ /^anyvisor(-proxy|-monito.*|$)/ { s += $NF } END { if (s) print s }' "$1"
}

bench_cpu() {
    local b i rc
    b=$(fresh_bundle cpu '["/bin/true"]')
    cat > "$WORK/cycle" <<X
set -e
"$AV" --root "$ROOT" create --bundle "$b" --pid-file "$WORK/cpu.pid" cpu
"$AV" --root "$ROOT" start cpu
tail --pid="\$(cat "$WORK/cpu.pid")" -s 0.01 -f /dev/null
"$AV" --root "$ROOT" delete cpu
X
    for ((i = 0; i < $(times 7); i++)); do
        "$TOOLS/taskcpu" -o "$WORK/tasks" bash "$WORK/cycle" > "$WORK/out" 2>&1 < /dev/null
        rc=$?
        if [ "$rc" = 124 ]; then no_figure 'CPU of create+start+delete' "$(tail -n 1 "$WORK/out")"; return; fi
        [ "$rc" = 0 ] || { sed 's/^/# cycle: /' "$WORK/out"; av delete --force cpu; continue; }
        sum_ours "$WORK/tasks" >> "$WORK/cpu"
    done
    row 'CPU of create+start+delete' ms "$WORK/cpu" 1 - 30 max
    awk '{ printf "#   %s %.1f ms\n", $1, $NF / 1000 }' "$WORK/tasks" | sort
}

# KiB of private memory, without what the plug-in and its libraries map.
private_kib() {
    awk -v plugin="$2" '
        /^[0-9a-f]+-[0-9a-f]+ / { file = $6; skip = plugin != "" && file ~ plugin; next }
        /^Private_(Clean|Dirty):/ && !skip { s += $2 }
        END { print s }' "/proc/$1/smaps"
}

bench_memory() {
    local i
    for ((i = 0; i < $(times 3); i++)); do
        start_idle idle
        private_kib "$(proxy_of idle)" '' >> "$WORK/mem.proxy"
        private_kib "$(monitor_of idle)" "/backends/" >> "$WORK/mem.monitor"
        av delete --force idle
    done
    row 'proxy, private memory' KiB "$WORK/mem.proxy" 1 - 300 max
    row 'monitor, private memory' KiB "$WORK/mem.monitor" 1 - 2048 max
}

switches() {  # of all threads of the processes: how often each has gone to sleep and was woken
    local p
    for p in "$@"; do cat /proc/"$p"/task/*/status; done | awk '/^voluntary_ctxt/ { s += $2 } END { print s }'
}

bench_wakeups() {
    local proxy monitor before
    start_idle idle
    proxy=$(proxy_of idle) monitor=$(monitor_of idle)
    read -r -t 1 < /dev/zero || true         # what follows a start has settled
    before=$(switches "$proxy" "$monitor")
    sleep "$IDLE_S"                          # the span that is measured
    echo $(($(switches "$proxy" "$monitor") - before)) > "$WORK/wakeups"
    av delete --force idle
    row "wake-ups in ${IDLE_S} s of idling" '' "$WORK/wakeups" 1 - 0 max
}

facts
# bare_init.c mounts with the same options
printf '# rootfs of ours and of bare QEMU in all rows: 9p, cache=mmap (the default)\n'
for name in "${names[@]}"; do
    declare -F "bench_$name" > /dev/null || { echo "run.sh: no figure '$name'" >&2; exit 2; }
    "bench_$name"
done
exit "$MISSING"
