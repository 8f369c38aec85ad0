#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What an operator of libvirt sees of our VMs and may do to them; runs below with_libvirtd.sh.
. "$(dirname "$0")/../lib.sh"
export LIBVIRT_DEFAULT_URI=qemu:///system
if [ -z "${LIBVIRTD_PID:-}" ]; then
    exec "$(dirname "$0")/with_libvirtd.sh" "$0" "$@"
fi
setup kvm-libvirt

field() { sed -n "s/.*<$1>\(.*\)<\/$1>.*/\1/p"; }
has_domain() { virsh list --name | grep -qx "anyvisor-$1"; }
no_domain() { ! has_domain "$1"; }
our_mounts() { grep -F " /run/anyvisor.vm/" /proc/self/mountinfo; }
gc_removes() { av gc 2>&1 | grep -q "removed container '$1'"; }
start() {   # start ID: a container that runs until it is killed
    local b
    b=$(bundle "$1" "$(sh_args 'echo up > /up; while :; do sleep 0.1; done') |
        .annotations={\"org.anyvisor.neutron.port\":\"1f0b5a52\",\"io.kubernetes.cri.sandbox-name\":\"web-0\",
            \"io.kubernetes.cri.sandbox-namespace\":\"shop\",\"io.kubernetes.cri.image-name\":\"web:1\"}")
    av run --detach --bundle "$b" "$1" > "$WORK/out" 2>&1 < /dev/null
    same "run --detach $1" 0 $?
    until_ok 20 av exec "$1" test -s /up
}
before=$(our_mounts)

check "check tells which libvirt" 0 'kvm-libvirt.*through libvirt [0-9]+\.[0-9]+\.[0-9]+' av check
check "backends: the VMM is external" 0 'vmm-external' av backends --format json

# --- while it runs
start c1
check "virsh list shows the domain" 0 'anyvisor-c1 +running +container c1' virsh list --title
check "transient, with the VM's title" 0 '^Persistent: +no' virsh dominfo anyvisor-c1
virsh metadata anyvisor-c1 urn:anyvisor:sandbox:1 > "$WORK/metadata" 2>&1
same "metadata: the container's id" c1 "$(field id < "$WORK/metadata")"
same "metadata: the port of Neutron" 1f0b5a52 "$(field port < "$WORK/metadata")"
same "metadata: the pod, its namespace, the image" "web-0 shop web:1" \
    "$(for k in pod namespace image; do field $k < "$WORK/metadata"; done | xargs)"
check "metadata: the class" 0 '<class>' cat "$WORK/metadata"
same "metadata: the runtime's version" "$("$AV" --version | awk 'NR == 1 { print $NF }')" \
    "$(field version < "$WORK/metadata")"
same "its UUID is that of the state directory" \
    "$(printf %s "$ROOT/c1" | sha256sum | sed -E 's/(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/\1-\2-8\3-.\4-\5/')" \
    "$(virsh domuuid anyvisor-c1 | sed -E 's/^(.{19})./\1./; q')"
check "QEMU is in the container's cgroup" 0 "/av-test-${WORK##*.}/c1\$" \
    cat "/proc/$(cat /run/libvirt/qemu/anyvisor-c1.pid)/cgroup"
processor() { tr '\0' ' ' < "/proc/$(vmm_of c1)/cmdline" | grep -o -- '-cpu [^ ]*'; }
check "its processor is the one that QEMU driven directly has" 0 '^-cpu (host|max,erms=off,fsrm=off)' processor
check "under libvirt's system call filter" 0 '^Seccomp:.2$' cat "/proc/$(vmm_of c1)/status"
check "and with no new privileges" 0 '^NoNewPrivs:.1$' cat "/proc/$(vmm_of c1)/status"
check "dumpxml shows the share of the host's namespace" 0 "<source dir='/run/anyvisor.vm/.*/m/share'" \
    virsh dumpxml anyvisor-c1
same "it asks for no label but the user's: those of SELinux or AppArmor stay libvirt's" dac \
    "$(virsh dumpxml anyvisor-c1 | sed -n "s/.*<seclabel .*model='\([a-z]*\)'.*/\1/p" | xargs)"
# What libvirt's AppArmor driver asks, which needs no AppArmor: a domain with a file that it must not name is refused.
helper=/usr/lib/libvirt/virt-aa-helper
if [ -x $helper ]; then
    confined() { virsh dumpxml anyvisor-c1 | sed '/<loader /d' | $helper -c -d -u "libvirt-$(virsh domuuid anyvisor-c1)"; }
    check "AppArmor: libvirt's helper makes a profile for it, with its share" 0 '"/run/anyvisor.vm/.*/m/share/\*\*" rwl' confined
    check "AppArmor: and its kernel beside that" 0 '"/run/anyvisor.vm/.*/m/disks/.kernel" r' confined
else
    skip "AppArmor: libvirt's helper makes a profile for it" "there is no $helper"
fi
check "domstats: it runs" 0 'state\.state=1' virsh domstats anyvisor-c1
check "domstats counts CPU time" 0 'cpu\.time=[1-9]' virsh domstats anyvisor-c1
typed() {       # on a terminal of virsh's own: ends once the guest's tty has given back what it was sent
    {
        until_ok 30 grep -q 'Escape character' "$WORK/typed"
        printf 'by-virsh\r'
        until_ok 30 grep -q by-virsh "$WORK/typed"
        printf '\035'
        until_ok 20 test -e "$WORK/typed.end"
    } | { script -qfec "virsh console anyvisor-c1" "$WORK/typed" > /dev/null; echo $? > "$WORK/typed.end"; }
    cat "$WORK/typed" "$WORK/typed.end"
}
check "virsh console: what is typed comes back, the escape key ends it" 0 'by-virsh' typed
same "in peace" 0 "$(cat "$WORK/typed.end")"
check "the mounts of the share are on the host" 0 '/m/share' our_mounts
check "events --stats counts the VM's host cost" 0 '"cpu"' av events --stats c1

# --- suspend and resume by libvirt: the container goes on
check "virsh suspend" 0 '' virsh suspend anyvisor-c1
check "virsh resume" 0 '' virsh resume anyvisor-c1
check "exec after it" 0 '^up$' av exec c1 cat /up

# --- virsh destroy is the container's death, with the reason
check "virsh destroy" 0 '' virsh destroy anyvisor-c1
until_ok 20 has_status c1 stopped
same "the container has stopped" stopped "$(status_of c1)"
check "the log has the reason" 0 'destroyed its domain through libvirt' cat "$ROOT/c1/monitor.log"
check "delete" 0 '' av delete c1
check "no domain is left" 0 '' until_ok 10 no_domain c1

# --- clones of a saved domain, each with its own name and UUID
conf=$(cat "$ANYVISOR_CONFIG")
sed -i "s/^defaults:/&\n  template: shared/" "$ANYVISOR_CONFIG"
echo "templates: {dir: $WORK/templates}" >> "$ANYVISOR_CONFIG"
start t1
check "its VM is the clone of a template" 0 'clone of the template' cat "$ROOT/t1/monitor.log"
check "which is a domain like any other" 0 'anyvisor-t1 +running +container t1' virsh list --title
check "exec in it" 0 '' until_ok 10 av exec t1 test -s /up
check "no domain is left of the template itself" 1 '' eval 'virsh list --name | grep template'
av delete --force t1
# Its memory ends early, behind a description that is whole: libvirt has begun when it runs dry.
find "$WORK"/templates/*/live -name domain -exec sh -c 'truncate --size=$(($(stat -c %s "$1") / 2)) "$1"' _ {} \;
start t2
check "one that is cut short costs a boot, not the container" 0 '' until_ok 10 av exec t2 test -s /up
check "which start tells" 0 'could not be cloned: .*restore the domain' cat "$WORK/out"
check "and the VM is no clone" 1 '' grep 'clone of the template' "$ROOT/t2/monitor.log"
av delete --force t2

# --- one that has waited for a container is listed as the container's from the moment it is taken
av template remove --all
sed -i "s/^defaults:/&\n  pool: {size: 1}/" "$ANYVISOR_CONFIG"
check "a VM is made for the pool" 0 '^1 made$' av pool fill "$(bundle t3 "$(sh_args 'sleep 1000')")"
member=$(av pool status --format json | jq -r '.[0].name')
check "it is a domain that waits" 0 "anyvisor-$member +paused +container $member\$" virsh list --title
check "gc leaves it alone" 0 '^$' av gc
ANYVISOR_FAULT=cli.pool-room:fail start p1      # no other one is made
check "a start takes it" 0 "the VM is that of container 'p1'" cat "$ROOT/p1/monitor.log"
check "its title says whose it is" 0 "anyvisor-$member +running +container p1\$" virsh list --title
virsh metadata "anyvisor-$member" urn:anyvisor:sandbox:1 > "$WORK/metadata"
same "so does its metadata" "p1 1f0b5a52" "$(field id < "$WORK/metadata") $(field port < "$WORK/metadata")"
check "its QEMU is in the container's cgroup" 0 "/av-test-${WORK##*.}/p1\$" \
    cat "/proc/$(cat "/run/libvirt/qemu/anyvisor-$member.pid")/cgroup"
check "gc knows it by its reference" 0 '^$' av gc
check "virsh destroy is the container's death" 0 '' virsh destroy "anyvisor-$member"
check "it has stopped" 0 '' until_ok 20 has_status p1 stopped
check "delete" 0 '' av delete p1
av pool drain
echo "$conf" > "$ANYVISOR_CONFIG"

# --- qemu:///session is the daemon of who runs anyvisor: here the same one
sed -i 's|^  uri: .*|  uri: qemu:///session|' "$WORK/etc/plugins.d/kvm-libvirt.yaml"

# --- a killed monitor leaves its domain: delete and gc end it
start c2
kill -9 "$(cut -d' ' -f1 "$ROOT/c2/monitor")"
until_ok 20 has_status c2 stopped
check "the domain outlives its monitor" 0 '' has_domain c2
check "gc, once the monitor's process is gone" 0 '' until_ok 20 gc_removes c2
check "and the domain is gone" 0 '' no_domain c2
start c3
kill -9 "$(cut -d' ' -f1 "$ROOT/c3/monitor")"
until_ok 20 has_status c3 stopped
# Another engine's container of that name, in a VM of its own, says nothing of this one.
mkdir -p "$WORK/other/c3" "/run/anyvisor.vm/${WORK##*.}"
cp "$ROOT/c3/state.json" "$WORK/other/c3/"
echo 'pid=1 start=1' > "$WORK/other/c3/vm"
printf %s "$WORK/other/c3" > "/run/anyvisor.vm/${WORK##*.}/owner"
check "somebody removes the state" 0 '' rm -rf "$ROOT/c3"
check "gc finds the domain by libvirt's list" 0 "removed VM 'c3'" av gc
rm -rf "/run/anyvisor.vm/${WORK##*.}"
check "and it is gone" 0 '' no_domain c3
find /sys/fs/cgroup -depth -type d -path "*/av-test-${WORK##*.}/c3" -exec rmdir {} +  # the state knew

# --- the daemon goes and comes back: VM and container do not notice
start c4
kill "$LIBVIRTD_PID"
until_ok 20 test ! -e "/proc/$LIBVIRTD_PID/cwd/."
check "exec without the daemon" 0 '^up$' av exec c4 cat /up
setpriv --pdeathsig TERM libvirtd > /dev/null 2>&1 &
daemon=$!
until_ok 60 virsh version
check "the domain is known to the new daemon" 0 '' has_domain c4
check "its end is noticed through the process" 0 '' virsh destroy anyvisor-c4
until_ok 20 has_status c4 stopped
same "and is the container's" stopped "$(status_of c4)"
check "delete it" 0 '' av delete c4
start c5
kill "$daemon"
wait "$daemon" 2> /dev/null
qemu=$(cat /run/libvirt/qemu/anyvisor-c5.pid)
check "delete --force without a daemon" 0 '' av delete --force c5
check "it has killed the process" 1 '' test -e "/proc/$qemu/cwd/."

# --- what create says when libvirt cannot be used
b=$(bundle c6)
check "create without a daemon says what is missing" 1 "libvirt.*(daemon does not run|Failed to connect)" \
    av create --bundle "$b" c6
same "no mount of a VM is left" "$before" "$(our_mounts)"
finish
