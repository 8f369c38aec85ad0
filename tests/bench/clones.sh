# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # MISSING and here are those of run.sh
# SPDX-License-Identifier: Apache-2.0
#
# clones.sh - the figures of VMs that are clones of a template. Sourced by run.sh.
#
# Other work on the machine moves times by a factor of two, CPU time far less: so starts are run by
# taskcpu, which counts all processes that they leave behind, too.

# From here on VMs are clones (or, with `off`, no more); false where the back-end has none.
templates() {
    mkdir -p "$WORK/etc/conf.d"
    printf '  template: %s\ntemplates: {dir: "%s"}\n' "$1" "$WORK/templates" > "$WORK/etc/conf.d/template.yaml"
    sed -i '1i version: 1\ndefaults:' "$WORK/etc/conf.d/template.yaml"
    [ "$1" = off ] || av template build "$(fresh_bundle clone '["/bin/true"]')" > /dev/null 2>&1
}

# metered FILE CMD...: a sample of wall time, and one of CPU time in FILE.cpu: "ALL VMM".
metered() {
    local file=$1
    shift
    rm -f "$WORK/tasks"
    "$TOOLS/taskcpu" -o "$WORK/tasks" "$TOOLS/meter" -o "$file" "$@" > "$WORK/out" 2>&1 < /dev/null ||
        printf '# %s: %s\n' "${file##*/}" "$(tail -n 3 "$WORK/out" | tr '\n' ' ')" >&2
    [ ! -s "$WORK/tasks" ] ||
        awk '{ all += $NF } /^(qemu|CPU |IO )/ { vmm += $NF } END { print all, vmm + 0 }' "$WORK/tasks" >> "$file.cpu"
}

# What a phase of a clone's start took, by `anyvisor timings`, into one file each.
clone_phases() {
    local b
    b=$(fresh_bundle clone '["sleep","1000"]')
    av create --bundle "$b" clone > /dev/null 2>&1 < /dev/null
    av start clone
    av timings --format json clone | jq -r '.phases[] | "\(.name) \(.took_us)"' |
        while read -r phase us; do echo "$us" >> "$WORK/clone.phase.$phase"; done
    av delete --force clone
}

# Its template is saved from bare QEMU with the same machine; WORK/bare is then to be cloned, and
# WORK/contained, whose program is in a container: what that costs in a guest at the least.
prepare_bare_clone() {
    mkdir -p "$WORK/bare" "$WORK/contained"
    prepare_baseline "$1" && python3 "$here/bare_clone.py" save "$WORK/qemu" "$WORK/bare" &&
        python3 "$here/bare_clone.py" save "$WORK/qemu" "$WORK/contained" --container
}

bare_clone() {  # bare_clone bare|contained
    python3 "$here/bare_clone.py" clone "$WORK/qemu" "$WORK/$1" >> "$WORK/clone.$1"
}

clone_rows() {
    local phase i=3
    row 'clone run (floor: crun)' ms "$WORK/clone" 1 "$WORK/clone.crun" -
    [ ! -s "$WORK/clone.runc" ] || row 'clone run (floor: runc)' ms "$WORK/clone" 1 "$WORK/clone.runc" -
    if [ -s "$WORK/clone.bare" ]; then
        row 'clone run (floor: bare QEMU)' ms "$WORK/clone" 1 "$WORK/clone.bare" 1.3
        awk '{ print $2, $2 }' "$WORK/clone.bare" > "$WORK/clone.bare.cpu"
        row '  CPU of all' ms "$WORK/clone.cpu" 1 "$WORK/clone.bare.cpu" 1.3
        row '  CPU of QEMU' ms "$WORK/clone.cpu" 2 "$WORK/clone.bare.cpu" -
        row '  (floor: bare, in a container)' ms "$WORK/clone" 1 "$WORK/clone.contained" -
        awk '{ print $2, $2 }' "$WORK/clone.contained" > "$WORK/clone.contained.cpu"
        row '  CPU of QEMU' ms "$WORK/clone.cpu" 2 "$WORK/clone.contained.cpu" -
    fi
    for phase in plugin_loaded vm_created vm_started hello setup created started; do
        row "  $phase" ms "$WORK/clone.phase.$phase" 1 - -
    done
    [ -s "$WORK/clone.bare" ] || return
    for phase in greeting loaded resumed answered ended; do
        row "  bare QEMU: $phase" ms "$WORK/clone.bare" $((i++)) - -
    done
}

bench_clone() {
    local b i bare
    b=$(fresh_bundle clone '["/bin/true"]')
    bare=
    if [ "$BACKEND" != fake ]; then
        if prepare_bare_clone "$b"; then bare=1; else no_figure 'bare clone' 'no bare QEMU (cpio, python3, musl-gcc?)'; MISSING=1; fi
    fi
    if ! templates shared; then no_figure 'clone run' "back-end $BACKEND has no templates"; templates off; return; fi
    for ((i = 0; i < $(times 15); i++)); do
        [ -z "$bare" ] || { bare_clone bare; bare_clone contained; }
        metered "$WORK/clone" "$AV" --root "$ROOT" run --bundle "$b" clone
        meter "$WORK/clone.crun" "${CRUN[@]}" run --bundle "$b" clone
        [ ! -x "$(command -v runc)" ] || meter "$WORK/clone.runc" runc --root "$WORK/runc" run --bundle "$b" clone
    done
    for ((i = 0; i < $(times 5); i++)); do clone_phases; done
    clone_rows
    templates off
}

# What an extra clone may add to the memory of all: without its share of what they have in common anyway.
EXTRA_MAX=21484                         # KiB: 22 MB

# N idle clones, idle1 to idleN; into WORK/pss of each its PSS and what one of the second half has added.
start_clones() {
    local i n=$1 pids=() before=0 added
    for ((i = 1; i <= n; i++)); do
        start_idle "idle$i"
        mapfile -t -O ${#pids[@]} pids < <(processes_of "idle$i")
        [ "$i" != $((n / 2)) ] || before=$(total_kib "${pids[@]}")
    done
    added=$((($(total_kib "${pids[@]}") - before) / (n - n / 2)))
    for ((i = 1; i <= n; i++)); do echo "$(pss_kib "idle$i") $added" >> "$WORK/pss"; done
}

bench_clones() {
    local i n processes bare=-
    n=$(times 5)
    [ "$BACKEND" = fake ] || ! prepare_bare_clone "$(fresh_bundle clone '["/bin/true"]')" ||
        { python3 "$here/bare_clone.py" idle "$WORK/qemu" "$WORK/bare" "$n" > "$WORK/pss.bare" && bare=$WORK/pss.bare; }
    if ! templates shared; then no_figure 'memory of a clone' "back-end $BACKEND has no templates"; templates off; return; fi
    start_clones "$n"
    echo '# of one, KiB of PSS, of that private and changed, and in huge pages:'
    mapfile -t processes < <(processes_of idle1)
    python3 "$here/memory_parts.py" "${processes[@]}"
    for ((i = 1; i <= n; i++)); do av delete --force "idle$i"; done
    templates off
    start_idle idle
    pss_kib idle > "$WORK/pss.floor"
    av delete --force idle
    row 'idle clone, PSS (floor: booted)' KiB "$WORK/pss" 1 "$WORK/pss.floor" -
    [ "$bare" = - ] || row '  (floor: bare QEMU)' KiB "$WORK/pss" 1 "$bare" -
    row "  added by an extra one of $n" KiB "$WORK/pss" 2 "$bare" "$EXTRA_MAX" max
}

# Many at once must not cost more than one after the other: no storm, no lock that spins.
bench_burst() {
    local b i n
    n=$(times 20)
    if ! templates shared; then no_figure 'burst' "back-end $BACKEND has no templates"; templates off; return; fi
    for ((i = 1; i <= n; i++)); do
        b=$(fresh_bundle "burst$i" '["/bin/true"]')
        printf '"%s" --root "%s" run --bundle "%s" burst%s &\n' "$AV" "$ROOT" "$b" "$i"
    done > "$WORK/burst.sh"
    echo wait >> "$WORK/burst.sh"
    for ((i = 1; i <= n; i++)); do
        metered "$WORK/single" "$AV" --root "$ROOT" run --bundle "$WORK/b/burst$i" "burst$i"
    done
    metered "$WORK/burst" bash "$WORK/burst.sh"
    awk '{ s += $1 } END { print s }' "$WORK/single.cpu" > "$WORK/burst.floor"
    row "CPU of $n starts at once" ms "$WORK/burst.cpu" 1 "$WORK/burst.floor" 1.2
    templates off
}

cpu_us() {  # of all threads of the processes
    local p
    for p in "$@"; do cat "/proc/$p"/task/*/schedstat; done | awk '{ s += $1 } END { printf "%d\n", s / 1000 }'
}

# PSS of one of them when there are a fifth and when there are all: the same is linear.
bench_idle() {
    local i j n few pids=() before total_few
    n=$(times 50)
    few=$(((n + 4) / 5))
    if ! templates shared; then no_figure 'idle sandboxes' "back-end $BACKEND has no templates"; templates off; return; fi
    for ((i = 1; i <= n; i++)); do
        start_idle "idle$i"
        mapfile -t -O ${#pids[@]} pids < <(processes_of "idle$i")
        [ "$i" = "$few" ] || continue
        total_few=$(total_kib "${pids[@]}")
        for ((j = 1; j <= few; j++)); do pss_kib "idle$j" >> "$WORK/idle.few"; done
    done
    for ((i = 1; i <= n; i++)); do pss_kib "idle$i" >> "$WORK/idle.all"; done
    [ "$n" = "$few" ] || echo $((($(total_kib "${pids[@]}") - total_few) / (n - few))) > "$WORK/idle.added"
    before=$(cpu_us "${pids[@]}")
    sleep "$IDLE_S"                          # the span that is measured
    echo $((($(cpu_us "${pids[@]}") - before) / n)) > "$WORK/idle.cpu"
    for ((i = 1; i <= n; i++)); do av delete --force "idle$i"; done
    templates off
    row "one of $n idle, PSS (floor: of $few)" KiB "$WORK/idle.all" 1 "$WORK/idle.few" 1.05
    [ "$n" = "$few" ] || row "  added by each of the last $((n - few))" KiB "$WORK/idle.added" 1 - "$EXTRA_MAX" max
    row "CPU of each in ${IDLE_S} s of idling" ms "$WORK/idle.cpu" 1 - 1 max
}
