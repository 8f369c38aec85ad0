#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The console device that carries the agent's channel, beside libvchan: a round trip of 16 bytes, and how much
# comes back in a second, in turns. The console's other end echoes in a domain of busybox; libvchan's two ends are
# both in dom0, which is the least that it can take. By hand: rig.sh run tests/rigs/xen/vchan.sh [TYPE [ROUNDS]]
set -eu
type=${1:-pv} rounds=${2:-5}
[ -e /proc/xen/capabilities ] || { echo "this host is no dom0 of Xen: rig.sh run $0"; exit 77; }
bin=$(echo /usr/lib/xen-[0-9]*/bin)
work=$(mktemp -d)
leave() {
    xl destroy echo 2> /dev/null || true
    rm -r "$work"
}
trap leave EXIT

mkdir -p "$work/root"/{bin,dev}
cp /bin/busybox "$work/root/bin/"
cat > "$work/root/init" <<'I'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs devtmpfs /dev
$b stty raw -echo < /dev/hvc1
exec $b cat < /dev/hvc1 > /dev/hvc1
I
chmod +x "$work/root/init"
(cd "$work/root" && find . | busybox cpio -o -H newc > "$work/initramfs") 2> /dev/null
# xl in 4.17 numbers its first channel 0, which libxl refuses: a dummy stands there.
cat > "$work/cfg" <<C
name = "echo"
type = "$type"
memory = 128
tsc_mode = "native"
kernel = "$AV_BUILD/share/anyvisor/guest/x86_64/vmlinux"
ramdisk = "$work/initramfs"
extra = "quiet panic=-1"
channel = ["connection=pty,name=dummy", "connection=socket,path=$work/console,name=echo"]
C
xl create -q "$work/cfg"

# The proxy of the server connects to its socket, that of the client listens on its own.
python3 - "$work" "$rounds" "$bin/vchan-socket-proxy" <<'P'
import socket, statistics, subprocess, sys, threading, time

work, rounds, proxy = sys.argv[1], int(sys.argv[2]), sys.argv[3]
BULK = 32 << 10


def connect(path, wait=300):
    end = time.monotonic() + wait
    while True:
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(wait)
        try:
            s.connect(path)
            return s
        except OSError:
            s.close()
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def read(s, n):
    while n > 0:
        got = s.recv(n)
        if not got:
            sys.exit("the channel has ended")
        n -= len(got)


def echo(s):
    while True:
        s.sendall(s.recv(4096) or sys.exit())


def turn(s, n):
    start = time.monotonic()
    sender = threading.Thread(target=s.sendall, args=(bytes(n),))
    sender.start()
    read(s, n)
    sender.join()
    return time.monotonic() - start


listener = socket.socket(socket.AF_UNIX)
listener.bind(work + "/server")
listener.listen(1)
path = "/local/domain/0/data/anyvisor-vchan"
ends = [subprocess.Popen([proxy, "-m", side, "0", path, work + "/" + side]) for side in ("server", "client")]
try:
    ours = {"libvchan": connect(work + "/client"), "console": connect(work + "/console")}
    threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()
    for s in ours.values():
        turn(s, 16)         # both ends are up
    print("%-10s %14s %14s %10s" % ("", "min, ms", "median, ms", "KiB/s"))
    for _ in range(rounds):
        for name, s in ours.items():
            times = [turn(s, 16) * 1000 for _ in range(20)]
            print("%-10s %14.1f %14.1f %10.0f" % (name, min(times), statistics.median(times), BULK / 1024 / turn(s, BULK)))
finally:
    for p in ends:
        p.kill()
P
