#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# VMs as clones of one that was saved: made once, shared, no two alike, replaced by a boot when the
# template is bad.  template.sh BACKEND [--long]: --long starts 50 at once instead of 10.
. "$(dirname "$0")/../lib.sh"
setup "${1:?usage: template.sh BACKEND [--long]}"
CLONES=10
[ "${2:-}" != --long ] || CLONES=50
STORE=$WORK/templates
PROBE=$AV_BUILD/tests/integration/template/clone_probe
LIMIT=180

configure() {   # configure WORD [MORE]: `template: WORD`
    cat > "$ANYVISOR_CONFIG" <<X
version: 1
plugins_dir: plugins.d
defaults:
  hypervisor: [$BACKEND]
  vm: {memory: 256MiB, vcpus: 1}
  template: $1
templates: {dir: $STORE${2:-}}
storage: {cache: {dir: $WORK/cache}}
classes:
- {name: tree, match: {annotations: {root: image}}, storage: {rootfs: [block]}}
X
}

templates() {   # templates JQ: of the list of them
    av template list --format json | jq -r "$1"
}

is_building() {
    compgen -G "$STORE/*/builder/vm"
}

switches() {    # of all threads of PID: how often each has gone to sleep
    cat "/proc/$1"/task/*/status | awk '/^voluntary_ctxt/ { s += $2 } END { print s }'
}

rests() {       # PID has been woken at most 20 times in 5 s; before the guest was told to rest it were 100
    local before
    before=$(switches "$1")
    sleep 5                              # the span that is measured
    [ $(($(switches "$1") - before)) -le 20 ]
}

one_line() {
    "$@" | tr '\n' ' '
}

# run_logged NAME CMD...: `anyvisor run`, what it says of templates in $WORK/NAME.log
run_logged() {
    local name=$1
    shift
    av --log "$WORK/$name.log" run "$@"
}

# --- who may share, as explain says it
b=$(bundle explain)
check "off is the default" 0 'template: +off' av explain "$b"
configure tenant
check "who is nobody's tenant boots" 0 'template: +none: .*no pod namespace' av explain "$b"
annotated=$(bundle tenant '.annotations={"io.kubernetes.cri.container-type":"sandbox","io.kubernetes.cri.sandbox-namespace":"team-a"}')
check "a tenant has templates of its own" 0 "template: +cloned from a template of pod namespace 'team-a'" \
    av explain "$annotated"
configure sharde
check "a wrong word is refused with the right one" 1 "did you mean 'shared'" av explain "$b"
configure shared
check "shared" 0 'template: +cloned from a template that all may share' av explain "$b"
same "nothing was made for that" "" "$(ls "$STORE" 2>/dev/null)"

# --- a back-end that cannot
if [ "$BACKEND" = fake ]; then
    b=$(bundle cannot "$(sh_args 'echo ran')")
    check "a back-end without templates boots" 0 '^ran$' run_logged cannot --bundle "$b" n1
    check "and says why" 0 'the VM boots, .*(template|snapshot)' cat "$WORK/cannot.log"
    check "it is not asked again at once" 0 'failed' templates '.[].state'
    check "template build says so, too" 1 'failed before' av template build "$b"
    check "template remove of nothing" 1 'NAME|usage' av template remove
    check "template remove --all" 0 '' av template remove --all
    same "none is left" "" "$(ls "$STORE")"
    finish
fi

# --- a builder that is killed leaves nothing in the way
b=$(bundle first "$(sh_args 'echo ran')")
"$AV" --root "$ROOT" run --bundle "$b" k1 > /dev/null 2>&1 < /dev/null &
killed=$!
until_ok 60 is_building
kill -9 "$killed"
wait "$killed" 2>/dev/null
until_ok 20 no_processes_left
same "its monitor and VM end with it" "" "$(leftover_processes)"
check "gc takes what is left of the container" 0 '' av gc
ANYVISOR_FAULT=monitor.template-save check "a builder that dies while it saves: the VM boots" 0 '^ran$' \
    run_logged fault --bundle "$b" k2
check "and says why" 0 'the VM boots' cat "$WORK/fault.log"
check "what it left is dropped" 0 '' av template remove --all
check "what it left is no template" 0 '^0$' templates '[.[]|select(.state=="ready")]|length'

# --- two at once: one makes it, the other waits for it
b2=$(bundle second "$(sh_args 'echo ran')")
run_logged first --bundle "$b" f1 > "$WORK/f1" 2>&1 < /dev/null &
run_logged second --bundle "$b2" f2 > "$WORK/f2" 2>&1 < /dev/null &
wait
same "both run" "ran ran" "$(cat "$WORK/f1" "$WORK/f2" | tr '\n' ' ' | sed 's/ $//')"
same "one made the template" 1 "$(cat "$WORK/first.log" "$WORK/second.log" | grep -c 'made template')"
same "both are clones of it" "ready 2" "$(templates '.[]|"\(.state) \(.uses)"')"
check "template check finds nothing wrong" 0 ': ok$' av template check
check "and a clone that is only for that answers" 0 ': ok, a clone has answered after [0-9]+ ms$' av template check --boot
same "which is no use of it, and is gone" "ready 2 " "$(templates '.[]|"\(.state) \(.uses)"') $(leftover_processes)"
check "template check of what is not there" 1 'No such file' av template check 0123456789abcdef0123456789abcdef
check "template build finds it" 0 "^$(templates '.[].name')\$" av template build "$b"

# --- no two clones are alike. That they would be without the reseed cannot be seen here: Linux seeds
# itself again where its seed is some seconds old (docs/fast-start.md, What clones have in common).
cp "$PROBE" "$WORK/rootfs/bin/clone_probe"
for ((i = 1; i <= CLONES; i++)); do
    b=$(bundle "many$i" '.process.args=["clone_probe"] |
        .process.capabilities |= map_values(. + ["CAP_NET_RAW"])')
    tr -d - < /proc/sys/kernel/random/uuid > "$b/rootfs/etc/machine-id"
done
before=$(date +%s%N)
for ((i = 1; i <= CLONES; i++)); do
    av run --bundle "$WORK/b/many$i" "m$i" > "$WORK/many.$i" 2> "$WORK/many.err.$i" < /dev/null &
done
wait
after=$(date +%s%N)
cat "$WORK"/many.err.* >&2
for what in random boot machine ports; do
    same "$CLONES clones at once: no two have the same $what" "$CLONES" \
        "$(cat "$WORK"/many.[0-9]* | grep "^$what " | sort -u | wc -l)"
done
# 64 values: with one key for all there would be one or two.
keys=$(cat "$WORK"/many.[0-9]* | sed -n 's/^tcp \([0-9]\)/\1/p' | sort -u | wc -l)
[ "$keys" -ge 4 ]
result "their TCP sequence numbers come from keys of their own" $? "$keys values of 64 in $CLONES clones"
same "each one's time is that of its start" "$CLONES" "$(cat "$WORK"/many.[0-9]* |
    awk -v b="$((before / 1000000))" -v a="$((after / 1000000))" \
        '/^time / { t = $2 / 1000000; n += t >= b - 50 && t <= a + 50 } END { print n + 0 }')"
same "all of them were clones" "$((CLONES + 2))" "$(templates '.[].uses')"

# --- disks are plugged into it
if command -v mkfs.erofs > /dev/null; then
    b=$(bundle disks "$(sh_args 'echo new > /new && cat /new && sed -n "s|^overlay / .*|on an image|p" /proc/mounts') | .annotations.root=\"image\"")
    check "a clone whose root is a disk" 0 '^new on an image $' one_line run_logged disks --keep --bundle "$b" disks
    check "is one of the same template" 0 "clone of the template in '$STORE" cat "$ROOT/disks/monitor.log"
    same "is its $((CLONES + 3))th" "$((CLONES + 3))" "$(templates '.[].uses')"
    check "delete it" 0 '' av delete --force disks
else
    skip "a clone whose root is a disk" "mkfs.erofs is not installed"
fi

# --- its time is the host's, and nothing of the template can be written
b=$(bundle idle '.process.args=["sleep","1000"]')
cp "$PROBE" "$b/rootfs/bin/clone_probe"
av create --bundle "$b" c1 > /dev/null 2>&1 < /dev/null
av start c1
check "the log names its template" 0 "clone of the template in '$STORE" cat "$ROOT/c1/monitor.log"
# Somewhere between the two it was asked: that bounds the error from both sides.
least=-1000000000000 most=1000000000000
for _ in 1 2 3 4 5; do
    before=$(date +%s%N)
    guest=$(av exec c1 clone_probe | sed -n 's/^time //p')
    after=$(date +%s%N)
    [ "$((guest - after))" -le "$least" ] || least=$((guest - after))
    [ "$((guest - before))" -ge "$most" ] || most=$((guest - before))
done
error="between $((least / 1000000)) and $((most / 1000000)) ms"
printf '# its clock is off by %s\n' "$error"
[ "$least" -le 50000000 ] && [ "$most" -ge -50000000 ]
result "its clock is the host's" $? "off by $error"
if [ "$BACKEND" = kvm ]; then
    vmm=$(sed -n 's/^pid=\([0-9]*\) .*/\1/p' "$ROOT/c1/vm")
    check "its memory is private" 0 'rw-p .*/live/memory' cat "/proc/$vmm/maps"
    check "and nothing else of the template is mapped" 1 '' grep -E 'rw-s .*/live/' "/proc/$vmm/maps"
    check "it sees the template read-only" 0 " $STORE/[0-9a-f]+/live ro," cat "/proc/$vmm/mountinfo"
    until_ok 60 rests "$vmm"
    result "idle it is left alone, but for less than four times a second" $?
fi
check "delete it" 0 '' av delete --force c1

# --- a template that is bad: the container boots, the next start makes a new one. The macvtap of the
# clone that failed is in nobody's way.
wanted=$(sh_args 'echo ran')
NS=avt-${WORK##*.}
if ip netns add "$NS" 2> /dev/null; then
    trap 'rc=$?; ip netns del "$NS"; (exit $rc); leave' EXIT
    ip -n "$NS" link add eth0 type veth peer name peer && ip -n "$NS" link set eth0 up
    sed -i 's/^defaults:/&\n  network: {attach: [macvtap, redirect]}/' "$ANYVISOR_CONFIG"
    wanted="$wanted | (.linux.namespaces[]|select(.type==\"network\")).path=\"/run/netns/$NS\""
else
    skip "clones in a network" "no network namespace can be made"
    NS=
fi
b=$(bundle bad "$wanted")
find "$STORE"/*/live -type f \( -name state -o -name domain \) -exec truncate --size=1000 {} +
check "template check names the file" 1 "its file '(state|domain)' was changed" av template check
check "so does --boot, without a clone" 1 "its file '(state|domain)' was changed" av template check --boot
sed -i -E '/^(state|domain)=/d' "$STORE"/*/live/contents     # only a clone can tell now
check "a clone that cannot be made is the reason" 1 'of 1 templates cannot be cloned' av template check --boot
same "the template is dropped" "missing" "$(templates '.[].state')"
same "and nothing of the clone is left" "" "$(leftover_processes)"
check "the next start makes it anew" 0 '^ran$' run_logged anew --bundle "$b" b0
find "$STORE"/*/live -type f \( -name state -o -name domain \) -exec truncate --size=1000 {} +
check "a broken template costs a boot, not the container" 0 '^ran$' run_logged bad --bundle "$b" b1
check "the log says so" 0 'could not be cloned' cat "$WORK/bad.log"
same "it is gone" "missing" "$(templates '.[].state')"
check "the next start makes it anew" 0 '^ran$' run_logged again --bundle "$b" b2
check "and clones it" 0 'made template' cat "$WORK/again.log"
same "it is ready" "ready 1" "$(templates '.[]|"\(.state) \(.uses)"')"
if [ "$NS" ]; then
    for mac in 02:00:5e:00:00:01 02:00:5e:00:00:02; do
        ip -n "$NS" link set eth0 address "$mac"
        b=$(bundle "mac${mac##*:}" "$(sh_args 'cat /sys/class/net/eth0/address') |
            (.linux.namespaces[]|select(.type==\"network\")).path=\"/run/netns/$NS\"")
        check "a clone has the MAC of its network ($mac)" 0 "^$mac\$" av run --bundle "$b" "mac${mac##*:}"
    done
    same "these were clones, too" 3 "$(templates '.[].uses')"
fi

# --- it ends with what it was made for
configure shared ", max_uses: 1"
check "a used-up one is expired" 0 '^expired$' templates '.[].state'
configure shared
touch "$WORK/etc/plugins.d/$BACKEND.yaml"
check "a changed descriptor makes it stale" 0 '^stale$' templates '.[].state'
check "and template check says what has changed" 1 "'file.descriptor' is another" av template check
check "gc drops it" 0 'removed templates' av gc
same "nothing is left of it" "" "$(ls "$STORE")"
finish
