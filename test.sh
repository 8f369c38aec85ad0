#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs every test: ./test.sh [-R REGEX] [--quick]
#   -R REGEX  only tests whose name matches
#   --quick   unit tests only, no sanitizer build, no fuzzing
# A test that fails beside others is run once more alone; the summary names it whatever comes of that.
# What still runs after LIMIT minutes (75) fails, so that CI, which ends after 90, gets a summary.
# The last line is "N passed, M failed[, K skipped]"; the exit status says the same.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")"

select=() quick='' results=() times=()
failed_stages=0 builder='' builds=''
limit=$((60 * ${LIMIT:-75}))
stop_time=$(date -d "+$limit seconds" +%T)

usage() { sed -n '3,8s/^# *//p' "$0"; }
say() { printf '\n==> %s\n' "$*"; }

parse_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        -R) select=(-R "${2:?-R needs a regular expression}"); shift 2 ;;
        --quick) quick=1; shift ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
        esac
    done
}

# build_preset PRESET [TARGET...]: a stage that does not build counts as one failure.
build_preset() {
    local preset=$1
    shift
    say "build: $preset"
    cmake --preset "$preset" >/dev/null && cmake --build --preset "$preset" ${1:+--target "$@"}
}

# run_tests FOLDER CTEST-OPTION... Three at a time for two processors: tests also wait.
run_tests() {
    local folder=$1 junit again
    junit=$PWD/$1/results.xml again=$PWD/$1/again.xml
    shift
    say "tests: $folder $*"
    rm -f -- "$junit" "$again"
    ctest --test-dir "$folder" --output-on-failure -j3 --timeout 600 --stop-time "$stop_time" \
        --output-junit "$junit" \
        ${select[0]+"${select[@]}"} "$@" || true
    [ -f "$junit" ] || { echo "ctest left no results in '$folder'" >&2; return 1; }
    results+=("$junit")
    ! grep -q '<failure' "$junit" || run_alone "$folder" "$again"
}

# run_alone FOLDER JUNIT: what failed beside others, with the machine to itself, tells whether it was
# the code or the load. More than a few failures are no load.
run_alone() {
    [ "$(grep -c '<failure' "$1/results.xml")" -le 3 ] && [ "$SECONDS" -lt "$limit" ] || return 0
    say "tests that failed, alone: $1"
    ctest --test-dir "$1" --output-on-failure --rerun-failed --timeout 600 --stop-time "$stop_time" \
        --output-junit "$2" || true
}

stage_packages() {
    .ci/deps.sh test
}

build_fuzz() {
    local targets
    cmake --preset fuzz >/dev/null || return 1
    mapfile -t targets < <(ninja -C build-fuzz -t targets all | sed -n 's/^\(fuzz_[a-z0-9_]*\): .*/\1/p')
    build_preset fuzz "${targets[@]}"
}

# The other two builds take what the tests leave of the processors, for those also wait, and end one by one.
begin_builds() {
    builds=$(mktemp -d)
    trap 'rm -rf -- "$builds"' EXIT
    {
        chrt --idle --pid 0 "$BASHPID" || true
        build_preset asan unit-tests agent-native > "$builds/sanitizers" 2>&1 && touch "$builds/sanitizers.built"
        build_fuzz > "$builds/fuzz" 2>&1 && touch "$builds/fuzz.built"
    } &
    builder=$!
}

# built NAME: what its build said, which has ended by now; its status.
built() {
    wait "$builder" || true
    cat "$builds/$1"
    [ -e "$builds/$1.built" ]
}

stage_default() {
    build_preset default || return 1
    [ -n "$quick" ] || begin_builds
    run_tests build ${quick:+-L unit}
}

stage_sanitizers() {
    [ -n "$builder" ] || begin_builds
    built sanitizers && run_tests build-asan -L 'unit|sanitized'
}

# The fuzz targets run their corpora and then for a few seconds: ctest knows for how long.
stage_fuzz() {
    built fuzz && run_tests build-fuzz -L fuzz
}

stage() {
    local begin=$SECONDS
    "$@" || { echo "stage '$1' failed" >&2; failed_stages=$((failed_stages + 1)); }
    times+=("${1#stage_} $((SECONDS - begin)) s")
}

# ctest gives skipped tests and those it could not start the same status; the message tells. What
# failed is said once more at the end, for who sees only the end of a long log.
summary() {
    printf 'time: %s\n' "$(printf '%s, ' "${times[@]}")all $SECONDS s"
    python3 - "$failed_stages" ${results[0]+"${results[@]}"} <<'EOF'
import os
import re
import sys
import xml.etree.ElementTree as tree

LOOKS_BAD = re.compile(r"^not ok |^FAILED |^# .*\.c:\d+: |ERROR: |runtime error: |^ +#\d+ 0x.* in ")


def bad_lines(case):
    """The checks of a test that failed, each with what its output says of it."""
    lines, left = [], 0
    for line in (case.findtext("system-out") or "").splitlines():
        left = 8 if LOOKS_BAD.search(line) else left - 1
        if left > 0 and not line.startswith("ok "):
            lines.append("    " + line[:200])
    return lines[:40]


def passed_alone(path):
    """Names of the tests that failed among others and passed by themselves."""
    again = os.path.join(os.path.dirname(path), "again.xml")
    cases = tree.parse(again).getroot().iter("testcase") if os.path.exists(again) else ()
    return {case.get("name") for case in cases if case.get("status") == "run"}


count = {"passed": 0, "failed": int(sys.argv[1]), "skipped": 0}
took = []
for path in sys.argv[2:]:
    alone = passed_alone(path)
    for case in tree.parse(path).getroot().iter("testcase"):
        reason = case.find("skipped")
        message = reason.get("message", "") if reason is not None else ""
        if case.get("status") == "run":
            kind = "passed"
        elif message.startswith("SKIP_") or case.get("status") == "disabled":
            kind = "skipped"
        elif case.get("name") in alone:
            kind, message = "passed", "alone, having failed beside others: look why"
        else:
            kind = "failed"
        count[kind] += 1
        took.append((float(case.get("time") or 0), case.get("name")))
        if kind != "passed" or message:
            print("%s: %s (%s) %s" % (kind, case.get("name"), path.split("/")[-2], message))
        if case.get("status") == "fail":
            for line in bad_lines(case):
                print(line)
print("slowest:", ", ".join("%s %.0f s" % (name, s) for s, name in sorted(took, reverse=True)[:10]))
if count["passed"] + count["failed"] == 0:
    count["failed"] = 1
    print("failed: no test ran")
print("%(passed)d passed, %(failed)d failed" % count
      + (", %(skipped)d skipped" % count if count["skipped"] else ""))
sys.exit(1 if count["failed"] else 0)
EOF
}

parse_options "$@"
stage stage_packages
stage stage_default
if [ -z "$quick" ]; then
    stage stage_sanitizers
    stage stage_fuzz
fi
echo
summary
