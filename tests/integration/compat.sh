#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# runc's options and settings that a VM cannot follow: each is refused with a sentence, or taken
# with a warning in the log and without effect. And what engines ask of the command line.
# The network namespace below is mounted in the test's own; that of libvirt's daemon is one.
if [ -z "${COMPAT_NS:-}${LIBVIRTD_PID:-}" ]; then
    COMPAT_NS=1 exec unshare -m -n --propagation private -- "$0" "$@"
fi
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: compat.sh BACKEND}"
clones
LOG=$WORK/log
b=$(bundle b)
up=$(bundle up "$(sh_args 'exec sleep 1000')")

# warns NAME REGEX AV-ARGUMENT...: it works, and one line of the log, level warning, says so.
warns() {
    local name=$1 regex=$2
    shift 2
    : > "$LOG"
    check "$name works" 0 '' av --log "$LOG" --log-format json "$@"
    same "$name is a warning in the log" 1 \
        "$(jq -r 'select(.level == "warning") | .msg' "$LOG" | grep -cE -- "$regex")"
}

# --- the command line
same "--version: name and number" yes "$(av --version | head -n 1 | grep -qE '^anyvisor version [0-9]' && echo yes)"
same "--version: commit and spec follow, as runc's" "commit: spec:" "$(av --version | sed 1d | cut -d' ' -f1 | paste -sd' ')"
check "checkpoint --help fails: podman asks whether there is a checkpoint so" 1 "unknown verb 'checkpoint'" av checkpoint --help
check "restore --help fails" 1 "unknown verb 'restore'" av restore --help
s=$(bundle scope '.linux.cgroupsPath="system.slice:av:c1"')
check "--systemd-cgroup takes no path of cgroupfs" 1 "expected 'SLICE:PREFIX:NAME' with --systemd-cgroup, not '/av-test-" \
    av --systemd-cgroup run --bundle "$b" c1
check "cgroupfs takes no scope" 1 "'system.slice:av:c1' names a scope of systemd, which needs --systemd-cgroup" \
    av run --bundle "$s" c1
if [ ! -d /run/systemd/system ]; then     # where it runs, tests/rigs/kvm/scope.sh says what it does
    check "--systemd-cgroup needs systemd" 1 'no systemd runs on this host, use the cgroupfs driver' \
        av --systemd-cgroup run --bundle "$s" c1
fi
check "--criu and --rootless are taken" 0 '' av --criu /x --rootless auto list
check "--no-pivot and --no-new-keyring are taken" 0 '' av run --no-pivot --no-new-keyring --bundle "$b" c1

# --- what is not carried into the guest
warns "--preserve-fds" '--preserve-fds 2: descriptors cannot be carried' run --preserve-fds 2 --bundle "$b" c1
: > "$LOG"
check "--preserve-fds 0 works" 0 '' av --log "$LOG" run --preserve-fds 0 --bundle "$b" c1
same "--preserve-fds 0 is no warning" "" "$(grep preserve "$LOG")"
check "--preserve-fds takes a number" 1 "--preserve-fds 'x': expected a number" av run --preserve-fds x --bundle "$b" c1
export NOTIFY_SOCKET=$WORK/notify
warns "NOTIFY_SOCKET" 'NOTIFY_SOCKET: the notification socket' run --bundle "$b" c1
unset NOTIFY_SOCKET
l=$(bundle labels '.process.apparmorProfile="docker-default" | .process.selinuxLabel="a:b:c:s0" | .linux.mountLabel="a:b:d:s0"')
warns "an AppArmor profile" "process.apparmorProfile 'docker-default': the guest has no AppArmor" run --bundle "$l" c1
warns "a SELinux label" "process.selinuxLabel 'a:b:c:s0': the guest has no SELinux" run --bundle "$l" c1
warns "a mount label" 'linux.mountLabel: the guest has no SELinux' run --bundle "$l" c1
same "features says so, too" "false false" \
    "$(av features | jq -r '"\(.linux.apparmor.enabled) \(.linux.selinux.enabled)"')"
check "without --log a warning goes to standard error" 0 'warning: process.apparmorProfile' av run --bundle "$l" c1

# --- interfaces in the container's network namespace
unshare -n sleep 1000 &
holder=$!
netns_of() { [ "$(readlink "/proc/$holder/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
until_ok 10 netns_of
touch "$WORK/netns"
mount --bind "/proc/$holder/ns/net" "$WORK/netns"
nsenter --net="$WORK/netns" sh -c 'ip link add av0 type veth peer name av1 && ip link set av0 up &&
    ip link set av1 up && ip addr add 10.99.0.1/24 dev av0'
n=$(bundle net "(.linux.namespaces[] | select(.type==\"network\")).path = \"$WORK/netns\"")
if [ "$BACKEND" = fake ]; then
    warns "a namespace with an interface" "network interface 'av0': .*the guest has only lo" run --bundle "$n" c1
else
    check "a namespace with an interface is carried" 0 '' av run --bundle "$n" c1
fi
umount "$WORK/netns"
kill "$holder"
wait "$holder" 2> /dev/null

# --- exec, and ps as Docker reads it: the pids of the host that stand for the processes
av run --detach --bundle "$up" --pid-file "$WORK/pid" c2 > "$WORK/out" 2>&1 < /dev/null
same "run --detach" "0 running" "$? $(status_of c2)"
warns "exec --preserve-fds" 'descriptors cannot be carried' exec --preserve-fds 1 c2 true
warns "exec --apparmor" 'the guest has no AppArmor' exec --apparmor p c2 true
av exec --detach --pid-file "$WORK/pid2" c2 sleep 1234 > "$WORK/out" 2>&1 < /dev/null
same "exec --detach" 0 $?
same "ps --format json has both pids" "$(for f in pid pid2; do xargs < "$WORK/$f"; done | sort -n | paste -sd' ')" \
    "$(av ps --format json c2 | jq -r 'sort | map(tostring) | join(" ")')"
same "the host's ps shows the container's command" "sh -c exec sleep 1000" "$(ps -o args= -p "$(cat "$WORK/pid")")"
same "and the exec's" "sleep 1234" "$(ps -o args= -p "$(cat "$WORK/pid2")")"
same "by its name it is a proxy" anyvisor-proxy "$(ps -o comm= -p "$(cat "$WORK/pid")")"
same "its environment is not the caller's" "" "$(tr '\0' '\n' < "/proc/$(cat "$WORK/pid")/environ" | grep -v '^ANYVISOR_')"
finish
