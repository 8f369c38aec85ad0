# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# warm.sh - the figures of VMs of a pool. Sourced by run.sh, after clones.sh.

# pools SIZE: of all classes; 0 = none, and those that wait are ended.
pools() {
    mkdir -p "$WORK/etc/conf.d"
    printf 'version: 1\ndefaults:\n  pool: {size: %s}\n' "$1" > "$WORK/etc/conf.d/pool.yaml"
    [ "$1" != 0 ] || { av pool drain; rm -f "$WORK/etc/conf.d/pool.yaml"; }
}

waiting() { # the monitors of those that wait
    av pool status --format json | jq -r '.[] | select(.state == "ready").monitor'
}

one_waits() {
    [ "$(waiting | wc -l)" = 1 ]
}

four_wait() {   # of the kind of bundle $1; whoever fills the pool just now has the former size
    av pool fill "$1"
    [ "$(waiting | wc -l)" = 4 ]
}

# KiB of each that waits: its monitor, and whom that has started. What clones share counts for its share,
# so there are as many as a pool would have.
members_pss() {
    local monitor p
    pools 4
    until_ok 120 four_wait "$1"
    for monitor in $(waiting); do
        for p in "$monitor" $(pgrep -P "$monitor"); do cat "/proc/$p/smaps_rollup"; done |
            awk '/^Pss:/ { s += $2 } END { print s }' >> "$WORK/member"
    done
}

# The next one is made between two samples, not during one. Where there are templates it is a clone.
bench_warm() {
    local b i phase
    b=$(fresh_bundle warm '["/bin/true"]')
    templates shared || templates off
    pools 1
    if ! av pool fill "$b" > "$WORK/out" 2>&1; then
        no_figure 'warm run' "$(tail -n 1 "$WORK/out")"
        pools 0
        templates off
        return
    fi
    for ((i = 0; i < $(times 15); i++)); do
        until_ok 120 one_waits
        meter "$WORK/warm" "$AV" --root "$ROOT" run --bundle "$b" warm
        until_ok 120 one_waits
        meter "$WORK/warm.crun" "${CRUN[@]}" run --bundle "$b" warm
        [ ! -x "$(command -v runc)" ] || meter "$WORK/warm.runc" runc --root "$WORK/runc" run --bundle "$b" warm
    done
    b=$(fresh_bundle warm '["sleep","1000"]')
    for ((i = 0; i < $(times 5); i++)); do
        until_ok 120 one_waits
        av create --bundle "$b" warm > /dev/null 2>&1 < /dev/null
        av start warm
        av timings --format json warm | jq -r '.phases[] | "\(.name) \(.took_us)"' |
            while read -r phase us; do echo "$us" >> "$WORK/warm.phase.$phase"; done
        av delete --force warm
    done
    members_pss "$b"
    pools 0
    templates off
    row 'warm run (floor: crun)' ms "$WORK/warm" 1 "$WORK/warm.crun" -
    [ ! -s "$WORK/warm.runc" ] || row 'warm run (floor: runc)' ms "$WORK/warm" 1 "$WORK/warm.runc" 3
    for phase in vm_started setup create_asked created start_asked started; do
        row "  $phase" ms "$WORK/warm.phase.$phase" 1 - -
    done
    row 'one of 4 VMs that wait, PSS' KiB "$WORK/member" 1 - 61440 max
}
