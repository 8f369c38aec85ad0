#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds and runs every test: ./test.sh [-R REGEX] [--quick]
#   -R REGEX  only tests whose name matches
#   --quick   unit tests only, no sanitizer build, no fuzzing
# The last line is "N passed, M failed[, K skipped]"; the exit status says the same.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")"

select=() quick='' results=()
failed_stages=0

usage() { sed -n '3,6s/^# *//p' "$0"; }
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

# run_tests FOLDER CTEST-OPTION...
run_tests() {
    local folder=$1 junit
    junit=$PWD/$1/results.xml
    shift
    say "tests: $folder $*"
    rm -f -- "$junit"
    ctest --test-dir "$folder" --output-on-failure -j2 --timeout 600 \
        --output-junit "$junit" \
        ${select[0]+"${select[@]}"} "$@" || true
    [ -f "$junit" ] || { echo "ctest left no results in '$folder'" >&2; return 1; }
    results+=("$junit")
}

stage_default() {
    build_preset default && run_tests build ${quick:+-L unit}
}

stage_sanitizers() {
    build_preset asan && run_tests build-asan -L unit
}

# The fuzz targets run their corpora and then for a few seconds: ctest knows for how long.
stage_fuzz() {
    local targets
    if [ ! -f tests/fuzz/CMakeLists.txt ]; then
        say 'no fuzzing: there are no fuzz targets in tests/fuzz'
        return
    fi
    cmake --preset fuzz >/dev/null || return 1
    mapfile -t targets < <(ninja -C build-fuzz -t targets all | sed -n 's/^\(fuzz_[a-z0-9_]*\): .*/\1/p')
    build_preset fuzz "${targets[@]}" && run_tests build-fuzz -L fuzz
}

stage() {
    "$@" || { echo "stage '$1' failed" >&2; failed_stages=$((failed_stages + 1)); }
}

# ctest gives skipped tests and those it could not start the same status; the message tells. What
# failed is said once more at the end, for who sees only the end of a long log.
summary() {
    python3 - "$failed_stages" ${results[0]+"${results[@]}"} <<'EOF'
import re
import sys
import xml.etree.ElementTree as tree

LOOKS_BAD = re.compile(r"^not ok |^# .*\.c:\d+: |ERROR: |runtime error: |^ +#\d+ 0x.* in ")


def bad_lines(case):
    """The checks of a test that failed, each with what its output says of it."""
    lines, left = [], 0
    for line in (case.findtext("system-out") or "").splitlines():
        left = 8 if LOOKS_BAD.search(line) else left - 1
        if left > 0 and not line.startswith("ok "):
            lines.append("    " + line[:200])
    return lines[:40]


count = {"passed": 0, "failed": int(sys.argv[1]), "skipped": 0}
for path in sys.argv[2:]:
    for case in tree.parse(path).getroot().iter("testcase"):
        reason = case.find("skipped")
        message = reason.get("message", "") if reason is not None else ""
        if case.get("status") == "run":
            kind = "passed"
        elif message.startswith("SKIP_") or case.get("status") == "disabled":
            kind = "skipped"
        else:
            kind = "failed"
        count[kind] += 1
        if kind != "passed":
            print("%s: %s (%s) %s" % (kind, case.get("name"), path.split("/")[-2], message))
        if kind == "failed":
            print("\n".join(bad_lines(case)))
if count["passed"] + count["failed"] == 0:
    count["failed"] = 1
    print("failed: no test ran")
print("%(passed)d passed, %(failed)d failed" % count
      + (", %(skipped)d skipped" % count if count["skipped"] else ""))
sys.exit(1 if count["failed"] else 0)
EOF
}

parse_options "$@"
.ci/deps.sh test
stage stage_default
if [ -z "$quick" ]; then
    stage stage_sanitizers
    stage stage_fuzz
fi
echo
summary
