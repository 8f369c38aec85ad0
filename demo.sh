#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh Debian 12 (root, git) to a container in a VM of its own: installs what is missing,
# builds, makes an OCI bundle around busybox, runs it and says how long each phase took.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")"

build=$PWD/build
log=$build/demo.log
names=() times=()

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' off=$'\e[0m'; else bold='' dim='' off=''; fi

# Of a long output: the steps as a progress line (on a terminal) or every tenth of the way, and the
# lines with which our own scripts tell what they do.
progress() {
    awk -v tty="$([ -t 1 ] && echo 1)" '
        match($0, /^\[[0-9]+\/[0-9]+\]/) {
            split(substr($0, 2, RLENGTH - 2), n, "/")
            tenth = int(10 * n[1] / n[2])
            if (tty) printf "\r\033[K  %s", substr($0, 1, 76)
            else if (tenth != last && n[2] >= 10) print "  " n[1] " of " n[2] " steps"
            last = tenth; shown = tty; fflush(); next }
        /^(deps|guest image): / { if (shown) printf "\r\033[K"; shown = 0; print "  " $0; fflush() }
        END { if (shown) printf "\r\033[K" }'
}

# phase TITLE COMMAND...: runs it with its output in the log and remembers the time it took.
phase() {
    local title=$1 begin=${EPOCHREALTIME/./} took
    shift
    echo "${bold}$title${off}"
    if ! "$@" 2>&1 </dev/null | tee -a "$log" | progress; then
        echo "'$*' failed, the end of $log:" >&2
        tail -n 30 "$log" >&2
        exit 1
    fi
    took=$((${EPOCHREALTIME/./} - begin))
    names+=("$title") times+=("$took")
}

make_rootfs() {
    local d
    for d in bin dev etc proc root sys tmp; do
        mkdir -p "$1/$d"
    done
    cp /bin/busybox "$1/bin/busybox"
    for d in $(/bin/busybox --list); do
        [ "$d" = busybox ] || ln -s busybox "$1/bin/$d"
    done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
    echo 'root:x:0:' >"$1/etc/group"
}

# What the container runs. The host's own answers stand beside it for comparison.
inside() {
    cat <<'EOF'
show() { printf '  %-10s %s\n' "$1" "$2"; }
show kernel "$(uname -sr)"
show hostname "$(hostname)"
show user "$(id)"
show root "$(awk '$2 == "/" { print $3 }' /proc/mounts)"
show memory "$(awk '/MemTotal/ { print int($2 / 1024) " MiB" }' /proc/meminfo)"
show pid "$$"
EOF
}

# As much of an OCI configuration as a container needs, for a runtime that cannot write one.
plain_config() {
    cat <<'EOF'
{"ociVersion": "1.0.2", "root": {"path": "rootfs"},
 "process": {"cwd": "/", "user": {"uid": 0, "gid": 0}, "args": ["sh"], "noNewPrivileges": true,
  "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
  "capabilities": {"bounding": ["CAP_KILL"], "effective": ["CAP_KILL"], "permitted": ["CAP_KILL"]}},
 "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"},
  {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
  {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "nodev", "ro"]}],
 "linux": {"namespaces": [{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"},
  {"type": "network"}]}}
EOF
}

make_bundle() {
    mkdir -p "$1/rootfs"
    make_rootfs "$1/rootfs"
    (cd "$1" && "$build/bin/anyvisor" spec) || plain_config >"$1/config.json"
    jq --arg script "$(inside)" '.hostname = "anyvisor-demo" | .process.terminal = false
        | .process.args = ["/bin/sh", "-c", $script]' "$1/config.json" >"$1/config.new" &&
        mv "$1/config.new" "$1/config.json"
}

show_times() {
    local i total=0
    echo "${bold}Time of each phase${off}"
    for i in "${!names[@]}"; do
        total=$((total + times[i]))
        printf '  %-28s %6d.%d s\n' "${names[i]}" $((times[i] / 1000000)) $((times[i] / 100000 % 10))
    done
    printf '  %-28s %6d.%d s\n' total $((total / 1000000)) $((total / 100000 % 10))
}

run_container() {
    local begin=${EPOCHREALTIME/./} status=0
    echo "${bold}VM and container${off} ${dim}anyvisor run --bundle $tmp $id${off}"
    "$build/bin/anyvisor" run --bundle "$tmp" "$id" </dev/null || status=$?
    if [ "$status" != 0 ]; then
        echo "the container failed with status $status" >&2
        exit 1
    fi
    names+=('VM and container') times+=($((${EPOCHREALTIME/./} - begin)))
    echo "  ${dim}(the host: $(uname -sr), $(hostname))${off}"
}

clean_up() {
    "$build/bin/anyvisor" delete --force "$id" >/dev/null 2>&1 || true
    rm -rf -- "$tmp"
}

[ "$(id -u)" = 0 ] || { echo 'demo.sh needs root: packages, mounts and namespaces' >&2; exit 1; }
mkdir -p "$build"
: >"$log"
phase 'Packages' .ci/deps.sh demo
phase 'Configure' cmake -S . -B "$build" -G Ninja
phase 'Guest image' cmake --build "$build" --target guest-image
phase 'Build' cmake --build "$build"
tmp=$(mktemp -d)
id=demo-$$
trap clean_up EXIT
phase 'OCI bundle' make_bundle "$tmp"
run_container
show_times
