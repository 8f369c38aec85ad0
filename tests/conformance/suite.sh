#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# suite.sh - the OCI runtime-tools validation suite against anyvisor: suite.sh fake|kvm [PROGRAM...]
# Every program's result must be the one that suite.expected records, in either direction. The
# suite is the Go module that suite/go.mod pins. SUITE_PRINT=1 only prints the results, and
# SUITE_RUNTIME=/path/to/runc those of another runtime.

# In a mount namespace of its own, where it mounts the controllers that the suite looks for.
[ -n "${SUITE_NS:-}" ] || exec env SUITE_NS=1 unshare --mount --propagation slave "$0" "$@"

. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/conformance/gosuite.sh
. "$(dirname "$0")/gosuite.sh"

[ -x "$AV" ] || { echo "no anyvisor in AV_BUILD" >&2; exit 1; }
MODULE=github.com/opencontainers/runtime-tools
CONFORMANCE=$(cd "$(dirname "$0")" && pwd)
EXPECTED=$CONFORMANCE/suite.expected
PROGRAM_LIMIT=300

# The programs and runtimetest.
build() {
    mkdir -p "$SUITE/bin"
    go build -p 2 -ldflags='-s -w' -o "$SUITE/bin/" "$MODULE/validation/..." &&
        go build -ldflags='-s -w' -o "$SUITE/runtimetest" "$MODULE/cmd/runtimetest"
}

# What the programs look for in their working folder. Containers with a user namespace must be able
# to reach their rootfs.
prepare() {
    RUN=$WORK/run
    chmod 0711 "$WORK"
    mkdir -p "$RUN" "$WORK/tmp" "$WORK/results"
    tar -czf "$RUN/rootfs-$(go env GOARCH).tar.gz" -C "$WORK/rootfs" .
    ln "$SUITE/runtimetest" "$RUN/runtimetest" 2>/dev/null || cp "$SUITE/runtimetest" "$RUN/"
    printf '#!/bin/sh\nexec %s "$@"\n' "${SUITE_RUNTIME:-$AV --root $ROOT}" > "$WORK/runtime"
    chmod +x "$WORK/runtime"
}

MOUNTED=()

# Controllers of v1 that nobody uses: the suite knows of v1 only. They are mounted where only we
# see them, for others take a folder in /sys/fs/cgroup as a controller, and go back at the end.
mount_controllers() {
    local old=$WORK/cgroup c dir
    mkdir "$old"
    mount --rbind /sys/fs/cgroup "$old"
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    for dir in "$old"/*/; do
        c=$(basename "$dir")
        mkdir "/sys/fs/cgroup/$c"
        mount --bind "$dir" "/sys/fs/cgroup/$c"
    done
    umount -R "$old"
    for c in hugetlb net_cls net_prio; do
        dir=/sys/fs/cgroup/$c
        [ ! -d "$dir" ] && mkdir "$dir" && mount -t cgroup -o "$c" cgroup "$dir" 2>/dev/null &&
            MOUNTED+=("$c")
    done
}

# The kernel gives a controller back when its hierarchy is unmounted while empty; removed cgroups
# are gone only a moment later.
controller_is_back() {
    grep -q ":$1:" /proc/self/cgroup || return 0
    mount -t cgroup -o "$1" cgroup "/sys/fs/cgroup/$1" && umount "/sys/fs/cgroup/$1"
    return 1
}

unmount_controllers() {
    local c
    for c in ${MOUNTED[0]+"${MOUNTED[@]}"}; do
        rmdir "/sys/fs/cgroup/$c"/{cgrouptest,testdir/cgrouptest,testdir} 2>/dev/null
        umount "/sys/fs/cgroup/$c"
        until_ok 10 controller_is_back "$c"
    done
    MOUNTED=()
}

# lacks NAME: which controller that program NAME needs is not there.
lacks() {
    local c
    case $1 in *_hugetlb) c=hugetlb ;; *_network) c=net_cls ;; *) return 1 ;; esac
    ! mountpoint -q "/sys/fs/cgroup/$c" && echo "$c"
}

# run_program NAME: its output and verdict below WORK/results.
run_program() {
    local out=$WORK/results/$1 rc
    mkdir -p "$WORK/tmp/$1"
    chmod 0711 "$WORK/tmp/$1"
    (cd "$RUN" && RUNTIME=$WORK/runtime TMPDIR=$WORK/tmp/$1 \
        timeout -k 5 "$PROGRAM_LIMIT" "$SUITE/bin/$1" > "$out.tap" 2> "$out.err" < /dev/null)
    rc=$?
    # A YAML block's lines are indented: these are the program's own points.
    awk -v name="$1" -v rc="$rc" '
        /^ok / { ok++ } /^not ok / { bad++ }
        END {
            verdict = rc || bad ? "FAIL" : ok ? "PASS" : "QUIET"
            printf "%s %s %d/%d\n", name, verdict, ok, bad
        }' "$out.tap" > "$out.result"
}

# Two at a time; those that name the same cgroup are one chain, which comes first.
run_all() {
    local chain=() rest=() name
    for name in "$@"; do
        case $name in
        linux_cgroups_* | delete_*) chain+=("$name") ;;
        *) rest+=("$name") ;;
        esac
    done
    export WORK RUN SUITE PROGRAM_LIMIT
    export -f run_program
    printf '%s\n' ${chain[0]+"${chain[*]}"} ${rest[0]+"${rest[@]}"} |
        xargs -P 2 -I{} bash -c 'for name in {}; do run_program $name; done'
}

# expected NAME: "VERDICT OK/BAD REASON"; a line for this back-end alone wins.
expected() {
    awk -v name="$1" -v backend="$BACKEND" '
        $1 != name { next }
        { line = $0; sub(/^[^ ]+ +[^ ]+ +/, "", line) }
        $2 == backend { own = line }
        $2 == "all" { all = line }
        END { print own ? own : all }' "$EXPECTED"
}

# Programs to run, one a line; what is not run says why.
choose() {
    local name verdict reason c
    for name in "$@"; do
        read -r verdict _ reason <<< "$(expected "$name")"
        if c=$(lacks "$name"); then
            skip "$name" "the cgroup controller $c cannot be mounted here" >&2
        elif [ "$verdict" = SKIP ] && [ -z "${SUITE_PRINT:-}" ]; then
            skip "$name" "$reason" >&2
        else
            echo "$name"
        fi
    done
}

show() {
    grep -A6 '^not ok' "$WORK/results/$1.tap" | head -n 25
    tail -n 5 "$WORK/results/$1.err"
}

# The suite's own races have no verdict to hold it to.
judge() {
    local name got want counts reason
    for name in "$@"; do
        got=$(cut -d' ' -f2- "$WORK/results/$name.result")
        read -r want counts reason <<< "$(expected "$name")"
        case "$want $counts" in
        'RACE -') skip "$name $got" "$reason" ;;
        "$got") result "$name $got" 0 ;;
        *)
            result "$name" 1 "expected '${want:-nothing: it is not in suite.expected} $counts', got '$got'
$(show "$name")"
            ;;
        esac
    done
}

# A line for a program that is gone would never be looked at.
all_names_exist() {
    grep -vE '^(#|$)' "$EXPECTED" | cut -d' ' -f1 | sort -u |
        while read -r name; do [ -x "$SUITE/bin/$name" ] || echo "$name"; done
}

main() {
    local programs
    go_suite suite build
    setup "$1"
    clones # what a container is made like, not how its VM boots, is what the programs look at
    shift
    prepare
    trap 'rc=$?; unmount_controllers; (exit $rc); leave' EXIT
    mount_controllers
    if [ $# = 0 ]; then
        cd "$SUITE/bin" && set -- * && cd "$WORK" || exit 1
    fi
    mapfile -t programs < <(choose "$@")
    run_all "${programs[@]}"
    if [ -n "${SUITE_RUNTIME:-}${SUITE_PRINT:-}" ]; then
        (cd "$WORK/results" && cat ./*.result && cut -d' ' -f2 ./*.result | sort | uniq -c)
        return
    fi
    judge "${programs[@]}"
    same "every line of suite.expected has its program" "" "$(all_names_exist)"
    finish
}

main "$@"
