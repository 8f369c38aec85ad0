#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An unprivileged user: the runtime in a user namespace of his, and his podman with it. The user
# exists only here: the account files are bind mounts of this test's own mount namespace.
if [ -z "${ROOTLESS_NS:-}" ]; then
    ROOTLESS_NS=1 exec unshare -m --propagation private -- "$0" "$@"
fi
. "$(dirname "$0")/../lib.sh"
for program in podman newuidmap setpriv; do
    command -v "$program" > /dev/null || skip_all "$program is not installed"
done
setup "${1:?usage: rootless.sh BACKEND}"
U=2000123 H=$WORK/home
chmod 0755 "$WORK"
mkdir -p "$H" "$H"/{run,root,tmp,bundle} "$WORK/account"

# account FILE LINE: FILE has one line more, for this mount namespace
account() {
    { cat "/etc/$1"; echo "$2"; } > "$WORK/account/$1" && mount --bind "$WORK/account/$1" "/etc/$1"
}
account passwd "avrootless:x:$U:$U::$H:/bin/sh"
account group "avrootless:x:$U:"
account subuid "avrootless:3000000:65536"
account subgid "avrootless:3000000:65536"
mount --bind "$AV_BUILD" /mnt       # the build folder may lie where a user may not look

rm -f "$WORK/tun"; mknod -m 0666 "$WORK/tun" c 10 200 && mount --bind "$WORK/tun" /dev/net/tun   # as udev makes it

printf '#!/bin/sh\nANYVISOR_CONFIG=%s exec /mnt/bin/anyvisor "$@"\n' "$ANYVISOR_CONFIG" > "$H/anyvisor"
cat > "$H/containers.conf" <<X
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime_supports_json = ["anyvisor"]
[engine.runtimes]
anyvisor = ["$H/anyvisor"]
X
echo 'unqualified-search-registries = []' > "$H/registries.conf"
tar -C "$WORK/rootfs" -cf "$H/busybox.tar" .
chmod +x "$H/anyvisor"
chown -R "$U:$U" "$H"

user() {    # CMD...: as that user
    (cd "$H" && exec timeout --foreground -k 10 "$LIMIT" setpriv --reuid $U --regid $U --clear-groups \
        env -i HOME="$H" PATH="$PATH" XDG_RUNTIME_DIR="$H/run" CONTAINERS_CONF="$H/containers.conf" \
        CONTAINERS_REGISTRIES_CONF="$H/registries.conf" "$@")
}
mine() { user unshare --user --map-root-user --map-auto --mount "$H/anyvisor" "$@"; }
pm() { user podman --root "$H/root" --runroot "$H/run/podman" --tmpdir "$H/tmp" --storage-driver vfs --runtime anyvisor "$@"; }

# --- the runtime itself
b=$(bundle plain "$(sh_args 'id -u; hostname; echo of-a-user > /written; exit 7') | .hostname=\"guest\"")
cp -a "$b" "$H/bundle/plain" && chown -R "$U:$U" "$H/bundle"
check "without a namespace of his own: a sentence" 1 'user namespace' user "$H/anyvisor" run --bundle "$H/bundle/plain" r0
check "run in a user namespace" 7 '^guest$' mine run --bundle "$H/bundle/plain" r1
same "what root there writes is the user's" "of-a-user $U" \
    "$(cat "$H/bundle/plain/rootfs/written") $(stat -c %u "$H/bundle/plain/rootfs/written")"
check "its state is in XDG_RUNTIME_DIR" 0 '' test -d "$H/run/anyvisor"
check "gc" 0 '' mine gc
same "nothing is left of it" "" "$(find "$H"/run/anyvisor{,.vm} -mindepth 1)"

# --- podman
check "import" 0 '' pm import -c 'CMD ["/bin/sh"]' "$H/busybox.tar" localhost/busybox:latest
I=localhost/busybox
check "podman run" 5 '^0$' pm run --rm --network none $I sh -c 'id -u; exit 5'
check "podman run -d" 0 '' pm run -d --network none --name d1 $I sleep 1000
check "podman exec" 0 '^in 0$' pm exec d1 sh -c 'echo in $(id -u)'
check "podman exec as another user" 0 '^1000$' pm exec -u 1000 d1 id -u
id=$(pm ps -q --no-trunc -f name=d1)
check "update" 0 '' mine update --pids-limit 50 "$id"
same "it is the guest's cgroup that limits" 50 "$(mine events --stats "$id" | jq .data.pids.limit)"
check "podman cp" 0 '' pm cp "$H/registries.conf" d1:/copied
check "podman cp: it is there" 0 'unqualified' pm exec d1 cat /copied
check "podman stop" 0 '' pm stop -t 5 d1
check "podman start" 0 '' pm start d1
check "podman kill" 0 '' pm kill d1
check "podman rm" 0 '' pm rm -f -t 0 d1
if ! command -v slirp4netns > /dev/null; then
    skip "a user's network" "slirp4netns is not installed"
else
    check "podman run with slirp4netns" 0 'tap0.*10\.0\.2\.100' pm run --rm --network slirp4netns $I sh -c 'ip -o -4 addr; ip route; ping -c 1 -W 5 10.0.2.2'
fi
check "podman ends what holds its namespaces" 0 '' pm system migrate
same "no container is left" "" "$(mine list --quiet)"
umount /etc/passwd /etc/group /etc/subuid /etc/subgid /dev/net/tun /mnt
finish
