# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# lib.sh - what every integration test shares: a private root, a configuration for one back-end,
# bundles, checks, and the proof at the end that nothing is left. Sourced by tests/integration/*.sh:
#
#     . "$(dirname "$0")/lib.sh"
#     setup "$1"                       # back-end: fake or kvm
#     check "exit status" 5 '' av run --bundle "$(bundle b '.process.args=["sh","-c","exit 5"]')" c1
#     finish
#
# Needs AV_BUILD (the build folder), set by ctest. Output is TAP-like; the exit status is 0 when
# every check passed.
#
# Where a VM is slow to boot, one serves several scripts: AV_POD is the id of a container in AV_POD_ROOT
# (in_one_vm sets both), and then all bundles here are of containers that join its VM.

set -u
BACKEND=fake
PASSED=0
FAILED=0
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
AV_BUILD=${AV_BUILD:-$HERE/../../build}
AV_BUILD=$(cd "$AV_BUILD" && pwd)
AV=$AV_BUILD/bin/anyvisor
LIMIT=${LIMIT:-90}                      # seconds that one command may take

# setup BACKEND: WORK, the configuration, and the clean-up on every way out.
setup() {
    BACKEND=$1
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/av-test.XXXXXX")
    ROOT=${AV_POD_ROOT:-$WORK/root}
    mkdir -p "$WORK/etc/plugins.d" "$WORK/b"
    install -m 0644 "$AV_BUILD"/etc/anyvisor/plugins.d/*.yaml "$WORK/etc/plugins.d/"
    [ "$BACKEND" != fake ] || install -m 0644 "$AV_BUILD/tests/fake/fake.yaml" "$WORK/etc/plugins.d/"
    cat > "$WORK/etc/anyvisor.yaml" <<X
version: 1
plugins_dir: plugins.d
defaults:
  hypervisor: [$BACKEND]
  vm: {memory: 256MiB, vcpus: 1}
X
    [ -z "${AV_POD:-}" ] || LIMIT=240
    [ "$BACKEND" != xen ] || setup_xen
    [ -z "${AV_BOOT_TIMEOUT:-}" ] || setup_slow
    export ANYVISOR_CONFIG=$WORK/etc/anyvisor.yaml
    unset NOTIFY_SOCKET
    make_rootfs "$WORK/rootfs"
    trap 'leave' EXIT
    trap 'exit 130' INT TERM
}

# clones: from here on, for a script or the part of one that does not test how a VM boots: its VMs are clones of templates
# that all such scripts of a build folder share, a tenth of a boot's CPU time. What a template belongs to
# includes its descriptor's path: the build folder's own, not a copy. COLD=1 boots all the same.
clones() {
    [ "$BACKEND" = kvm ] && [ -z "${AV_POD:-}${COLD:-}" ] && [ -w "$AV_BUILD" ] || return 0
    cp "$WORK/etc/anyvisor.yaml" "$WORK/etc/boots.yaml"
    sed -i "s|^plugins_dir: .*|plugins_dir: $AV_BUILD/etc/anyvisor/plugins.d|; s|^defaults:|&\n  template: shared|" \
        "$WORK/etc/anyvisor.yaml"
    echo "templates: {dir: $AV_BUILD/templates}" >> "$WORK/etc/anyvisor.yaml"
}

# no_clones: from here on VMs boot again, with the configuration of before.
no_clones() {
    [ ! -f "$WORK/etc/boots.yaml" ] || mv "$WORK/etc/boots.yaml" "$WORK/etc/anyvisor.yaml"
}

# Only in tests/rigs/xen, whose VMs are slow to boot: XEN_TYPE is pvh or pv.
setup_xen() {
    LIMIT=450
    # What the scripts use: each bundle has a copy of each link, which a dom0 without haste makes.
    APPLETS="[ ash awk basename cat chmod chown cp cut date dd df dirname dmesg echo env false find grep head hostname
        id ip kill ln ls md5sum mkdir mkfifo mknod mount mv nc nproc ping printenv printf ps pwd readlink rm rmdir route
        sed seq sh sha256sum sleep sort stat stty sync sysctl tail tee test touch tr true truncate tty umount uname wc
        wget which xargs yes"
    sed -i 's/^defaults:/&\n  boot_timeout: 400s/' "$WORK/etc/anyvisor.yaml"
    sed -i "s/type: .*/type: ${XEN_TYPE:-pvh}/" "$WORK/etc/plugins.d/xen.yaml"
}

# For a script that knows nothing of the rig in which it runs: VMs have AV_BOOT_TIMEOUT seconds, and their kernels
# AV_KERNEL_ARGS.
setup_slow() {
    sed -i "s/^defaults:/&\n  boot_timeout: ${AV_BOOT_TIMEOUT}s/; s/vcpus: 1}/vcpus: 1, kernel_args: \"${AV_KERNEL_ARGS:-}\"}/" \
        "$WORK/etc/anyvisor.yaml"
}

# The runtime under test, with this test's own root and a time limit.
av() {
    timeout --foreground -k 10 "$LIMIT" "$AV" --root "$ROOT" "$@"
}

make_rootfs() {
    mkdir -p "$1"/{bin,dev,etc,home,proc,root,sys,tmp,usr/bin,var}
    cp /bin/busybox "$1/bin/"
    # One process for all links: in a rig's dom0 300 forks take ten seconds.
    # shellcheck disable=SC2016,SC2086 # Perl's; words
    BIN=$1/bin perl -e 'symlink "busybox", "$ENV{BIN}/$_" for grep { $_ ne "busybox" } @ARGV' -- \
        ${APPLETS:-$(busybox --list)}
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' > "$1/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' > "$1/etc/group"
}

# own: the ids of this script's containers
own() {
    av list --quiet 2>/dev/null | grep -vxF "${AV_POD:-/}"
}

# in_pod ID: a jq filter that makes a bundle one of a container that joins that one's VM
in_pod() {
    local pid
    pid=$(state_word "$1" pid)
    printf 'del(.hostname) | .linux.namespaces=[{type:"pid"},{type:"mount"},{type:"ipc",path:"/proc/%s/ns/ipc"},' "$pid"
    printf '{type:"uts",path:"/proc/%s/ns/uts"},{type:"network",path:"/proc/%s/ns/net"}] | ' "$pid" "$pid"
    printf '.annotations={"io.kubernetes.cri.container-type":"container","io.kubernetes.cri.sandbox-id":"%s"}' "$1"
}

# in_one_vm ID SCRIPT...: the scripts of this folder (or ../FOLDER/SCRIPT) run their containers in that VM.
in_one_vm() {
    local pod=$1 script
    shift
    for script in "$@"; do
        printf '# %s (at %s s)\n' "$script" "$(cut -d' ' -f1 /proc/uptime)"
        AV_POD=$pod AV_POD_ROOT=$ROOT "$HERE/$script.sh" "$BACKEND"
        same "$script.sh passes in it" 0 $?
    done
}

# bundle NAME [JQ-FILTER]: prints the folder of a new busybox bundle without a terminal.
bundle() {
    local dir=$WORK/b/$1
    mkdir -p "$dir"
    cp -a "$WORK/rootfs" "$dir/rootfs"
    "$AV" spec --bundle "$dir" >/dev/null || return 1
    jq ".linux.cgroupsPath=\"/av-test-${WORK##*.}/$1\" | .process.terminal=false | .root.readonly=false | .process.args=[\"true\"] | ${AV_POD:+$(in_pod "$AV_POD") |} ${2:-.}" \
        "$dir/config.json" > "$dir/config.new" && mv "$dir/config.new" "$dir/config.json"
    printf '%s\n' "$dir"
}

# far_rootfs ARCH: every bundle's busybox is Debian's of that architecture, from now on.
far_rootfs() {
    "$HERE/../../guest/image/musl.sh" "$1" "$WORK/packages" "${AV_IMAGE_CACHE:-}" busybox-static || return 1
    install -m 0755 "$WORK/packages/bin/busybox" "$WORK/rootfs/bin/busybox"
}

# guest_release ARCH: of the kernel that VMs get when none is configured; the small one, if it is built.
guest_release() {
    local dir=$AV_BUILD/share/anyvisor/guest/$1
    if [ -f "$dir/small/vmlinux" ]; then jq -r .release "$dir/small/manifest.json"
    else jq -r .kernel.release "$dir/manifest.json"; fi
}

# sh_args 'SCRIPT': a jq filter that makes `sh -c SCRIPT` the container's program.
sh_args() {
    local s=${1//\\/\\\\}
    s=${s//\"/\\\"}
    s=${s//$'\n'/\\n}
    printf '.process.args=["sh","-c","%s"]' "${s//$'\t'/\\t}"
}

result() {  # result NAME 0|1 [DETAIL]
    if [ "$2" = 0 ]; then
        PASSED=$((PASSED + 1))
        printf 'ok %s\n' "$1"
    else
        FAILED=$((FAILED + 1))
        printf 'not ok %s\n' "$1"
        [ -z "${3:-}" ] || tail -n 12 <<< "$3" | sed 's/^/    /'
        show_logs
    fi
}

# check NAME RC REGEX CMD...: exit status is RC and stdout+stderr match REGEX.
check() {
    local name=$1 want=$2 regex=$3 out rc
    shift 3
    out=$("$@" 2>&1 < /dev/null)
    rc=$?
    if [ "$rc" = "$want" ] && { [ -z "$regex" ] || grep -qE -- "$regex" <<< "$out"; }; then
        result "$name" 0
    else
        result "$name" 1 "status $rc, wanted $want and /$regex/; output:
$out"
    fi
}

# same NAME WANT GOT
same() {
    [ "$2" = "$3" ]
    result "$1" $? "wanted '$2', got '$3'"
}

skip() {
    printf 'ok %s # SKIP %s\n' "$1" "$2"
}

# The whole script: ctest counts it as skipped, not as passed.
skip_all() {
    printf '# SKIP %s\n' "$1"
    exit 77
}

# until_ok SECONDS CMD...: wait for a condition that has no event to wait for (another program's
# state); the time is a limit, not a guess.
until_ok() {
    local end=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        read -r -t 0.05 <> <(:) || true     # a pipe that says nothing: bash has no other wait
    done
}

# until_ok_print SECONDS CMD...: what it prints once it succeeds, once more
until_ok_print() { until_ok "$@" && "${@:2}"; }

# of_backend JQ-FILTER: what `backends` tells of the one under test, in one line
of_backend() {
    av backends --format json | jq -rc --arg name "$BACKEND" ".backends[] | select(.name == \$name) | $1"
}

# can WORD: the back-end has this capability
can() {
    of_backend '.capabilities[]' | grep -qx -- "$1"
}

# The kernel takes a program of the type that looks up sockets, which port-forward needs: 5.9 and later.
can_forward() {
    python3 - <<'P'
import ctypes, struct
code = ctypes.create_string_buffer(struct.pack("<BBhiBBhi", 0xb7, 0, 0, 1, 0x95, 0, 0, 0))
text = ctypes.create_string_buffer(b"Apache-2.0")
at = ctypes.addressof
load = struct.pack("<IIQQIIQII16sII", 30, 2, at(code), at(text), 0, 0, 0, 0, 0, b"", 0, 36)
raise SystemExit(ctypes.CDLL(None).syscall(321, 5, load, len(load)) < 0)
P
}

# vmm_of ID: the process of its VM, whoever has started it, by the UUID that the state directory's name gives
vmm_of() {
    pgrep -f -- "-uuid $(printf %s "$ROOT/$1" | sha256sum | sed -E 's/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/\1-\2-8\3-.\4-\5/') " | head -n 1
}

# state_word ID KEY: of its state, a word or a number. Without jq, whose start takes seconds in a rig.
state_word() {
    local state
    state=$(av state "$1" 2> /dev/null)
    [[ $state =~ \"$2\":\ *\"?([a-z0-9]+) ]] && printf '%s\n' "${BASH_REMATCH[1]}"
}

status_of() {
    state_word "$1" status
}

has_status() {
    [ "$(status_of "$1")" = "$2" ]
}

# Processes of this test that should be gone: whoever names WORK in its arguments; a proxy, which
# has the arguments of the guest's process, names its state directory in its environment and is
# listed with its own name before them.
leftover_processes() {
    local file pid cmd name
    for file in $(grep -lsaF -- "$WORK" /proc/[0-9]*/cmdline) \
        $(grep -lsaF -- "ANYVISOR_STATE=$WORK" /proc/[0-9]*/environ); do
        pid=${file//[!0-9]/}
        case $pid in "$$" | "$BASHPID") continue ;; esac
        name=
        case $file in
        *environ)
            [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = anyvisor-proxy ] || continue
            name='anyvisor-proxy: '
            ;;
        esac
        # Gone by now is also grep itself, whose arguments have WORK, too.
        { cmd=$(tr '\0' ' ' < "/proc/$pid/cmdline"); } 2>/dev/null
        [ -z "$cmd" ] || printf '%s %s%s\n' "$pid" "$name" "${cmd:0:150}"
    done
}

leftover_mounts() {
    grep -F "$WORK" /proc/self/mountinfo
}

# Of containers: their common parent goes with the last one only if that one made it.
leftover_cgroups() {
    find /sys/fs/cgroup -type d -path "*/av-test-${WORK##*.}/*" 2>/dev/null
}

no_processes_left() {
    [ -z "$(leftover_processes)" ]
}

# finish: everything is deleted, gc finds nothing, no process, mount or cgroup remains.
finish() {
    local id
    for id in $(own); do
        check "delete --force $id at the end" 0 '' av delete --force "$id"
    done
    check "gc at the end" 0 '' av gc
    until_ok 10 no_processes_left
    same "no process is left" "" "$(leftover_processes)"
    same "no mount is left" "" "$(leftover_mounts)"
    same "no cgroup is left" "" "$(leftover_cgroups)"
    same "the root is empty" "" "$(find "$ROOT" -mindepth 1 -maxdepth 1 ! -name '.*' ! -name "${AV_POD:-/}" 2>/dev/null)"
    printf '# %s %s: %d passed, %d failed\n' "$(basename "$0")" "$BACKEND" "$PASSED" "$FAILED"
    [ "$FAILED" = 0 ]
    exit
}

# What the monitors said, for a failed check; the first failure of a script is the one to read.
show_logs() {
    local log
    for log in "$ROOT"/*/monitor.log "$ROOT"/*/console.log; do
        [ ! -s "$log" ] || tail -n 5 "$log" | sed "s|^|    ${log#"$ROOT"/}: |"
    done
}

leave() {
    local rc=$? id pid
    for id in $(own); do av delete --force "$id" > /dev/null 2>&1; done
    leftover_processes | while read -r pid _; do kill -9 "$pid" 2>/dev/null; done
    find /sys/fs/cgroup -maxdepth 2 -type d -name "av-test-${WORK##*.}" -exec rmdir {} + 2>/dev/null
    if [ -n "${KEEP:-}" ]; then echo "# kept: $WORK"; else rm -rf --one-file-system "$WORK"; fi
    exit "$rc"
}
