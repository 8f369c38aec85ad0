#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What an operator asks: check, backends, explain, config check, logs, timings, features, spec.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: operator.sh BACKEND}"
ARCH=$(uname -m)
ETC=$WORK/etc
b=$(bundle b "$(sh_args 'echo up; exec sleep 1000')")

# with_config TEXT: a configuration of its own, in $ETC/other.yaml
with_config() {
    printf 'version: 1\nplugins_dir: plugins.d\n%s\n' "$1" > "$ETC/other.yaml"
}
other() {
    av --config "$ETC/other.yaml" "$@"
}
# descriptor NAME LIBRARY [CONFIG]: one more file of plugins.d
descriptor() {
    printf 'name: %s\nlibrary: %s\narch: %s\nconfig: {%s}\n' "$1" "$2" "$ARCH" "${3:-}" \
        > "$ETC/plugins.d/$1.yaml"
    chmod 0644 "$ETC/plugins.d/$1.yaml"
}

# --- features and spec
same "features is a JSON document" string "$(av features | jq -r '.ociVersionMax|type')"
mkdir "$WORK/spec"
check "spec writes config.json" 0 '' av spec --bundle "$WORK/spec"
same "which is a bundle's" sh "$(jq -r '.process.args[0]' "$WORK/spec/config.json")"
check "spec does not overwrite" 1 'File .*config.json exists. Remove it first' \
    av spec -b "$WORK/spec"
rm "$WORK/spec/config.json"
check "spec --rootless" 0 '' av spec --rootless --bundle "$WORK/spec"
same "has a user namespace" true \
    "$(jq '[.linux.namespaces[].type] | index("user") != null' "$WORK/spec/config.json")"

# --- check --openstack: against nova's configuration
mkdir "$WORK/nova"
cpus=$(taskset -pc $$ | sed 's/.*: //')
nova_check() {     # nova_check TEXT [TEXT]: with that as nova.conf and nova-compute.conf
    printf '%b' "$1" > "$WORK/nova/nova.conf"
    rm -f "$WORK/nova/nova-compute.conf"
    [ -z "${2:-}" ] || printf '%b' "$2" > "$WORK/nova/nova-compute.conf"
    av check --openstack --nova-conf "$WORK/nova/nova.conf" | grep ' openstack: '
    return "${PIPESTATUS[0]}"
}
cp "$ANYVISOR_CONFIG" "$WORK/etc/kept.yaml"
check "openstack: a VM that fits" 0 'ok +openstack: 0 VMs of containers may take 0 MiB now, reserved_host_memory_mb is 512' \
    nova_check '[DEFAULT]\nreserved_host_memory_mb = 512\n'
check "openstack: the second file counts" 0 "class 'default': one VM takes [0-9]+ MiB, and reserved_host_memory_mb keeps 100 MiB" \
    nova_check '' '[DEFAULT]\nreserved_host_memory_mb = 100\n'
check "openstack: CPUs that are instances'" 0 "warn +openstack: containers without a cpuset may run on CPUs .*, which cpu_dedicated_set" \
    nova_check "[compute]\ncpu_dedicated_set = $cpus\n"
check "openstack: no CPU is left for a class" 0 "class 'default': 1 vCPUs, and cpu_dedicated_set leaves 0 CPUs" \
    nova_check "[compute]\ncpu_dedicated_set = $cpus\n"
check "openstack: CPUs elsewhere" 0 'ok +openstack: containers stay off cpu_dedicated_set 1000-1001$' \
    nova_check '[compute]\ncpu_dedicated_set = 1000-1001\n'
check "openstack: nothing set" 0 'warn +openstack: neither cpu_shared_set nor cpu_dedicated_set' nova_check ''
[ "$BACKEND" = kvm-libvirt ] || check "openstack: a back-end without libvirt" 0 "ok +openstack: no container's VM shows up at nova's libvirt 'qemu:///system'" \
    nova_check ''
printf 'classes:\n  - {name: seen, match: {pod_name: x}, hypervisor: [kvm-libvirt]}\n' >> "$ANYVISOR_CONFIG"
check "openstack: a class whose VMs nova lists" 0 "warn +openstack: back-end 'kvm-libvirt' makes its VMs at 'qemu\+unix:///system'" \
    nova_check '[libvirt]\nconnection_uri = qemu+unix:///system\n'
mv "$WORK/etc/kept.yaml" "$ANYVISOR_CONFIG"
check "openstack: what is no set of CPUs" 1 "FAIL +openstack: .*nova.conf:2: cpu_shared_set: 'all' is not like" \
    nova_check '[compute]\ncpu_shared_set = all\n'
check "openstack: no nova" 1 "FAIL +openstack: nova's configuration: .*none/nova.conf" \
    av check --openstack --nova-conf "$WORK/none/nova.conf"
check "openstack: its file without it" 1 'nova-conf is for --openstack' av check --nova-conf x

# --- check
check "check finds that a container can run" 0 "^ok +default class: .*'$BACKEND'" av check
check "check tells the unusable, too" 0 "^warn +back-end: 'hyperv-stub' cannot be used: " av check
check "check -v names kernel features" 0 '^ok +kernel: mount_setattr' av check -v
same "check --format json" true "$(av check --format json | jq .ok)"
same "has lines of three parts" true \
    "$(av check --format json | jq '[.checks[] | has("status") and has("what") and has("detail")] | all')"
with_config 'defaults: {hypervisor: [hyperv-stub]}'
check "check fails where no back-end is usable" 1 '^FAIL +default class: ' other check
with_config 'defaults: {hypervisor: [nosuch]}'
check "check warns of a name without descriptor" 1 "^warn .*'nosuch'.*no descriptor" other check
if [ "$(of_backend .accel)" = tcg ]; then
    check "check says why the back-end emulates" 0 'accelerator tcg; software emulation' av check
else
    skip "check says why the back-end emulates" "it does not"
fi

# --- backends
check "backends lists the usable" 0 "^$BACKEND +$BACKEND.so +$ARCH .* usable$" av backends
check "backends lists the others with a reason" 0 '^hyperv-stub .* no: .+' av backends
check "backends -v tells capabilities" 0 '^ +capabilities .*pause.*share-9p|share-9p' av backends -v
same "backends --format json" true \
    "$(av backends --format json | jq ".backends[] | select(.name==\"$BACKEND\") | .usable")"
trait=${BACKEND^^} trait=${trait//-/_}
same "with traits that a scheduler can compare" true "$(av backends --format json | jq "
    (.traits | unique) == ([.backends[].traits // [] | .[]] | unique) and
    (.backends[] | select(.name==\"$BACKEND\") | .traits | index(\"CUSTOM_ANYVISOR_BACKEND_$trait\") != null
        and index(\"CUSTOM_ANYVISOR_CAP_SHARE_9P\") != null and all(test(\"^CUSTOM_[A-Z0-9_]{1,248}\$\")))")"
same "with capabilities by name" true "$(av backends --format json |
    jq ".backends[] | select(.name==\"$BACKEND\") | .capabilities | index(\"share-9p\") != null")"
isolated=$AV_BUILD/tests/abi/plugins/isolated.so
if [ -e "$isolated" ] && [ "$ARCH" = x86_64 ]; then
    descriptor crash "$isolated" 'probe: crash'
    check "a crash in probe is a row" 0 "^crash .* no: crashed with signal|no: .*crashed with signal 11" av backends
    check "and the rest goes on" 0 "^$BACKEND .* usable$" av backends
    with_config "defaults: {hypervisor: [crash, $BACKEND]}"
    check "explain passes over it" 0 'crash +ruled out +.*crashed with signal' other explain "$b"
    rm "$ETC/plugins.d/crash.yaml"
else
    skip "a crash in probe is a row" "the plug-ins of tests/abi are not built or not for $ARCH"
fi

# --- explain
check "explain names class and choice" 0 "^  $BACKEND +chosen " av explain "$b"
check "explain names the unlisted" 0 '^  hyperv-stub +unlisted ' av explain "$b"
same "explain --format json" "$BACKEND" "$(av explain --format json "$b" | jq -r .hypervisor)"
same "with the size" 1 "$(av explain --format json "$b" | jq .vm.vcpus)"
sed "s/^arch:.*/arch: s390x/; s/^name:.*/name: alien/" "$ETC/plugins.d/$BACKEND.yaml" \
    > "$ETC/plugins.d/alien.yaml"
with_config "defaults: {hypervisor: [nosuch, hyperv-stub, alien, $BACKEND]}
classes:
  - {name: closed, match: {annotations: {org.example.closed: \"yes\"}}, hypervisor: [hyperv-stub]}"
check "explain: no descriptor" 0 'nosuch +ruled out +.*no descriptor' other explain "$b"
check "explain: probe failed" 0 'hyperv-stub +ruled out +.*/dev/mshv' other explain "$b"
check "explain: another architecture" 0 'alien +ruled out +.*s390x' other explain "$b"
check "explain: the next one is chosen" 0 "$BACKEND +chosen" other explain "$b"
check "explain --class fails closed" 1 "no hypervisor for class 'closed'" \
    other explain --class closed "$b"
check "explain --class default" 0 "$BACKEND +chosen" other explain --class default "$b"
check "explain --class of a typing mistake" 1 "did you mean 'closed'" \
    other explain --class closd "$b"
closed=$(bundle closed '.annotations={"org.example.closed":"yes"}')
check "explain matches by annotation" 1 "^rule: +classes\[0\] 'closed' .*other.yaml:" \
    other explain "$closed"
same "explain in JSON where none fits" "closed null string" "$(other explain --format json "$closed" \
    2> /dev/null | jq -r '"\(.class) \(.hypervisor) \(.error|type)"')"
check "create says the same" 1 "back-end 'hyperv-stub'.*/dev/mshv" \
    other create --bundle "$closed" no1
rm "$ETC/plugins.d/alien.yaml"
same "explain leaves nothing" "" "$(find "$ROOT" -mindepth 1 -maxdepth 1 ! -name '.*' 2> /dev/null)"
check "explain of no bundle" 1 'config.json' av explain "$WORK/etc"

# --- configuration: mistakes, and which file counts
check "config check" 0 'anyvisor.yaml: good, [0-9]+ back-end descriptor' av config check
printf 'version: 1\ndefaults:\n  hypervisr: [kvm]\n' > "$ETC/bad.yaml"
check "an unknown key: file, line, column, key, nearest key" 1 \
    "bad.yaml:3:3: .*'hypervisr'.*'hypervisor'" av --config "$ETC/bad.yaml" config check
check "config check FILE" 1 "bad.yaml:3:3: " av config check "$ETC/bad.yaml"
check "create refuses it in the same words" 1 "bad.yaml:3:3: .*'hypervisr'.*'hypervisor'" \
    av --config "$ETC/bad.yaml" create --bundle "$b" no2
printf 'version: 1\ndefaults: {vm: {memory: many}}\n' > "$ETC/bad.yaml"
check "a bad value" 1 "bad.yaml:2:25: key 'defaults.vm.memory': expected a size such as 64MiB, not 'many'" av config check "$ETC/bad.yaml"
printf 'version: 1\ndefaults: [\n' > "$ETC/bad.yaml"
check "a bracket that is not closed is told where it opens" 1 "bad.yaml:2:11: '\[' is not closed" av config check "$ETC/bad.yaml"
same "and told once" 1 "$(av config check "$ETC/bad.yaml" 2>&1 | grep -c bad.yaml)"
check "a log of its own gets it, too" 1 'not closed' av --log "$WORK/check.log" config check "$ETC/bad.yaml"
check "as an error" 0 'error: .*not closed' cat "$WORK/check.log"
with_config "defaults:
  hypervisor: [${BACKEND}x]"
check "a hypervisor without descriptor" 1 \
    "other.yaml:4:16: .*'${BACKEND}x'.*did you mean '$BACKEND'" av config check "$ETC/other.yaml"
descriptor bad1 x.so
sed -i 's/^library/librry/' "$ETC/plugins.d/bad1.yaml"
descriptor bad2 x.so
sed -i 's/^arch/archs/' "$ETC/plugins.d/bad2.yaml"
check "config check tells all bad descriptors: the first" 1 "bad1.yaml:2:1: .*'librry'.*'library'" \
    av config check
check "config check tells all bad descriptors: the second" 1 "bad2.yaml:3:1: .*'archs'.*'arch'" \
    av config check
check "a bad descriptor stops create" 1 'bad1.yaml:2:1' av create --bundle "$b" no3
check "backends shows it and goes on" 0 'bad1.yaml:2:1' av backends
rm "$ETC"/plugins.d/bad?.yaml
cp "$ETC/plugins.d/$BACKEND.yaml" "$WORK/$BACKEND.good"
printf 'config:\n  nosuchkey: 1\n' > "$WORK/typo"
sed -i '/^config:/,$d' "$ETC/plugins.d/$BACKEND.yaml"
typo_line=$(($(wc -l < "$ETC/plugins.d/$BACKEND.yaml") + 2))
cat "$WORK/typo" >> "$ETC/plugins.d/$BACKEND.yaml"
check "config check asks the plug-in about its keys" 1 \
    "$BACKEND.yaml:$typo_line:3: config key 'nosuchkey'" av config check
check "create refuses the key with its place, too" 1 \
    "$BACKEND.yaml:$typo_line:3: config key 'nosuchkey'" av create --bundle "$b" no4
cp "$WORK/$BACKEND.good" "$ETC/plugins.d/$BACKEND.yaml"
with_config 'defaults: {hypervisor: [kvm], vm: {machine: q36}}'
check "config check asks the plug-in about machines" 1 \
    "other.yaml:3:36: defaults.vm: .*no machine 'q36' for x86_64 guests; there is: q35, microvm" other config check
with_config "defaults: {hypervisor: [$BACKEND]}
classes:
  - {name: a, match: {pod_name: x}, vm: {machine: virt}, hypervisor: [kvm-aarch64]}
  - {name: b, match: {pod_name: y}, vm: {machine: virt}, hypervisor: [kvm-aarch64, kvm]}
  - {name: c, match: {pod_name: z}, vm: {options: {no_such_word: 1}}}"
check "of each class and each of its hypervisors" 1 "other.yaml:6:5: class 'b': .*'kvm'.*no machine 'virt'" other config check
check "and options" 1 "other.yaml:7:5: class 'c': .*unknown option 'no_such_word'" other config check
sed 's/^name:.*/name: odd/; s/^arch:.*/arch: riscv64/' "$AV_BUILD/etc/anyvisor/plugins.d/kvm.yaml" > "$ETC/plugins.d/odd.yaml"
printf 'version: 1\nplugins_dir: plugins.d\ndefaults: {hypervisor: [odd]}\n' > "$ETC/odd.yaml"
check "and about an architecture without machines" 1 "defaults.vm: .*'odd': there is no machine for riscv64 guests" \
    av config check "$ETC/odd.yaml"
rm "$ETC/plugins.d/odd.yaml"
same "of which there are two" 2 "$(other config check 2>&1 | grep -c other.yaml)"
printf 'version: 1\nplugins_dir: /nonexistent\n' > "$ETC/bad.yaml"
check "a missing plugins_dir is told with its place" 1 \
    "bad.yaml:2:1: key 'plugins_dir': '/nonexistent': No such file" av config check "$ETC/bad.yaml"
with_config 'defaults: {hypervisor: [hyperv-stub]}'
check "--config counts before ANYVISOR_CONFIG" 1 'mshv' other explain "$b"
ANYVISOR_CONFIG=$ETC/other.yaml check "ANYVISOR_CONFIG counts" 1 'mshv' av explain "$b"
check "a missing --config is a sentence" 1 'nosuch.yaml.*No such file' \
    av --config "$ETC/nosuch.yaml" check
ANYVISOR_CONFIG=$ETC/nosuch.yaml check "a missing ANYVISOR_CONFIG too" 1 'nosuch.yaml.*No such file' \
    av explain "$b"

# --- trust
chmod g+w "$ETC/plugins.d/$BACKEND.yaml"
check "a group-writable descriptor is refused" 1 "$BACKEND.yaml' is not trusted: its group may write" \
    av create --bundle "$b" no4
check "and check says so" 1 "not trusted" av check
chmod g-w "$ETC/plugins.d/$BACKEND.yaml"
mkdir "$WORK/so"
install -m 0664 "$AV_BUILD/lib/anyvisor/backends/$BACKEND.so" "$WORK/so/mine.so"
sed "s|^library:.*|library: $WORK/so/mine.so|; s/^name:.*/name: mine/" \
    "$ETC/plugins.d/$BACKEND.yaml" > "$ETC/plugins.d/mine.yaml"
with_config 'defaults: {hypervisor: [mine]}'
check "a group-writable plug-in is refused" 1 "mine.so' is not trusted: its group may write" \
    other create --bundle "$b" no5
check "and backends says so" 0 "^mine .*not trusted" av backends
rm "$ETC/plugins.d/mine.yaml"

# --- a VM: logs and timings, and no library of an unused back-end
with_config "defaults:
  hypervisor: [$BACKEND]
  vm: {memory: 256MiB, vcpus: 1, kernel_args: loglevel=7}"
export LD_DEBUG=files LD_DEBUG_OUTPUT=$WORK/ld
other create --bundle "$b" c1 > "$WORK/out" 2>&1 < /dev/null
same "create" 0 $?
unset LD_DEBUG LD_DEBUG_OUTPUT
loaded=$(grep -hoE '[^ /]+\.so \[0\]' "$WORK"/ld.* | sort -u |
    grep -xF "$(cd "$AV_BUILD/lib/anyvisor/backends" && printf '%s [0]\n' *.so)")
if can nic-hostif; then     # a child of the CLI asks the back-end whether interfaces may be its own
    same "the CLI loads no other back-end" "$BACKEND.so [0]" "$loaded"
else
    same "the CLI itself loads no back-end" "" "$loaded"
fi
check "LD_DEBUG has seen the CLI" 0 'libjson-c' cat "$WORK"/ld.*
read -r monitor _ < "$ROOT/c1/monitor"
same "the monitor loads the chosen back-end and no other" "$BACKEND.so" \
    "$(sed -n 's|.*/anyvisor/backends/||p' "/proc/$monitor/maps" | sort -u)"
check "timings of a created container" 0 '^created ' av timings c1
check "start" 0 '' av start c1
check "timings of a running container" 0 '^started +[0-9.]+ ms' av timings c1
same "timings --format json" "plugin_loaded started" \
    "$(av timings --format json c1 | jq -r '"\(.phases[0].name) \(.phases[-1].name)"')"
same "timings go forward" true \
    "$(av timings --format json c1 | jq '[.phases[].at_us] | . == sort')"
# --- the guest's clock: at once when the host's is set, if only to what it shows
set_hosts_clock() {
    python3 -c 'import time; t = time.CLOCK_REALTIME; time.clock_settime_ns(t, time.clock_gettime_ns(t))'
}
is_right() {
    local there
    there=$(av exec c1 date +%s) && [ $(($(date +%s) - there)) -lt 60 ]
}
if [ "$BACKEND" = fake ]; then
    skip "a guest's clock follows the host's" "it is the host's"
elif ! set_hosts_clock; then
    skip "a guest's clock follows the host's" "this host's clock may not be set"
else
    check "a guest's clock goes wrong" 0 2001 av exec --cap CAP_SYS_TIME c1 date -s '2001-01-01 00:00:00'
    check "as its container sees" 0 2001 av exec c1 date
    set_hosts_clock
    check "a guest's clock follows the host's" 0 '' until_ok 30 is_right
    check "the monitor tells of the step" 0 "guest's clock was -[0-9]+ ms off" av logs --monitor c1
fi
check "logs has the monitor's log" 0 'agent' av logs --monitor c1
av --debug logs --follow c1 > "$WORK/followed" 2>&1 < /dev/null &
follower=$!
if [ "$BACKEND" = fake ]; then
    skip "logs has the guest's console" "there is no guest's kernel that speaks there"
elif can console-log; then
    check "logs has the guest's console, kernel_args count" 0 'Linux version' av logs --console c1
else
    skip "logs has the guest's console" "the back-end keeps none"
fi
can console || check "console: there is none, says a sentence" 1 "back-end '$BACKEND' cannot do 'console_open'" av console c1
if can console-log; then
    emptied() { [ "$(stat -c %s "$ROOT/c1/console.log")" -lt 4000000 ]; }
    head -c 5000000 /dev/zero >> "$ROOT/c1/console.log"
    check "a console's log that a guest fills is emptied" 0 '' until_ok 10 emptied
    check "the monitor tells so" 0 'filled its console' av logs --monitor c1
else
    skip "a console's log that a guest fills is emptied" "the back-end keeps none"
fi
check "delete" 0 '' av delete --force c1
wait "$follower"
same "logs --follow ends with the container" 0 $?
check "and has printed the logs" 0 'monitor.log' cat "$WORK/followed"
check "logs of no container" 1 "container 'c1' does not exist" av logs c1
check "timings of no container" 1 "container 'c1' does not exist" av timings c1

# --- a container whose monitor is dead
av create --bundle "$b" c2 > "$WORK/out" 2>&1 < /dev/null   # not check: a container keeps its stdout
same "another one" 0 $?
read -r monitor _ < "$ROOT/c2/monitor"
kill -9 "$monitor"
until_ok 20 has_status c2 stopped
check "timings without a monitor is a sentence" 1 "sandbox of container 'c2' is not running" \
    av timings c2
check "logs work without a monitor" 0 'agent' av logs c2
check "its delete" 0 '' av delete --force c2

# --- mistakes on the command line
check "an unknown format" 1 "unknown format 'xml'" av backends --format xml
same "a log that cannot be opened is told once" 1 \
    "$(av --log /nonexistent/log list 2>&1 | grep -c /nonexistent/log)"
check "an unknown verb" 1 "did you mean 'check'" av chek
check "one that is like no other" 1 "unknown verb 'frobnicate'; 'anyvisor --help' lists them" av frobnicate
check "half a verb" 1 "unknown verb 'pool', expected pool fill, pool status or pool drain" av pool
check "another half" 1 "unknown verb 'pool fil', did you mean 'pool fill'" av pool fil
for verb in check backends explain "config check" logs timings features spec; do
    # shellcheck disable=SC2086
    check "$verb --help" 0 "^usage: anyvisor $verb " av $verb --help
done
finish
