# shellcheck shell=bash
# shellcheck disable=SC2034 # MISSING is for who sources this
# SPDX-License-Identifier: Apache-2.0
#
# figures.sh - how a figure is taken and shown: samples in files, a line of the table for each. Sourced
# by run.sh and storage.sh after lib.sh; needs WORK, BACKEND and $runs.

TOOLS=$AV_BUILD/tests/bench
MISSING=0                               # 1 when a figure could not be taken

times() {  # times DEFAULT: how often a figure is taken
    echo "${runs:-$1}"
}

# row FIGURE UNIT OURS-FILE COLUMN FLOOR-FILE|- TARGET [max]: a line of the table. TARGET is a ratio,
# or with max an upper limit in the unit. Values are microseconds for ms, else as they are.
row() {
    local scale=1
    [ "$2" != ms ] || scale=1000
    if [ ! -s "$3" ] || { [ "$5" != - ] && [ ! -s "$5" ]; }; then
        printf '%-34s no figure\n' "$1"
        MISSING=1
        return
    fi
    awk -v name="$1" -v unit="$2" -v col="$4" -v scale="$scale" -v target="$6" -v max="${7:-}" \
        -v floor="$5" '
        function sort(a, n,   i, j, t) {
            for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j - 1] > a[j]; j--) {
                t = a[j]; a[j] = a[j - 1]; a[j - 1] = t } }
        function median(a, n) { return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2 }
        FILENAME == floor { f[++nf] = $col / scale; next }
        { o[++no] = $col / scale }
        END {
            sort(o, no); sort(f, nf)
            line = sprintf("%-34s%10.1f%10.1f", name, o[1], median(o, no))
            if (nf) { rmin = f[1] ? o[1] / f[1] : 0; rmed = median(f, nf) ? median(o, no) / median(f, nf) : 0
                line = line sprintf("%10.1f%10.1f%8.2f%8.2f", f[1], median(f, nf), rmin, rmed) }
            else line = line sprintf("%10s%10s%8s%8s", "-", "-", "-", "-")
            ok = max ? median(o, no) <= target : rmed <= target
            near = !ok && !max && rmin <= target
            print line sprintf("%6d  %-4s %s", no, unit, target == "-" ? "" : \
                (max ? "<= " target : "<= " target " x") (ok ? "  met" : near ? "  met by min" : "  MISSED"))
        }' "$3" "${5/#-/\/dev\/null}"
}

no_figure() {
    printf '%-34s skipped: %s\n' "$1" "$2"
}

facts() {
    local accel
    accel=$(av backends 2>/dev/null | awk -v b="$BACKEND" '$1 == b' | tr -s ' ')
    printf '# %s, %s cores (%s), load %s, Linux %s\n' "$(date -u +%Y-%m-%d)" "$(nproc)" \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
        "$(cut -d' ' -f1-3 /proc/loadavg)" "$(uname -r)"
    printf '# %s; %s\n' "$(qemu-system-x86_64 --version 2>/dev/null | head -n 1)" \
        "$(crun --version 2>/dev/null | head -n 1)"
    printf '# back-end: %s\n' "$accel"
    printf '%-34s%10s%10s%10s%10s%8s%8s%6s\n' FIGURE MIN MEDIAN 'FLOOR MIN' MEDIAN 'RATIO' MEDIAN N
}

# crun knows no newer version of the specification than this.
fresh_bundle() {
    rm -rf "$WORK/b/$1"
    bundle "$1" ".ociVersion=\"1.0.2\" | .process.args=$2"
}

meter() {  # meter FILE CMD...: a sample; a failure is said and gives none
    local file=$1
    shift
    "$TOOLS/meter" -o "$file.new" "$@" > "$WORK/out" 2>&1 < /dev/null
    local rc=$?
    if [ "$rc" = 0 ]; then
        cat "$file.new" >> "$file"
    else
        printf '# %s: status %s: %s\n' "${file##*/}" "$rc" "$(tail -n 3 "$WORK/out" | tr '\n' ' ')" >&2
    fi
    rm -f "$file.new"
}

# The image that a VM for this bundle boots: the floor has its modules, or none with the small kernel.
image_of() {
    av explain --format json "$1" | jq -r .plan.image
}

# The QEMU of the sandbox ID: the one that names it.
qemu_of() {
    local p
    for p in /proc/[0-9]*; do
        tr '\0' ' ' 2>/dev/null < "$p/cmdline" | grep -q -- "^[^ ]*qemu[^ ]* .*guest=anyvisor-$1 " || continue
        grep -qzF -- "$WORK" "$p/cmdline" 2>/dev/null && echo "${p#/proc/}"
    done
}

monitor_of() {
    cut -d' ' -f1 "$ROOT/$1/monitor"
}

proxy_of() {
    av state "$1" | jq -r .pid
}

processes_of() {
    qemu_of "$1"
    monitor_of "$1"
    proxy_of "$1"
}

# KiB of memory that would be free without these processes: a shared page counts for its share.
total_kib() {
    local p
    for p in "$@"; do cat "/proc/$p/smaps_rollup"; done | awk '/^Pss:/ { s += $2 } END { print s + 0 }'
}

pss_kib() {  # of the sandbox ID
    local processes
    mapfile -t processes < <(processes_of "$1")
    total_kib "${processes[@]}"
}
