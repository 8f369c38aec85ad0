#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The back-end opens disks of real storage servers, and keeps their credentials to itself:
#     disks.sh DISK_OPEN PLUGIN.so KERNEL
# No guest runs: a server that accepts the VMM's credentials is all that is asked here.
. "$(dirname "$0")/../lib.sh"
. "$HERE/storage/servers.sh"
OPEN=${1:?usage: disks.sh DISK_OPEN PLUGIN.so KERNEL} PLUGIN=$2 KERNEL=$3
PASSWORD=correct-horse-battery

need_programs nbdkit tgtd tgtadm certtool psktool qemu-img strace
own_network "$@"
WORK=$(mktemp -d "${TMPDIR:-/tmp}/av-disks.XXXXXX")
ROOT=$WORK
trap 'rm -rf "$WORK"' EXIT
trap 'exit 130' INT TERM

# What the VM opens ends at once: stdin is /dev/null.
disk() {
    timeout 60 "$OPEN" "$PLUGIN" "$KERNEL" "$@" < /dev/null 2>&1
}

for protocol in file block nbd iscsi; do
    check "the back-end reports $protocol" 0 "^$protocol\$" "$OPEN" "$PLUGIN" protocols
done

truncate -s 8M "$WORK/disk.img"
qemu-img create -q -f qcow2 "$WORK/disk.qcow2" 8M
touch "$WORK/nbd.log"

# NBD, without and with TLS.
nbd_server unix "$WORK/disk.img" --unix "$WORK/nbd.sock"
nbd_server qcow2 "$WORK/disk.qcow2" --ipaddr 127.0.0.1 --port 10809
check "NBD over a unix socket" 0 '^opened' disk cold nbd "socket=$WORK/nbd.sock"
check "the same, added to a VM" 0 '^opened' disk hot nbd "socket=$WORK/nbd.sock"
check "NBD over TCP, qcow2 on top" 0 '^opened' disk cold nbd host=127.0.0.1 export=any --format 2
qemu-img create -q -f qcow2 -o "data_file=$WORK/data.raw,data_file_raw=on" "$WORK/named.qcow2" 8M
nbd_server named "$WORK/named.qcow2" --ipaddr 127.0.0.1 --port 10813
for how in cold hot; do
    check "$how: a qcow2 image that names a file of the host is refused" 1 \
        "refused: disk 'disk': the qcow2 image keeps its data in another file" \
        disk $how nbd host=127.0.0.1 port=10813 --format 2
done
check "what is not qcow2 is refused" 1 'refused: .*(qcow2|magic)' \
    disk cold nbd "socket=$WORK/nbd.sock" --format 2
stop_server "$WORK/unix.pid"
check "no server" 1 "refused: disk 'disk': Failed to connect .*(No such file|refused)" disk cold nbd "socket=$WORK/nbd.sock"
check "no server for a VM that is there" 1 "refused: disk 'disk': .*(No such file|refused)" \
    disk hot nbd "socket=$WORK/nbd.sock"
nbd_server ro "$WORK/disk.img" --readonly --ipaddr 127.0.0.1 --port 10812
check "a read-only export is not opened for writing" 1 'refused: .*(read-only|write|Permission denied)' \
    disk cold nbd host=127.0.0.1 port=10812
check "but for reading" 0 '^opened' disk cold nbd host=127.0.0.1 port=10812 --readonly

tls_credentials "$WORK/tls" store.test
mkdir "$WORK/psk" "$WORK/badpsk"
psktool -u alice -p "$WORK/psk/keys.psk" > /dev/null
psktool -u alice -p "$WORK/badpsk/keys.psk" > /dev/null
nbd_server x509 "$WORK/disk.img" --ipaddr 127.0.0.1 --port 10810 --tls=require \
    --tls-verify-peer --tls-certificates="$WORK/tls/server"
nbd_server psk "$WORK/disk.img" --ipaddr 127.0.0.1 --port 10811 --tls=require \
    --tls-psk="$WORK/psk/keys.psk"
x509=(nbd host=127.0.0.1 port=10810 tls_hostname=store.test)
psk=(nbd host=127.0.0.1 port=10811 tls_kind=psk tls_user=alice)
check "NBD with certificates" 0 '^opened' disk cold "${x509[@]}" "tls_dir=$WORK/tls/client"
check "the same, added to a VM" 0 '^opened' disk hot "${x509[@]}" "tls_dir=$WORK/tls/client"
check "a client of another authority" 1 'refused: ' disk cold "${x509[@]}" "tls_dir=$WORK/tls/other"
check "a server of another name" 1 'refused: .*(name|hostname)' \
    disk cold nbd host=127.0.0.1 port=10810 tls_hostname=other.test "tls_dir=$WORK/tls/client"
check "a server that wants TLS" 1 'refused: .*TLS' disk cold nbd host=127.0.0.1 port=10810
check "NBD with a shared key" 0 '^opened' disk cold "${psk[@]}" "tls_dir=$WORK/psk"
check "a wrong shared key" 1 'refused: ' disk hot "${psk[@]}" "tls_dir=$WORK/badpsk"

# iSCSI with CHAP.
echo "$PASSWORD" > "$WORK/secret"
echo wrong-horse-battery > "$WORK/wrong"
iscsi_server "$WORK/disk.img" alice "$PASSWORD"
iscsi=(iscsi portal=127.0.0.1:3260 "target=$TARGET" lun=1)
check "iSCSI with a password" 0 '^opened' disk cold "${iscsi[@]}" user=alice --secret "$WORK/secret"
check "the same, added to a VM" 0 '^opened' disk hot "${iscsi[@]}" user=alice --secret "$WORK/secret"
check "a wrong password" 1 'refused: .*Authentication failure' \
    disk cold "${iscsi[@]}" user=alice --secret "$WORK/wrong"
check "no password" 1 'refused: .*Authentication failure' disk hot "${iscsi[@]}"
check "no such unit" 1 'refused: ' disk cold iscsi portal=127.0.0.1:3260 "target=$TARGET" lun=7 \
    user=alice --secret "$WORK/secret"

# Where a password could be seen: arguments, environment, log and files of QEMU, messages to it.
seen_from_outside() {
    tr '\0' '\n' < "/proc/$1/cmdline"
    tr '\0' '\n' < "/proc/$1/environ"
    find "/proc/$1/cwd/" -type f -exec cat {} +
}
for how in cold hot; do
    mkfifo "$WORK/hold"
    rm -f "$WORK"/trace*
    strace -f -qq -s 100000 -e trace=execve,sendmsg,sendto -o "$WORK/trace" \
        timeout 60 "$OPEN" "$PLUGIN" "$KERNEL" "$how" "${iscsi[@]}" user=alice \
        --secret "$WORK/secret" < "$WORK/hold" > "$WORK/out" 2>&1 &
    job=$!
    exec 7> "$WORK/hold"
    until_ok 30 grep -q '^opened' "$WORK/out"
    pid=$(sed -n 's/^opened //p' "$WORK/out")
    seen_from_outside "$pid" > "$WORK/seen"
    exec 7>&-
    wait "$job"
    check "$how: the search looks at the right place" 0 '' grep -aqF "$TARGET" "$WORK/seen" "$WORK/trace"
    check "$how: the password is nowhere to be seen" 1 '' grep -aF "$PASSWORD" "$WORK/seen" "$WORK/trace"
    rm "$WORK/hold"
done
stop_server "$WORK/tgt.pid"
check "the target is gone" 1 'refused: .*(connect|refused)' \
    disk cold "${iscsi[@]}" user=alice --secret "$WORK/secret"
check "nothing of the VMs is left" 1 '' pgrep -f "disk-open.*$WORK"

printf '# %d passed, %d failed\n' "$PASSED" "$FAILED"
[ "$FAILED" = 0 ]
