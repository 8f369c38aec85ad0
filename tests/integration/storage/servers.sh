# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# servers.sh - storage servers on loopback for tests: NBD by nbdkit, iSCSI by tgt, TLS credentials.
# Sourced after WORK is set, in a network namespace of the test's own (own_network), so that port
# numbers are nobody else's. Servers die with the shell that started them.

TARGET=iqn.2026-11.org.anyvisor:disk

# own_network "$@": goes on in a new network namespace that has a loopback interface only; for
# kvm-libvirt with a libvirtd in it, whose VMs open the disks.
own_network() {
    local now
    now=$(readlink /proc/self/ns/net)
    [ "${AV_FIRST_NET:-$now}" != "$now" ] || AV_FIRST_NET=$now exec unshare --net "$0" "$@"
    ip link set lo up
    [ "$1" != kvm-libvirt ] || [ -n "${LIBVIRTD_PID:-}" ] || exec "$HERE/libvirt/with_libvirtd.sh" "$0" "$@"
}

need_programs() {
    local p
    for p in "$@"; do
        command -v "$p" > /dev/null || skip_all "$p is not installed"
    done
}

# start_server PIDFILE CMD...: in the background until its pid file is there.
start_server() {
    local pid_file=$1
    shift
    rm -f "$pid_file"
    setpriv --pdeathsig KILL "$@" &
    until_ok 10 test -s "$pid_file"
}

# stop_server PIDFILE: like the plug pulled.
stop_server() {
    local pid
    pid=$(cat "$1")
    kill -9 "$pid" && wait "$pid" 2> /dev/null
    rm -f "$1"
}

# nbd_server NAME FILE ARGS...: nbdkit with FILE as its one export; its pid is in WORK/NAME.pid.
nbd_server() {
    local name=$1 file=$2
    shift 2
    start_server "$WORK/$name.pid" nbdkit --foreground --pidfile "$WORK/$name.pid" "$@" file "$file"
}

# iscsi_server FILE USER PASSWORD [FILE...]: tgt at 127.0.0.1:3260 with FILE as LUN 1 of TARGET, and
# others as LUN 2, 3... An empty USER: anybody may.
iscsi_server() {
    local file lun=2
    export TGT_IPC_SOCKET=$WORK/tgt.sock
    setpriv --pdeathsig KILL tgtd --foreground --iscsi portal=127.0.0.1:3260 > "$WORK/tgt.log" 2>&1 &
    echo $! > "$WORK/tgt.pid"
    until_ok 10 tgtadm --op show --mode sys || return 1
    tgtadm --lld iscsi --op new --mode target --tid 1 --targetname "$TARGET"
    tgtadm --lld iscsi --op new --mode logicalunit --tid 1 --lun 1 --backing-store "$1"
    for file in "${@:4}"; do
        tgtadm --lld iscsi --op new --mode logicalunit --tid 1 --lun "$((lun++))" --backing-store "$file"
    done
    if [ -n "$2" ]; then
        tgtadm --lld iscsi --op new --mode account --user "$2" --password "$3"
        tgtadm --lld iscsi --op bind --mode account --tid 1 --user "$2"
    fi
    tgtadm --lld iscsi --op bind --mode target --tid 1 --initiator-address ALL
}

# tls_credentials DIR NAME: DIR/server and DIR/client hold what QEMU and nbdkit look for; the
# server's certificate is for NAME. DIR/other is a client of somebody else.
tls_credentials() {
    local dir=$1 who
    mkdir -p "$dir"/{server,client,other}
    for who in ca server client other; do
        certtool --generate-privkey --ecc --outfile "$dir/$who.key" 2> /dev/null
    done
    printf 'cn=test\nca\ncert_signing_key\n' > "$dir/ca.info"
    printf 'cn=%s\ndns_name=%s\ntls_www_server\nsigning_key\n' "$2" "$2" > "$dir/server.info"
    printf 'cn=client\ntls_www_client\nsigning_key\n' > "$dir/client.info"
    certtool --generate-self-signed --load-privkey "$dir/ca.key" --template "$dir/ca.info" \
        --outfile "$dir/ca.pem" 2> /dev/null
    for who in server client; do
        certtool --generate-certificate --load-ca-certificate "$dir/ca.pem" \
            --load-ca-privkey "$dir/ca.key" --load-privkey "$dir/$who.key" \
            --template "$dir/$who.info" --outfile "$dir/$who/$who-cert.pem" 2> /dev/null
        cp "$dir/$who.key" "$dir/$who/$who-key.pem"
        cp "$dir/ca.pem" "$dir/$who/ca-cert.pem"
    done
    certtool --generate-self-signed --load-privkey "$dir/other.key" --template "$dir/client.info" \
        --outfile "$dir/other/client-cert.pem" 2> /dev/null
    cp "$dir/other.key" "$dir/other/client-key.pem"
    cp "$dir/ca.pem" "$dir/other/ca-cert.pem"
}
