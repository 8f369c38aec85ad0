#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The time from the order to the agent's HELLO, ours beside `xl create` with the same kernel, image,
# size and devices; what a bare create and destroy take; memory of dom0's processes. By hand:
#   rig.sh run tests/rigs/xen/bench.sh [TYPE [ROUNDS]]
XEN_TYPE=${1:-pv}
export XEN_TYPE
. "$(dirname "$0")/../../integration/lib.sh"
if [ ! -e /proc/xen/capabilities ]; then
    skip_all "this host is no dom0 of Xen: rig.sh run $0"
fi
setup xen
trap 'rc=$?; xl destroy bare 2> /dev/null; (exit $rc); leave' EXIT
ROUNDS=${2:-3}
guest=$AV_BUILD/share/anyvisor/guest/x86_64
[ ! -f "$guest/small/vmlinux" ] || guest=$guest/small
mkdir "$WORK/share"
# xl in 4.17 numbers its first channel 0, which libxl refuses: a dummy stands there.
cat > "$WORK/bare.cfg" <<X
name = "bare"
type = "$XEN_TYPE"
memory = 256
vcpus = 1
tsc_mode = "native"
kernel = "$guest/vmlinux"
ramdisk = "$guest/initramfs.cpio"
extra = "quiet panic=-1 console=hvc0 anyvisor.hvc=1"
channel = ["connection=pty,name=dummy", "connection=socket,path=$WORK/bare.sock,name=agent"]
p9 = ["tag=share,path=$WORK/share,security_model=none"]
X

now_ms() { awk '{ printf "%d\n", $1 * 1000 }' /proc/uptime; }
since() { echo $(($(now_ms) - $1)); }
# hello SOCKET: ATTACH, until its HELLO comes; the agent's word that it has begun to listen asks for more.
hello() {
    python3 - "$1" <<'P'
import socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(300)
s.connect(sys.argv[1])
attach = struct.pack('<BBBBIII', 0xa5, 0x56, 47, 0, 0, 0, 1)
want = bytes([0xa5, 0x56, 1, 0])
s.sendall(attach)
got = b''
while want not in got:
    more = s.recv(4096)
    if not more:
        sys.exit('the channel has ended')
    got += more
    if bytes(16) in got:
        got = b''
        s.sendall(attach)
P
}
kib_of() { ps -eo rss,args | awk -v p="$1" '$0 ~ p && !/awk/ { n += $1 } END { print n + 0 }'; }

b=$(bundle ours "$(sh_args 'exec sleep 1000')")
printf '%-6s %12s %12s %12s %12s %12s\n' '' 'bare: create' 'HELLO, ms' 'destroy' 'ours: HELLO' 'delete'
for round in $(seq "$ROUNDS"); do
    t=$(now_ms)
    xl create -q -p "$WORK/bare.cfg" > /dev/null 2> "$WORK/err" || { cat "$WORK/err"; exit 1; }
    created=$(since "$t")
    xl unpause bare
    hello "$WORK/bare.sock" || exit 1
    heard=$(since "$t")
    bare_kib=$(kib_of 'xen-domid [0-9]')
    t=$(now_ms)
    xl destroy bare
    destroyed=$(since "$t")
    t=$(now_ms)
    av create --bundle "$b" ours > "$WORK/out" 2>&1 < /dev/null || { cat "$WORK/out"; exit 1; }
    whole=$(since "$t")
    # What comes after HELLO is the container's, which xl does not make.
    after=$(av timings --format json ours | jq '[.phases[] | {(.name): .at_us}] | add | (.created - .hello) / 1000 | floor')
    ours_kib=$(kib_of 'xen-domid [0-9]|anyvisor-(monitor|proxy)')
    t=$(now_ms)
    av delete --force ours
    printf '%-6s %12s %12s %12s %12s %12s\n' "$round" "$created" "$heard" "$destroyed" $((whole - after)) "$(since "$t")"
done
printf 'memory of dom0 processes: bare %s KiB, ours %s KiB\n' "$bare_kib" "$ours_kib"
finish
