#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# VMs that wait for containers: made, taken once, made anew; who is killed on the way leaves nothing;
# none outlives its configuration.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: pool.sh BACKEND}"
LIMIT=180
PATH=$PATH:/usr/sbin:/sbin # e2fsprogs
template=off
[ "$BACKEND" = fake ] || template=shared
MEMORY=256MiB

configure() {   # configure POOL: `pool: POOL` of the defaults
    cat > "$ANYVISOR_CONFIG" <<X
version: 1
plugins_dir: plugins.d
defaults:
  hypervisor: [$BACKEND]
  vm: {memory: $MEMORY, vcpus: 1}
  template: $template
  pool: $1
  storage: {volumes: [block, 9pfs]}
templates: {dir: $WORK/templates}
X
}

members() { # members STATE: their names
    av pool status --format json | jq -r ".[]|select(.state==\"$1\").name" | xargs
}

count() { members "$1" | wc -w; }
fill_another() { configure '{size: 2}' && av pool fill "$B"; }
filled() { av pool fill "$B" && has ready 2; }
has() { [ "$(count "$1")" = "$2" ]; }       # has STATE N
taken() { grep -l 'is that of container' "$ROOT"/*/monitor.log 2>/dev/null | wc -l; }
# What others test meanwhile has members, too.
pools_cgroups() { find /sys/fs/cgroup -type d -path "*/anyvisor-pool/$1" 2>/dev/null; }
idle='.process.args=["sleep","1000"]'
net_of() { readlink "/proc/$1/ns/net"; }
taps_of() { nsenter --net="/proc/$1/ns/net" ip -o link | grep -oE 'avtap[0-9]+' | xargs; }
carrier_of() { ! nsenter --net="/proc/$1/ns/net" ip -j link | jq -e 'any(.ifname == "avtap0" and (.flags | index("NO-CARRIER") | not))' > /dev/null || echo ' with a VM'; }

# create ID [BUNDLE]: a container's stdout is that of its create, which must not be a pipe
create() {
    av --log "$WORK/log" create --bundle "${2:-$B}" "$1" > "$WORK/out" 2>&1 < /dev/null
    local rc=$?
    cat "$WORK/out"
    return "$rc"
}

# --- who has one
B=$(bundle b "$(sh_args 'hostname; exit 3')")
check "none by default" 0 'pool: +off' av explain "$B"
check "fill says why there is none" 1 "policy: no VM can wait for '.*': its class has no pool" av pool fill "$B"
configure '{size: 2, min_fee: 1}'
check "a wrong key is refused with the right one" 1 "did you mean 'min_free'" av explain "$B"
configure '{size: 2, min_free: 2}'
check "explain tells" 0 'pool: +a VM that waits.*up to 2' av explain "$B"
check "status of nothing" 0 '^NAME' av pool status
check "drain of nothing" 0 '^$' av pool drain

# --- a hypervisor that would list them by another's name: said without making one
if can vmm-external && ! can rename; then
    check "fill says that the back-end holds no VMs" 1 "back-end '$BACKEND' cannot hold a VM for later" av pool fill "$B"
    same "no VM was made" "" "$(leftover_processes | grep qemu)"
    check "status tells it, too" 0 "class 'default': .*cannot hold a VM" av pool status
    check "drain" 0 '^$' av pool drain
    finish
fi

# --- the first start fills it, the second takes from it
check "the first start boots or clones" 3 'anyvisor' av run --bundle "$B" first
check "and its pool is filled afterwards" 0 '' until_ok 120 has ready 2
before=$(members ready)
check "its members are no containers" 0 '^$' av list --quiet
check "nor known by their names" 1 'does not exist' av state "${before%% *}"
one=$(av pool status --format json | jq -r '.[0].monitor')
same "one has cgroups of its own" yes "$([ -n "$(pools_cgroups "${before%% *}")" ] && echo yes)"
# shellcheck disable=SC2046 # numbers
cpu_of() { cat $(pgrep -P "$one" | sed 's|.*|/proc/&/stat|') "/proc/$one/stat" | awk '{ s += $14 + $15 } END { print s }'; }
woken() { cat /proc/"$one"/task/*/status | awk '/^voluntary_ctxt/ { s += $2 } END { print s }'; }
if can vmm-child; then                  # others keep a connection to their hypervisor alive
    spent="$(cpu_of) $(woken)"
    sleep 2                             # the span that is measured
    same "one that waits uses no CPU and is not woken" "$spent" "$(cpu_of) $(woken)"
fi

held_by() { find "/proc/$1/fd" -lname 'net:*' -printf '%l\n' | sort -u; }   # a monitor that waits holds one
taken_of() { for m in $(av pool status --format json | jq -r '.[].monitor'); do echo "$m $(held_by "$m")"; done; }
b=$(bundle taken "$idle")
held=$(taken_of)
check "a start takes one" 0 '^$' create c1 "$b"
check "and starts in it" 0 '^$' av start c1
check "its log says so" 0 "the VM is that of container 'c1'" cat "$ROOT/c1/monitor.log"
check "it runs" 0 'running' av state c1
check "exec in it" 0 '^anyvisor$' av exec c1 hostname
check "its timings have no boot" 0 'vm_started' av timings c1
same "and no creation of a VM" "" "$(av timings c1 | grep -E 'vm_created|hello')"
monitor=$(cut -d' ' -f1 "$ROOT/c1/monitor")
waited=$(awk -v m="$monitor" '$1 == m { print $2 }' <<< "$held")
pid=$(av state c1 | jq .pid)
same "its network namespace is the one in which the VM waited" "$waited" "$(net_of "$pid")"
tap=$([ "$BACKEND" != kvm ] || echo avtap0)
same "with its tap" "$tap" "$(taps_of "$pid")"
# of the namespace, which outlives the container; no child of ours, for whom `wait` would wait
holder=$(nsenter --net="/proc/$pid/ns/net" sleep 1000 > /dev/null & echo $!)
cgroups=$(cat "/proc/$pid/cgroup")
check "its process on the host is in cgroups of its own" 0 '/av-test-.*/taken' echo "$cgroups"
same "so is its monitor" "$cgroups" "$(cat "/proc/$monitor/cgroup")"
vmm=$(pgrep -P "$monitor" || pgrep -f -- "-$(tr '=' ' ' < "$ROOT/c1/vm") ")      # "uuid=..." of libvirt's
same "it has a VMM" yes "$([ -n "$vmm" ] && echo yes)"
for pid in $vmm; do
    same "so is $(cat "/proc/$pid/comm")" "$cgroups" "$(cat "/proc/$pid/cgroup")"
done
one=$(comm -23 <(tr ' ' '\n' <<< "$before" | sort) <(members ready | tr ' ' '\n' | sort) | head -n 1)
same "and those of the pool are gone" "" "$(pools_cgroups "${one:-none}")"
check "the pool is filled again" 0 '' until_ok 120 has ready 2
check "gc leaves all of it alone" 0 '^$' av gc
same "they are there" 2 "$(count ready)"
check "delete" 0 '^$' av delete --force c1
same "a tap goes with the container's own namespace, and nobody has waited for it" "$tap" "$(taps_of "$holder")"
there=$(bundle there "$idle | (.linux.namespaces[]|select(.type==\"network\")).path=\"/proc/$holder/ns/net\"")
check "another VM, in a namespace that is there" 0 '^$' create there "$there"
check "it is of the pool" 0 "is that of container 'there'" cat "$ROOT/there/monitor.log"
same "its tap has taken the place of the other one" "$tap${tap:+ with a VM}" "$(taps_of "$holder")$(carrier_of "$holder")"
check "delete" 0 '^$' av delete --force there
same "no tap is left there" "" "$(taps_of "$holder")"
check "the pool is filled again" 0 '' until_ok 120 has ready 2
check "a name that is taken costs no member" 0 '' create c2 "$b"
check "create of the same" 1 "id 'c2' already exists" create c2 "$b"
check "the pool is filled again" 0 '' until_ok 120 has ready 2
check "delete" 0 '^$' av delete --force c2

# --- disks are plugged into the one that is taken, as many as it has places for beside a NIC's
if [ "$BACKEND" = kvm ]; then
    truncate -s 16M "$WORK/disk.img" && mke2fs -q -t ext4 -F "$WORK/disk.img"
    image="{type:\"anyvisor.block\",source:\"$WORK/disk.img\",destination:\"/d\",options:[]}"
    scratch='{type:"anyvisor.scratch",destination:"/s",options:["size=64MiB"]}'
    disks=$(bundle disks "$(sh_args 'echo written > /d/f; echo gone > /s/f; grep -c -E " /[ds] ext4 " /proc/mounts') | .mounts += [$image,$scratch]")
    check "the back-end says how many" 0 '^ +hotplug_max +4$' av backends --verbose
    check "a VM of the pool takes disks" 0 '^2$' av run --keep --bundle "$disks" disks
    check "it was taken" 0 'is that of container' cat "$ROOT/disks/monitor.log"
    check "delete" 0 '' av delete --force disks
    check "the host reads what it wrote" 0 '^written$' debugfs -R 'cat /f' "$WORK/disk.img"
    check "the file system is clean" 0 'clean' e2fsck -n "$WORK/disk.img"
    many=$(bundle many "$(sh_args 'grep -c " /s[0-9]* ext4 " /proc/mounts') | .mounts += ([range(4)]|map($scratch|.destination+=\"\(.)\"))")
    check "four are one too many" 1 'cannot plug its disks into a VM that runs' av pool fill "$many"
    check "the pool is filled again" 0 '' until_ok 120 filled
    ANYVISOR_FAULT=cli.pool-cgroups:fail check "a VM that cannot be taken leaves the disks" 0 '^2$' av run --bundle "$disks" again
    check "the pool is filled again" 0 '' until_ok 120 filled
fi

# --- takers at once: no VM is given twice
takers=20
[ "$BACKEND" = fake ] || takers=4
for ((i = 1; i <= takers; i++)); do bundle "many$i" "$idle" > /dev/null; done
for ((i = 1; i <= takers; i++)); do
    av create --bundle "$WORK/b/many$i" "m$i" > "$WORK/many.$i" 2>&1 < /dev/null &
done
wait
same "$takers at once: all are created" "$takers" "$(av list --format json | jq '[.[]|select(.status=="created")]|length')"
same "each has a VM of its own" "$takers" "$(jq -r .runDir "$ROOT"/m*/state.json | sort -u | wc -l)"
same "and a monitor of its own" "$takers" "$(cat "$ROOT"/m*/monitor | sort -u | wc -l)"
same "some were taken from the pool" yes "$(if [ "$(taken)" -ge 2 ]; then echo yes; else cat "$WORK"/many.*; fi)"
for ((i = 1; i <= takers; i++)); do av delete --force "m$i"; done
check "the pool is filled again" 0 '' until_ok 120 has ready 2

# --- a taker that is killed, at each of its steps: nothing of it is left, and the next one starts
b=$(bundle killed "$(sh_args 'exit 3')")
for p in written renamed asked; do
    ANYVISOR_FAULT=cli.pool-$p av run --bundle "$b" "k-$p" > "$WORK/out" 2>&1 < /dev/null
    same "taker killed, $p" 137 $?
    check "$p: gc" 0 'removed' av gc
    check "$p: gc again" 0 '^$' av gc
    same "$p: nothing of it is left" "" "$(av list --quiet)"
    check "$p: the next start" 3 '' av run --bundle "$b" "n-$p"
    check "$p: the pool is filled again" 0 '' until_ok 120 has ready 2
    if [ "$BACKEND" = fake ]; then
        ANYVISOR_FAULT=cli.pool-$p:fail check "$p fails: a sentence" "$([ $p = asked ] && echo 3 || echo 1)" \
            "fault cli.pool-$p" av run --bundle "$b" "f-$p"
        check "$p fails: gc" 0 '^$' av gc
        same "$p fails: nothing of it is left" "" "$(av list --quiet)"
        check "$p fails: the pool is filled again" 0 '' until_ok 120 filled
    fi
    [ "$BACKEND" = fake ] || break      # the rest is logic
done

if [ "$BACKEND" = fake ]; then
    ANYVISOR_FAULT=cli.pool-renamed av run --bundle "$b" k-delete > "$WORK/out" 2>&1 < /dev/null
    begin=$SECONDS
    check "delete --force of what a killed taker left" 0 '' av delete --force k-delete
    same "waits for no end of a VM that only waits" yes "$([ $((SECONDS - begin)) -lt 15 ] && echo yes)"
    same "nothing of it is left" "" "$(av list --quiet)"
    check "the pool is filled again" 0 '' until_ok 120 filled
fi

# --- neither its VM nor the container can be had
check "fill" 0 'made$' av pool fill "$b"
nosource=$(bundle nosource '.mounts += [{destination:"/x",type:"bind",source:"/nonexistent",options:["bind"]}]')
begin=$SECONDS
ANYVISOR_FAULT=cli.pool-ask:fail check "a taker that fails itself says why" 1 nonexistent create nosource "$nosource"
same "and waits for nobody" yes "$([ $((SECONDS - begin)) -lt 15 ] && echo yes)"
check "gc" 0 '^$' av gc

# --- a member that fails when it is taken: another VM, and the log says so
for p in taken resumed; do
    check "$p: drain" 0 '^$' av pool drain
    same "$p: nobody waits" "" "$(leftover_processes)"
    ANYVISOR_FAULT=monitor.pool-$p check "$p: fill" 0 '^2 made$' av pool fill "$b"
    check "a member dies, $p: the container starts" 3 'could not be taken' av run --bundle "$b" "d-$p"
    check "$p: gc" 0 '' av gc
    [ "$BACKEND" = fake ] || break
done
check "drain" 0 '^$' av pool drain

# --- one that cannot be where the container is, which has been asked for by then. Taps are moved into a
# network namespace that was there before; a container that has its own gets that of the VM.
ends=$(bundle ends "$(sh_args 'exit 3') | (.linux.namespaces[]|select(.type==\"network\")).path=\"/proc/$holder/ns/net\"")
for p in cgroups taps; do
    check "$p: fill" 0 '' until_ok 120 filled
    ANYVISOR_FAULT=cli.pool-$p:fail check "$p cannot be moved: the container starts" 3 \
        "could not be taken: fault cli.pool-$p" av run --keep --bundle "$ends" "u-$p"
    check "$p: in a VM made for it" 0 'of container .*agent .* on Linux' paste -sd' ' "$ROOT/u-$p/monitor.log"
    check "$p: delete" 0 '' av delete "u-$p"
    check "$p: gc" 0 '' av gc
    same "$p: nothing of it is left" "" "$(av list --quiet)"
done
kill "$holder"
hooked=$(bundle hooked "$(sh_args 'exit 3') | .hooks.createRuntime=[{path:\"/bin/sh\",args:[\"sh\",\"-c\",\"echo >> $WORK/hooks\"]}]")
check "fill" 0 '' until_ok 120 filled
ANYVISOR_FAULT=cli.pool-cgroups:fail check "with hooks: the container starts" 3 'could not be taken' av run --bundle "$hooked" hooked
same "each was run once" 1 "$(wc -l < "$WORK/hooks")"
nobody=$(bundle nobody '.process.args=["/no/such"]')
check "the pool is filled again" 0 '' until_ok 120 filled
ANYVISOR_FAULT=cli.pool-cgroups:fail check "a program that is missing is the error" 1 '/no/such' av run --bundle "$nobody" nobody
check "drain" 0 '^$' av pool drain
same "nobody waits" "" "$(leftover_processes)"

# --- fillers that are killed or fail
ANYVISOR_FAULT=cli.pool-held av pool fill "$b" > "$WORK/out" 2>&1 < /dev/null
same "filler killed" 137 $?
check "what it left is given to nobody" 0 '^$' members ready
check "it is dead" 0 '' until_ok 20 has dead 1
check "and goes with gc" 0 'removed VMs of the pool' av gc
same "no process is left" "" "$(leftover_processes)"
begin=$SECONDS
ANYVISOR_FAULT=cli.pool-held:fail check "it cannot be published: fill says so" 1 'fault cli.pool-held' av pool fill "$b"
same "which takes no deadline's time" yes "$([ $((SECONDS - begin)) -lt 15 ] && echo yes)"
same "no process is left" "" "$(leftover_processes)"
ANYVISOR_FAULT=cli.pool-room:fail check "no memory: fill says so" 1 'MiB of memory are available' av pool fill "$b"
check "so does status" 0 "class 'default': .*memory" av pool status
check "the start goes on without" 3 '' av run --bundle "$b" nomemory
same "and does not try again at once" "0 0" "$(count ready) $(count busy)"
check "fill by hand does" 0 '^2 made$' av pool fill "$b"
check "and status has nothing to complain of" 0 '' av pool status
same "no failure" "" "$(av pool status | grep "class 'default'")"
check "a full pool needs nothing" 0 '^0 made$' av pool fill "$b"

# --- one that is as nobody wants it: a line of its facts has two halves
if [ "$BACKEND" = fake ]; then
    cp "$WORK/etc/plugins.d/fake.yaml" "$WORK/fake.yaml"
    agent=$WORK/a$'\n'gent
    ln -s "$(sed -n 's/^  agent: //p' "$WORK/fake.yaml")" "$agent"
    sed -i "s|^  agent: .*|  agent: \"$WORK/a\\\\ngent\"|" "$WORK/etc/plugins.d/fake.yaml"
    configure '{size: 1}'
    check "none fits: fill ends" 1 "is ready and fits no container" av pool fill "$b"
    cp "$WORK/fake.yaml" "$WORK/etc/plugins.d/fake.yaml"
    configure '{size: 2}'
    check "fill of those that fit" 0 '^2 made$' av pool fill "$b"
fi

# --- one that died while it waited
kill -9 "$(av pool status --format json | jq -r '.[0].monitor')"
check "a dead one is seen" 0 '' until_ok 20 has dead 1
check "and not taken" 3 '' av run --bundle "$b" alive
check "it is replaced" 0 '' until_ok 120 has ready 2
same "nobody is dead" 0 "$(count dead)"

# --- one that nobody fills by the way: what another filler makes would not be made by `fill`
if [ "$BACKEND" = fake ]; then
    check "drain" 0 '^$' av pool drain
    configure '{size: 2, min_free: 0}'
    check "explain says who fills it" 0 "up to 2, made by 'anyvisor pool fill' alone" av explain "$b"
    check "a start without a pool" 3 '' av run --bundle "$b" alone
    check "fills none" 0 '^2 made$' av pool fill "$b"
    check "a start takes one" 3 '' av run --bundle "$b" alone
    check "and leaves the other alone" 0 '^1 made$' av pool fill "$b"
    check "drain" 0 '^$' av pool drain
    configure '{size: 2}'
    check "fill" 0 '' until_ok 120 filled
fi

# --- a class whose workloads differ in size: the last one counts
if [ "$BACKEND" = fake ]; then
    MEMORY=auto
    configure '{size: 2}'
    big=$(bundle big '.linux.resources.memory.limit=536870912')
    check "fill for one size" 0 '^2 made$' av pool fill "$b"
    check "fill for another one" 0 '^2 made$' av pool fill "$big"
    same "no more than the class's size" 2 "$(count ready)"
    check "fill without a bundle, for a class" 1 "class 'none'|no class" av --class none pool fill
    MEMORY=1TiB
    configure '{size: 1}'
    check "no VM waits that is larger than this host" 1 'MiB of memory are available, .* take 1048704' av pool fill "$b"
    sed -i 's/^config:/&\n  memory: apart/' "$WORK/etc/plugins.d/fake.yaml"
    check "unless its memory is none of the host's" 0 '^1 made$' av pool fill "$b"
    ANYVISOR_FAULT=cli.pool-room:fail check "but for what its processes take" 1 '0 MiB of memory .* take 128' fill_another
    sed -i '/^  memory:/d' "$WORK/etc/plugins.d/fake.yaml"
    MEMORY=256MiB
    configure '{size: 2}'
    check "fill" 0 '^2 made$' av pool fill "$b"
fi

# --- a changed configuration, an old one, the end
configure '{size: 2, max_age: 3600}'
check "a changed configuration makes all stale" 0 '' has stale 2
check "none of them is taken" 3 '' av run --bundle "$b" changed
check "new ones take their place" 0 '' until_ok 120 has ready 2
same "and the stale ones are gone" 0 "$(count stale)"
configure '{size: 2, max_age: 1}'
check "fill by class" 0 '^2 made$' av pool fill
check "one that is too old is seen" 0 '' until_ok 20 has expired 2
check "gc removes it" 0 "removed VMs of the pool: 2 in '$ROOT'" av gc
same "nobody waits" "" "$(leftover_processes)"
configure '{size: 2}'
check "fill once more" 0 'made$' av pool fill "$b"
last=$(members ready)
(   # one that fills and has not said who it is
    exec 9<> "$(ls -d "$ROOT"/@pool/@fill.*)" && flock 9 && : > /proc/self/fd/9 && touch "$WORK/locked"
    read -r -t 1 <> <(:)
    touch "$WORK/unlocks"
) &
check "somebody fills" 0 '' until_ok 20 test -e "$WORK/locked"
check "drain" 0 '^$' av pool drain
same "it has waited for who fills" yes "$([ -e "$WORK/unlocks" ] && echo yes)"
# Slower, so that one is seen while it is being made.
[ "$BACKEND" != fake ] || sed -i 's/^config:/&\n  delay: vm_create=1500/' "$WORK/etc/plugins.d/fake.yaml"
av pool fill "$b" > "$WORK/out" 2>&1 < /dev/null &
filler=$!
check "one is being made" 0 '' until_ok 60 has busy 1
echo '# changed' >> "$ANYVISOR_CONFIG"
wait "$filler"
same "the configuration changed meanwhile: fill fails" 1 $?
check "it says why" 0 'config: the configuration or a file .* has changed' cat "$WORK/out"
# One that was ready before the change is stale now.
same "the one that was being made is given to nobody" "" "$(members ready)"
av pool fill "$b" > "$WORK/out" 2>&1 < /dev/null &
check "one is being made" 0 '' until_ok 60 has busy 1
check "drain ends who fills, too" 0 '^$' av pool drain
wait
sed -i '/^  delay:/d' "$WORK/etc/plugins.d/fake.yaml" 2>/dev/null
same "nobody waits, nobody fills" "" "$(leftover_processes)"
for one in $last; do same "no cgroup of a member is left" "" "$(pools_cgroups "$one")"; done

# --- its NIC goes where the container's interfaces are
if [ "$BACKEND" = kvm ] && command -v ip > /dev/null && ip netns add "avp-${WORK##*.}"; then
    ns=avp-${WORK##*.}
    ip -n "$ns" link set lo up
    ip -n "$ns" link add eth0 type veth peer name peer
    ip -n "$ns" addr add 10.98.0.2/24 dev eth0 && ip -n "$ns" link set eth0 up && ip -n "$ns" link set peer up
    check "fill" 0 '^2 made$' av pool fill "$b"
    net=$(bundle net "$(sh_args 'ip -o -4 addr show dev eth0; cat /sys/class/net/eth0/carrier') | (.linux.namespaces[]|select(.type==\"network\")).path=\"/run/netns/$ns\"")
    check "a taken VM has the container's network" 0 '10.98.0.2/24.*' av run --keep --bundle "$net" net
    check "it was taken" 0 'is that of container' cat "$ROOT/net/monitor.log"
    av delete --force net
    ip netns del "$ns"
fi
check "drain at the end" 0 '^$' av pool drain
same "nothing of the pool is left" "" "$(ls "$ROOT" 2>/dev/null)"
finish
