#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# libvirt's AppArmor driver with AppArmor in the kernel: a container's domain runs under a profile of its own, which
# holds, and serves the container's files. By hand, for it takes a rig of its own and a boot of many minutes:
# RIG_WITH=libvirt RIG_TIMEOUT=1800 rig.sh run .../apparmor.sh. libvirtd is Debian's with its own profile and its
# log daemon; its configuration is what docs/libvirt.md says.
. "$(dirname "$0")/../../integration/lib.sh"
[ "$(cat /sys/module/apparmor/parameters/enabled 2> /dev/null)" = Y ] || skip_all "no AppArmor in this kernel"
command -v libvirtd > /dev/null || skip_all "no libvirtd: RIG_WITH=libvirt rig.sh run $0"
export LIBVIRT_DEFAULT_URI=qemu:///system
setup kvm-libvirt
LIMIT=1200
sed -i 's/^defaults:/&\n  boot_timeout: 1100s/' "$ANYVISOR_CONFIG"
sed -i 's/vcpus: 1}/vcpus: 1, kernel_args: "tsc=reliable no_timer_check"}/' "$ANYVISOR_CONFIG"
# No quick firmware, which is below /usr/share; few devices, for each costs the nested guest a turn.
sed -i 's/# *firmware: .*/firmware: default/; s/# *hotplug_ports: .*/hotplug_ports: 0/' "$WORK/etc/plugins.d/kvm-libvirt.yaml"

# What docs/libvirt.md tells the operator to write.
echo 'clear_emulator_capabilities = 0' >> /etc/libvirt/qemu.conf
sed -n '/^capability .*,$/p' "$HERE/../../docs/libvirt.md" > /etc/apparmor.d/local/abstractions/libvirt-qemu
check "the rules of the manual are there" 0 'capability fowner' cat /etc/apparmor.d/local/abstractions/libvirt-qemu
check "libvirtd's own profile is loaded" 0 '' apparmor_parser -r /etc/apparmor.d/usr.sbin.libvirtd
# What udev does elsewhere: else libvirt asks QEMU anew at each start what it can do, as a user who may not open this.
chmod 0666 /dev/kvm
for qemu in /usr/bin/qemu-system-*; do
    [ "$qemu" = /usr/bin/qemu-system-x86_64 ] || mount --bind /dev/null "$qemu"
done
virtlogd -d
libvirtd -d
check "libvirtd answers" 0 '' until_ok 240 virsh version
check "its driver of labels is AppArmor's" 0 '<model>apparmor</model>' virsh capabilities

confinement() { tr -d '\0' < "/proc/$(vmm_of c1)/attr/apparmor/current"; }
is_confined() { confinement | grep -q '^libvirt-'; }

b=$(bundle c1 "$(sh_args 'echo up > /up; exec sleep 5000') | .process.capabilities[] += [\"CAP_CHOWN\",\"CAP_FOWNER\"]")
av run --detach --bundle "$b" c1 > "$WORK/out" 2>&1 < /dev/null &
run=$!
until_ok 400 is_confined
label=libvirt-$(virsh domuuid anyvisor-c1 | head -n 1)
same "its QEMU is confined by a profile with the domain's UUID" "$label (enforce)" "$(confinement)"
check "which its domain has as its label, made for it" 0 "type='dynamic' model='apparmor' relabel='yes'" \
    virsh dumpxml anyvisor-c1
check "aa-status lists it among the enforced" 0 "$label" aa-status
wait $run
same "the container starts" 0 $?
cat "$WORK/out"
check "exec: its files are served" 0 '^up$' av exec c1 cat /up
check "and given away" 0 '^65534 2600$' av exec c1 sh -c 'echo > /f; chown 65534 /f; chmod 2600 /f; stat -c "%u %a" /f'
# What holds for QEMU holds for whoever changes into its profile.
confined() { (printf 'changeprofile %s' "$label" > "/proc/$BASHPID/attr/current" && read -r line < "$1" && echo "$line"); }
check "the share may be read under it" 0 '^up$' confined "$(find /run/anyvisor.vm/*/m/share -name up)"
check "a file of the host may not" 1 'Permission denied' confined /etc/shadow
same "nothing that its QEMU needed was denied" "" "$(dmesg | grep 'apparmor="DENIED"' | grep -F "$label" | grep -v 'name="/etc/shadow"')"
check "delete" 0 '' av delete --force c1
same "the profile has gone with the domain" "" "$(grep -s "$label" /sys/kernel/security/apparmor/profiles)"
kill "$(cat /run/libvirtd.pid)" "$(cat /run/virtlogd.pid)"
finish
