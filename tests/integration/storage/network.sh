#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Network volumes and a root file system over the network, in containers, against real servers.
. "$(dirname "$0")/../lib.sh"
. "$HERE/storage/servers.sh"
need_programs nbdkit tgtd tgtadm certtool mke2fs debugfs
own_network "$@"
setup "${1:?usage: network.sh BACKEND}"
PASSWORD=correct-horse-battery

cat >> "$WORK/etc/anyvisor.yaml" <<X
  storage: {rootfs: [network, 9pfs], volumes: [network, block, 9pfs], images: ["$WORK/etc/cinder/*.json"]}
annotations: {allow: [{key: org.anyvisor.rootfs, values: ["nbd+unix:///root?*"]}, {key: "org.anyvisor.cinder.*"}]}
classes:
  - name: data
    selectable: true
    match: {class: data}
    volumes:
      - {destination: /class, source: "iscsi://alice@127.0.0.1/$TARGET/1", secret: chap, type: ext4}
X
mkdir -m 0700 "$WORK/etc/secrets" "$WORK/nbd"
install -m 0600 /dev/stdin "$WORK/etc/secrets/chap" <<< "$PASSWORD"
install -m 0600 /dev/stdin "$WORK/etc/secrets/wrong" <<< wrong-horse-battery
install -m 0644 /dev/stdin "$WORK/etc/secrets/open" <<< "$PASSWORD"

# cinder LUN JQ-FILTER: Cinder's connection_info of a unit of TARGET, with Nova's connector.
cinder() {
    jq -c --arg iqn "$TARGET" --argjson lun "$1" ".data.target_iqn=\$iqn | .data.target_lun=\$lun |
        .data.target_portal=\"127.0.0.1:3260\" | .data.auth_username=\"alice\" |
        .connector.initiator=\"iqn.2026-11.org.anyvisor:node\" | $2" "$HERE/../data/cinder/iscsi.json"
}
mkdir "$WORK/etc/cinder"
install -m 0600 /dev/stdin "$WORK/etc/cinder/two.json" <<< "$(cinder 2 ".data.auth_password=\"$PASSWORD\"")"
install -m 0644 /dev/stdin "$WORK/etc/cinder/open.json" < "$WORK/etc/cinder/two.json"
jq -c --arg f "$WORK/local.img" '.data.device_path=$f' "$HERE/../data/cinder/local.json" > "$WORK/etc/cinder/local.json"
cp "$HERE/../data/cinder/nfs.json" "$WORK/etc/cinder/nfs.json"

new_image() {  # new_image FILE [TREE]: ext4 of 32 MiB
    rm -f "$1"
    mke2fs -q -F -t ext4 -L t ${2:+-d "$2"} "$1" 32M > /dev/null
}
in_image() {   # in_image FILE PATH: content of a file in an image that nobody has mounted
    debugfs -R "cat $2" "$1" 2> /dev/null
}
volume() {     # volume DEST URI [OPTION...]: a jq filter that adds a network volume
    jq -rn --arg d "$1" --arg s "$2" \
        '".mounts += [" + ({destination:$d,type:"anyvisor.network",source:$s,options:$ARGS.positional} | tojson) + "]"' \
        --args "${@:3}"
}
said() {       # said NAME JQ-FILTER: like av run, with a copy of what it says in WORK/said
    av run --bundle "$(bundle "$1" "$2")" "$1" 2>&1 | tee -a "$WORK/said"
    return "${PIPESTATUS[0]}"
}
run() {        # run NAME JQ-FILTER: a container to its end
    check "$2" "$3" "$4" said "$1" "$5"
    av delete --force "$1" > /dev/null 2>&1
}

new_image "$WORK/unix.img"
new_image "$WORK/tls.img"
new_image "$WORK/iscsi.img"
for file in two three local; do new_image "$WORK/$file.img"; done
new_image "$WORK/root.img" "$WORK/rootfs"
tls_credentials "$WORK/tls" store.test
cp -r "$WORK/tls/client" "$WORK/etc/secrets/tls"
chmod -R o-rwx "$WORK/etc/secrets/tls"
nbd_server unix "$WORK/unix.img" --unix "$WORK/nbd/data"
nbd_server root "$WORK/root.img" --readonly --unix "$WORK/nbd/root"
nbd_server tls "$WORK/tls.img" --ipaddr 127.0.0.1 --port 10809 --tls=require --tls-verify-peer \
    --tls-certificates="$WORK/tls/server"
iscsi_server "$WORK/iscsi.img" alice "$PASSWORD" "$WORK/two.img" "$WORK/three.img"
UNIX="nbd+unix:///?socket=$WORK/nbd/data"
TLS=(nbds://127.0.0.1/?tls-hostname=store.test secret=tls)
if [ "$BACKEND" = kvm-libvirt ]; then   # which takes credentials from its qemu.conf: one without TLS
    check "a volume cannot bring credentials for TLS" 1 'libvirt takes TLS credentials from its qemu.conf' \
        av run --bundle "$(bundle tls "$(volume /v "${TLS[@]}")")" tls
    stop_server "$WORK/tls.pid"
    nbd_server tls "$WORK/tls.img" --ipaddr 127.0.0.1 --port 10809
    TLS=(nbd://127.0.0.1/)
fi

# libvirt has the passwords as secrets that it tells nobody and forgets with the VM.
secrets_of_libvirt() {
    local uuid
    virsh dumpxml --security-info anyvisor-all > "$WORK/xml"
    check "the domain names the secret of each disk" 0 '' grep -q "<auth username='alice'>" "$WORK/xml"
    same "and there is one for each" 3 "$(virsh secret-list --ephemeral --private | grep -c 'iscsi *anyvisor ')"
    uuid=$(virsh secret-list | awk '/anyvisor/ {print $1; exit}')
    check "which nobody is told" 1 'secret is private' virsh secret-get-value "$uuid"
    check "no file of libvirt, log or description has the password" 1 '' \
        grep -raF "$PASSWORD" /run/libvirt /var/lib/libvirt /var/log/libvirt /etc/libvirt /var/cache/libvirt "$WORK/xml"
}
no_secrets() { ! virsh secret-list | grep -q anyvisor; }

# --- one VM with everything: root over NBD, volumes over a socket, TLS and iSCSI (by the class), and
# Cinder's: a file with the password, a device, an annotation that names the secret
all=$(bundle all "$(sh_args 'for d in /unix /tls /class /two /local /three; do echo "on $d" > $d/file; done; sync
    mount | grep -E " (/|/unix|/tls|/class) "; cat /etc/passwd | head -n 1; echo ready; sleep 1000') |
    $(volume /unix "$UNIX") | $(volume /tls "${TLS[@]}" noatime) |
    .mounts += [{type:\"anyvisor.cinder\", source:\"$WORK/etc/cinder/two.json\", destination:\"/two\"},
                {type:\"bind\", source:\"$WORK/etc/cinder/local.json\", destination:\"/local\", options:[\"rbind\"]}] |
    .annotations={\"org.anyvisor.cinder.3\":({destination:\"/three\", options:[\"secret=chap\",\"noatime\"],
                      connection_info:$(cinder 3 'del(.data.auth_password)')} | tojson),
                  \"org.anyvisor.class\":\"data\",
                  \"org.anyvisor.rootfs\":\"nbd+unix:///root?socket=$WORK/nbd/root\"}")
rm -rf "$all/rootfs/etc"                # the host's directory is not what the guest sees
check "explain names each volume without its user" 0 'network: a disk that the VMM opens' \
    av explain "$all"
av run --bundle "$all" all > "$WORK/all.out" 2>&1 < /dev/null &
until_ok "$LIMIT" grep -q ready "$WORK/all.out"
check "the root file system is the server's" 0 '^root:x:0:0' cat "$WORK/all.out"
check "volumes have their mount options" 0 ' /tls type ext4 .*noatime' cat "$WORK/all.out"
vmm=$(vmm_of all)
for file in cmdline environ; do
    tr '\0' '\n' < "/proc/$vmm/$file"
done > "$WORK/seen"
find "$ROOT" -type f -exec cat {} + >> "$WORK/seen" 2> /dev/null
check "the search for the password looks at the right place" 0 '' grep -qaF "$TARGET" "$WORK/seen"
check "the password is in no argument, environment, state or log" 1 '' \
    grep -aF "$PASSWORD" "$WORK/seen" "$WORK/all.out"
[ "$BACKEND" != kvm-libvirt ] || secrets_of_libvirt
check "nor in the guest" 1 '' av exec all sh -c \
    "cat /proc/cmdline /proc/*/environ /sys/block/*/serial /proc/mounts | grep -a $PASSWORD"

# --- servers that come back in mid-write: the guest only waits. libvirt before 9.1 has no words for that of NBD
back=(unix class) old_libvirt='' limit="&timeout=1"
if [ "$BACKEND" = kvm-libvirt ] && ! grep -q 'reconnect delay' <<< "$(virsh dumpxml anyvisor-all)"; then
    back=(class) old_libvirt=1 limit=''
fi
av exec all sh -c 'for d in '"${back[*]}"'; do
        (for i in $(seq 40); do echo $i >> /$d/log; sync /$d/log; sleep 0.1; done; echo $d) & done; wait' \
    > "$WORK/write.out" 2>&1 < /dev/null &
writer=$!
until_ok 20 av exec all sh -c 'for d in '"${back[*]}"'; do grep -q "^5$" /$d/log || exit 1; done'
if [ -z "$old_libvirt" ]; then
    stop_server "$WORK/unix.pid"
    rm -f "$WORK/nbd/data"
    nbd_server unix "$WORK/unix.img" --unix "$WORK/nbd/data"
fi
stop_server "$WORK/tgt.pid"
iscsi_server "$WORK/iscsi.img" alice "$PASSWORD" "$WORK/two.img" "$WORK/three.img"
wait "$writer"
same "restarts of the servers in mid-write are survived" "$(printf '%s\n' "${back[@]}" | sort | xargs)" \
    "$(sort "$WORK/write.out" | xargs)"
check "a container with volumes is deleted" 0 '' av delete --force all
[ "$BACKEND" != kvm-libvirt ] || check "and its secrets with it" 0 '' no_secrets
same "NBD: what was written is on the server" "on /unix" "$(in_image "$WORK/unix.img" file)"
[ -n "$old_libvirt" ] || same "NBD: each line of the restart is there" "$(seq 40)" "$(in_image "$WORK/unix.img" log)"
same "iSCSI: each line of the restart is there" "$(seq 40)" "$(in_image "$WORK/iscsi.img" log)"
same "NBD over TLS: what was written is on the server" "on /tls" "$(in_image "$WORK/tls.img" file)"
for file in two three local; do
    same "Cinder: what was written to $file is there" "on /$file" "$(in_image "$WORK/$file.img" file)"
done
same "iSCSI: what was written is on the server" "on /class" "$(in_image "$WORK/iscsi.img" file)"

# --- what Cinder's volumes may not be
refused() {    # refused WHAT SENTENCE JQ-FILTER
    check "$1" 1 "$2" said_explain "$3"
}
said_explain() { av explain "$(bundle "e$BASHPID" "$1")" 2>&1 | tee -a "$WORK/said"; return "${PIPESTATUS[0]}"; }
cinder_mount() { jq -rn --arg s "$1" '".mounts += [" + ({type:"anyvisor.cinder",source:$s,destination:"/v"} | tojson) + "]"'; }
refused "a password in a file for everybody" "storage: .*open.json' holds a password and is open to every user" \
    "$(cinder_mount "$WORK/etc/cinder/open.json")"
refused "a password in config.json" "config: .*a password in config.json is everybody's to read" \
    "$(cinder_mount "$(cinder 2 ".data.auth_password=\"$PASSWORD\"")")"
refused "an NFS export that the host has not mounted" "storage: .*not mounted the NFS export '10.0.0.9:/srv/cinder'" \
    "$(cinder_mount "$WORK/etc/cinder/nfs.json")"
refused "a volume of another kind" "config: .*driver_volume_type: only rbd, iscsi, nfs and local" \
    "$(cinder_mount '{"driver_volume_type":"fibre_channel","data":{}}')"
check "explain shows Cinder's volume and not its password" 0 "disk: +.*iscsi://127.0.0.1:3260/$TARGET/2" \
    said_explain "$(cinder_mount "$WORK/etc/cinder/two.json")"
check "no password was said" 1 '' grep -F "$PASSWORD" "$WORK/said"

# --- a server that stays away: the guest is told, and the VM goes on
[ -z "$old_libvirt" ] || check "a time limit that libvirt does not know is refused" 1 'since version 9.1 only' \
    av run --bundle "$(bundle limit "$(volume /v "$UNIX&timeout=1")")" limit
run gone "a server that goes for good is an I/O error" 0 'Input/output error' \
    "$(sh_args 'echo go; sleep 3; (dd if=/dev/zero of=/v/big bs=1M count=4 conv=fsync || touch /v/x; sync; cat /v/none) 2>&1
        echo alive') | $(volume /v "nbd+unix:///?socket=$WORK/nbd/data$limit")" &
job=$!
until_ok "$LIMIT" has_status gone running
stop_server "$WORK/unix.pid"
wait "$job"

# --- what cannot be opened: one sentence with the phase and the URI
iscsi="iscsi://alice@127.0.0.1/$TARGET/1"
run c1 "a server that is not there" 1 "storage: .*volume 'nbd\+unix:///\?socket=.*data': .*(refused|No such file)" \
    "$(volume /v "$UNIX")"
run c2 "a wrong password" 1 "storage: .*volume 'iscsi://127.0.0.1/$TARGET/1': .*Authentication failure" \
    "$(volume /v "$iscsi" secret=wrong)"
run c3 "a secret that everybody may read" 1 "secret '.*/open' is open to every user" \
    "$(volume /v "$iscsi" secret=open)"
run c4 "a secret elsewhere" 1 "not the name of a file in" "$(volume /v "$iscsi" secret=../x)"
run c5 "no secret" 1 "it needs a secret" "$(volume /v "$iscsi")"

[ "$BACKEND" != kvm-libvirt ] || check "no secret is left of what could not be opened" 0 '' no_secrets
check "no error shows the user" 1 '' grep -rE 'alice@' "$WORK/said"
run c7 "a root that the operator does not allow" 1 'annotation.*org.anyvisor.rootfs.*allow' \
    '.annotations={"org.anyvisor.rootfs":"nbd://127.0.0.1/x"}'
for server in root tls tgt; do stop_server "$WORK/$server.pid"; done
finish
