#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a container sees and may do: namespaces, capabilities, seccomp, masked and read-only paths,
# devices, limits, users, no_new_privs, sysctl, cgroup v2 limits, mounts. Few VMs, many checks.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: isolation.sh BACKEND}"

# A limit above the host's holds in a VM; the fake guest has the rights of this machine.
if [ "$BACKEND" = fake ]; then nproc=2000; else nproc=2000000; fi
mkdir -p "$WORK/vol/sub" "$WORK/ro"
echo from-host > "$WORK/vol/f"
echo single > "$WORK/single"
echo keep > "$WORK/ro/f"
# An ambient capability that is not inheritable, as `runc spec` writes it, is none. It forks nothing: there is a check that leaves it no room to.
b=$(bundle iso "$(sh_args 'exec sleep 100000')
  | .hostname=\"iso-host\"
  | .process.capabilities={bounding:[\"CAP_KILL\",\"CAP_CHOWN\"],effective:[\"CAP_KILL\"],permitted:[\"CAP_KILL\"],inheritable:[],ambient:[\"CAP_KILL\"]}
  | .process.rlimits=[{type:\"RLIMIT_NOFILE\",soft:123,hard:456},{type:\"RLIMIT_NPROC\",soft:$nproc,hard:$nproc}]
  | .process.noNewPrivileges=true | .process.oomScoreAdj=100
  | .process.user.umask=23
  | .linux.sysctl={\"kernel.msgmax\":\"4096\"}
  | .linux.resources.memory={limit:67108864} | .linux.resources.pids={limit:50}
  | .linux.resources.cpu={shares:512,quota:50000,period:100000}
  | .linux.maskedPaths=[\"/proc/kcore\",\"/proc/keys\",\"/proc/acpi\",\"/proc/tty\"] | .linux.readonlyPaths=[\"/proc/sys\"]
  | .linux.seccomp={defaultAction:\"SCMP_ACT_ALLOW\",architectures:[\"SCMP_ARCH_X86_64\"],
      syscalls:[{names:[\"mkdir\",\"mkdirat\",\"nosuchcall\"],action:\"SCMP_ACT_ERRNO\",errnoRet:95}]}
  | .mounts += [
      {destination:\"/vol\",type:\"bind\",source:\"$WORK/vol\",options:[\"rbind\",\"rw\",\"rprivate\"]},
      {destination:\"/rovol\",type:\"bind\",source:\"$WORK/ro\",options:[\"bind\",\"ro\",\"nosuid\",\"nodev\",\"noexec\"]},
      {destination:\"/etc/single\",type:\"bind\",source:\"$WORK/single\",options:[\"bind\",\"ro\"]},
      {destination:\"/tt\",type:\"tmpfs\",source:\"tmpfs\",options:[\"size=1m\",\"nosuid\",\"nodev\",\"mode=1777\"]},
      {destination:\"/ts\",type:\"tmpfs\",source:\"shm\",options:[\"mode=1777\",\"size=65536k\"]}]")
mkdir -p "$b/rootfs/tt" && echo hidden > "$b/rootfs/tt/hidden"
av run --detach --bundle "$b" i > "$WORK/log" 2>&1 < /dev/null
same "the container runs" running "$(status_of i)"
[ -s "$WORK/log" ] && sed 's/^/    /' "$WORK/log"
x() { av exec i "$@" < /dev/null; }

check "hostname" 0 '^iso-host$' x hostname
check "own pid namespace" 0 '^1 ' x sh -c "ps -o pid,args | grep 'sleep' | head -1 | sed 's/^ *//'"
same "no host process is seen" 0 "$(x ps | grep -c qemu)"
check "only lo without a network" 0 '^1: lo' x ip -o link
check "loopback is up" 0 'LOOPBACK,UP' x ip -o link show lo
check "bounding set" 0 'CapBnd:.*0000000000000021' x grep CapBnd /proc/1/status
check "effective set" 0 'CapEff:.*0000000000000020' x grep CapEff /proc/1/status
check "no_new_privs" 0 'NoNewPrivs:.*1' x grep NoNewPrivs /proc/1/status
check "seccomp is on" 0 'Seccomp:.*2' x grep '^Seccomp:' /proc/1/status
check "seccomp's errno" 1 'not supported' x mkdir /tmp/d
check "open files" 0 'Max open files +123 +456' x grep 'Max open files' /proc/1/limits
check "processes" 0 "Max processes +$nproc +$nproc" x grep 'Max processes' /proc/1/limits
check "oom_score_adj" 0 '^100$' x cat /proc/1/oom_score_adj
check "sysctl" 0 '^4096$' x cat /proc/sys/kernel/msgmax
check "masked path is empty" 0 '^0$' x sh -c 'cat /proc/keys | wc -c'
same "a masked folder is empty, and a read-only tmpfs" "tmpfs ro" "$(x sh -c 'ls -A /proc/tty; grep " /proc/tty " /proc/self/mounts' | awk '{ print $1, substr($4, 1, 2) }')"
check "it cannot be written" 1 'Read-only' x touch /proc/tty/x
check "read-only path" 1 'Read-only' x sh -c 'echo 1 > /proc/sys/kernel/msgmax'
check "read-only sysfs" 1 'Read-only' x sh -c 'echo 1 > /sys/kernel/x'
check "standard devices" 0 '^full null ptmx random tty urandom zero' x sh -c 'cd /dev; echo full null ptmx random tty urandom zero; ls full null ptmx random tty urandom zero > /dev/null'
check "no other device" 1 'No such' x ls /dev/vport0p1 /dev/vda /dev/mem
check "mknod is refused" 1 'not permitted' x mknod /tmp/m b 254 0
check "the agent's share is not seen" 1 'No such' x ls /run/anyvisor

check "a directory volume" 0 '^from-host$' x cat /vol/f
x sh -c 'echo inside > /vol/new'
same "writes appear on the host" inside "$(cat "$WORK/vol/new")"
check "a read-only volume" 1 'Read-only' x sh -c 'echo x > /rovol/f'
check "its options" 0 ' ro,.*nosuid,nodev,noexec' x grep ' /rovol ' /proc/self/mounts
check "a single file" 0 '^single$' x cat /etc/single
check "tmpfs with a size" 0 'size=1024k' x grep ' /tt ' /proc/self/mounts
check "tmpfs hides what was there" 1 'No such' x ls /tt/hidden
check "/dev/shm, /dev/mqueue, /dev/pts" 0 '^3$' x sh -c 'grep -cE " /dev/(shm|mqueue|pts) " /proc/self/mounts'
check "umask" 0 '0027' x sh -c 'cat /proc/1/status | grep Umask'
# The agent has made what most containers ask for before there is one; a second one like it is another.
same "flags are the mount's own" "nosuid,nodev,noexec -" "$(x cat /proc/self/mounts | awk '
    function of(s) { return (s ~ /nosuid/ ? "nosuid" : "") (s ~ /nodev/ ? ",nodev" : "") (s ~ /noexec/ ? ",noexec" : "") }
    $2 == "/dev/shm" { shm = of($4) } $2 == "/ts" { ts = of($4) } END { print shm, ts ? ts : "-" }')"
check "/dev/shm is written" 0 '' x touch /dev/shm/one
check "and another tmpfs with the same options is another" 0 '^0$' x sh -c 'ls /ts | wc -l'
if [ "$BACKEND" != fake ]; then
    check "the kernel is the guest's" 0 "^$(guest_release x86_64)\$" x uname -r
    check "cgroup memory.max" 0 '^67108864$' x cat /sys/fs/cgroup/memory.max
    check "cgroup pids.max" 0 '^50$' x cat /sys/fs/cgroup/pids.max
    check "cgroup cpu.max" 0 '^50000 100000$' x cat /sys/fs/cgroup/cpu.max
    check "the cgroup is the root of its namespace" 0 '^0::/$' x cat /proc/1/cgroup
    check "update --memory" 0 '' av update --memory 100000000 i
    check "it arrives" 0 '^(99999744|100000000)$' x cat /sys/fs/cgroup/memory.max
    check "too many processes are refused" 2 'Resource temporarily unavailable' x sh -c 'for i in $(seq 60); do sleep 3 & done 2>&1 | head -3; for i in $(seq 60); do sleep 3 & done'
else
    skip "cgroup v2 limits" "the fake back-end runs on the host's cgroup v1"
fi

# --- what is left to who talks to the guest (docs/operating.md, "Privileges")
monitor=$(leftover_processes | awk '/anyvisor-monitor/ {print $1; exit}')
of_threads() {  # of_threads PID FIELD: the values of all its threads, each once
    cat "/proc/$1"/task/*/status | awk -v f="$2:" '$1 == f {print $2}' | sort -u
}
if can vmm-child; then
    same "monitor: CAP_SYS_ADMIN and CAP_KILL, effective" 0000000000200020 "$(of_threads "$monitor" CapEff)"
    same "monitor: and no more to get" "0000000000200020 0000000000200020" \
        "$(of_threads "$monitor" CapBnd) $(of_threads "$monitor" CapPrm)"
    same "monitor: no /proc/sys of the host" "" "$(ls -d "/proc/$monitor/root/proc/sys" 2>/dev/null)"
else    # the hypervisor's tools need most of root; none of modules, tracing, clock, BPF and the like
    for set in Eff Prm; do
        same "monitor: Cap$set is without what attacks the kernel" "" \
            "$(for caps in $(of_threads "$monitor" Cap$set); do [ $((0x$caps & 0x1ef52590200)) = 0 ] || echo "$caps"; done)"
    done
fi
same "monitor: system call filter and no_new_privs in all threads" "2 1" \
    "$(of_threads "$monitor" Seccomp) $(of_threads "$monitor" NoNewPrivs)"
same "monitor: no core files" "0 0" "$(awk '/Max core/ {print $5, $6}' "/proc/$monitor/limits")"
if [ "$BACKEND" = kvm ]; then
    vmm=$(leftover_processes | awk '/qemu-system/ {print $1; exit}')
    uid=$(awk '$1 == "Uid:" {print ($2 == $3 && $3 == $4 && $4 == $5) ? $2 : "mixed"}' "/proc/$vmm/status")
    if [ "$(awk '{n += $3} END {print (n >= 4294967295)}' /proc/self/uid_map)" = 1 ]; then
        same "QEMU: a user of its own" yes "$([ "$uid" -ge 1879048192 ] && [ "$uid" -le 2147483647 ] && echo yes)"
        same "QEMU: in no group but its own" "$uid" "$(awk '$1 == "Gid:" {print $2}' "/proc/$vmm/status")$(awk '$1 == "Groups:" {print $2}' "/proc/$vmm/status")"
    else
        skip "QEMU: a user of its own" "the user namespace of this test has no such ids"
    fi
    for set in Eff Prm Bnd Inh Amb; do
        same "QEMU: Cap$set is what serving files takes" 000000008000001b "$(of_threads "$vmm" Cap$set)"
    done
    same "QEMU: system call filter and no_new_privs" "2 1" "$(of_threads "$vmm" Seccomp) $(of_threads "$vmm" NoNewPrivs)"
    for ns in mnt pid ipc uts net; do
        same "QEMU: $ns namespace of its own" yes \
            "$([ "$(readlink "/proc/$vmm/ns/$ns")" != "$(readlink "/proc/$monitor/ns/$ns")" ] && echo yes)"
    done
    same "QEMU: sees no process but itself" 1 "$(find "/proc/$vmm/root/proc" -maxdepth 1 -name '[0-9]*' | wc -l)"
    same "QEMU: no /proc/sys of the host" "" "$(ls -d "/proc/$vmm/root/proc/sys" 2>/dev/null)"
    same "QEMU: no state to write" "" "$(ls "/proc/$vmm/root$ROOT/i" 2>/dev/null)"
    same "QEMU: of the host it may write the share, its sockets and devices" "" \
        "$(awk '$4 ~ /^rw/ && $2 !~ /^\/(share|dev|proc|disks)(\/|$)|^\/$|^\/run\/anyvisor.vm\// {print $2}' "/proc/$vmm/mounts")"
    same "QEMU: no core files" "0 0" "$(awk '/Max core/ {print $5, $6}' "/proc/$vmm/limits")"
else
    skip "what is left to the VMM" "who starts it confines it: libvirt/libvirt.sh"
fi
check "delete" 0 '' av delete --force i

# --- another user, read-only root, and memory
clones
b=$(bundle owner "$(sh_args 'touch /tmp/f && chmod 600 /tmp/f && echo own > /tmp/f && mkdir /tmp/d && cat /tmp/f') | .process.user={uid:1000,gid:1001}")
chmod 1777 "$b/rootfs/tmp"
check "what another user makes is its own" 0 '^own$' av run --bundle "$b" u0
same "also on the host" "1000:1001:600 1000:1001:755" "$(stat -c %u:%g:%a "$b/rootfs/tmp/f" "$b/rootfs/tmp/d" | xargs)"
b=$(bundle user "$(sh_args 'id -u; id -G; touch /x') | .process.user={uid:1000,gid:1001,additionalGids:[44]} | .root.readonly=true")
check "user, groups, read-only root" 1 '1000' av run --bundle "$b" u1
b=$(bundle uns "$(sh_args 'cat /proc/self/uid_map; echo made > /made') | .linux.namespaces += [{type:\"user\"}]
  | .linux.uidMappings=[{containerID:0,hostID:100000,size:65536}] | .linux.gidMappings=[{containerID:0,hostID:100000,size:65536}]")
chown -R 100000:100000 "$b/rootfs"
check "a user namespace" 0 '0 +100000 +65536' av run --bundle "$b" u2
same "its root's files are the mapped user's" 100000:100000 "$(stat -c %u:%g "$b/rootfs/made")"
if [ "$BACKEND" != fake ]; then
    b=$(bundle oom "$(sh_args 'head -c 200m /dev/zero | tail') | .linux.resources.memory={limit:33554432}")
    av run --detach --bundle "$b" oom > /dev/null 2>&1 < /dev/null
    check "out of memory ends it" 0 '' until_ok 60 has_status oom stopped
    same "out of memory is 137" "stopped 137" "$(cat "$ROOT/oom/status")"
    check "the log tells whose memory" 0 'the memory limit of the container \(32 MiB\) is reached' cat "$ROOT/oom/monitor.log"
else
    skip "OOM" "the fake back-end has no memory limit of its own"
fi
finish
