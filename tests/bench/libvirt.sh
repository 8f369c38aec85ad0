#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the back-end kvm-libvirt adds to libvirt's own time: libvirt.sh [-n N] [--build DIR].
# Taking turns: a VM of ours is created, and the same XML, but for names and paths, by virsh; both paused. Virsh's time has
# its start and its connection in it; so has the second of ours, with all that the monitor does until the VM is there.
# Then both are ended, in turns, too: ours with its container, by one command each.
here=$(cd "$(dirname "$0")" && pwd)
runs=7
while [ $# -gt 0 ]; do
    case $1 in
    -n) runs=$2; shift ;;
    --build) export AV_BUILD=$2; shift ;;
    *) sed -n '3,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift
done
[ -n "${LIBVIRTD_PID:-}" ] || exec "$here/../integration/libvirt/with_libvirtd.sh" "$0" -n "$runs"
# shellcheck source=../integration/lib.sh
. "$here/../integration/lib.sh"
export LIBVIRT_DEFAULT_URI=qemu:///system
setup kvm-libvirt

other() {   # other DIR: the domain of stdin as another one with its files in DIR
    sed -E "s|<name>.*</name>|<name>bench</name>|; s|<uuid>.*</uuid>|<uuid>$(cat /proc/sys/kernel/random/uuid)</uuid>|
        s|path='[^']*/agent0.sock'|path='$1/agent0.sock'|; s|<log file='[^']*'|<log file='$1/console.log'|
        s|<target dev='av[^']*'/>||; s| tty='[^']*'||; /<source path='\/dev\/pts/d; s|<domain ([^>]*) id='[0-9]*'|<domain \1|"
}

now_us() { echo $((${EPOCHREALTIME/./})); }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

b=$(bundle b "$(sh_args 'while :; do sleep 1000; done')")
for ((i = 0; i <= runs; i++)); do
    av run --detach --bundle "$b" c1 > /dev/null 2> "$WORK/err" < /dev/null || { cat "$WORK/err"; exit 1; }
    ours=$(av timings --format json c1 | jq -r '.phases[] | select(.name == "vm_created") | "\(.took_us) \(.at_us)"')
    av pause c1
    mkdir -p "$WORK/x"
    virsh dumpxml anyvisor-c1 | other "$WORK/x" > "$WORK/xml"
    start=$(now_us)
    virsh create --paused "$WORK/xml" > "$WORK/err" 2>&1 || { cat "$WORK/err"; exit 1; }
    bare=$(($(now_us) - start))
    start=$(now_us)
    virsh destroy bench > /dev/null
    bare_end=$(($(now_us) - start))
    start=$(now_us)
    av delete --force c1
    our_end=$(($(now_us) - start))
    rm -rf "$WORK/x"
    [ $i = 0 ] || printf '%s\n' "$ours $bare $our_end $bare_end" >> "$WORK/times"   # the first fills libvirt's caches
done
row() {     # row COLUMN COLUMN-OF-VIRSH WORDS
    local ours bare
    ours=$(cut -d' ' -f"$1" "$WORK/times" | median)
    bare=$(cut -d' ' -f"$2" "$WORK/times" | median)
    printf '%s, medians of %s: anyvisor %s us, the same XML by virsh %s us, ratio %s.%02d\n' "$3" "$runs" "$ours" \
        "$bare" $((ours / bare)) $((ours * 100 / bare % 100))
}
row 1 3 'create of a VM'
row 2 3 'with loading and connecting'
row 4 5 'end; ours had booted and has a container'
finish
