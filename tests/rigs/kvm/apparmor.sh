#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# libvirt's AppArmor driver with AppArmor in the kernel: a container's domain runs under a profile of its own, which
# holds. By hand, for it takes a rig of its own: RIG_WITH=libvirt rig.sh run .../apparmor.sh. libvirtd is
# Debian's with its own profile and its log daemon; its configuration is what docs/libvirt.md says.
. "$(dirname "$0")/../../integration/lib.sh"
[ "$(cat /sys/module/apparmor/parameters/enabled 2> /dev/null)" = Y ] || skip_all "no AppArmor in this kernel"
command -v libvirtd > /dev/null || skip_all "no libvirtd: RIG_WITH=libvirt rig.sh run $0"
export LIBVIRT_DEFAULT_URI=qemu:///system
setup kvm-libvirt
LIMIT=450
sed -i 's/^defaults:/&\n  boot_timeout: 180s/' "$ANYVISOR_CONFIG"
sed -i 's/vcpus: 1}/vcpus: 1, kernel_args: "tsc=reliable no_timer_check"}/' "$ANYVISOR_CONFIG"
sed -i 's/# *firmware: .*/firmware: default/' "$WORK/etc/plugins.d/kvm-libvirt.yaml"

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

b=$(bundle c1 "$(sh_args 'echo up > /up; exec sleep 5000')")
why() {
    ps axo pid,stat,wchan:20,args | grep -E 'libvirt|virtlog|qemu|anyvisor' | cut -c1-150
    cat /var/log/libvirt/qemu/anyvisor-c1.log
    dmesg | grep 'apparmor="DENIED"' | cut -c1-250
}
start() {
    timeout 200 "$AV" --root "$ROOT" run --detach --bundle "$b" c1 > "$WORK/out" 2>&1 < /dev/null && return
    cat "$WORK/out"
    return 1
}
(read -r -t 120 <> <(:); why) &
check "a container starts under it" 0 '' start || why
label=libvirt-$(virsh domuuid anyvisor-c1 | head -n 1)
check "its domain has a label of AppArmor's, made for it" 0 "type='dynamic' model='apparmor' relabel='yes'" \
    virsh dumpxml anyvisor-c1
same "its QEMU is confined by that profile" "$label (enforce)" \
    "$(tr -d '\0' < "/proc/$(vmm_of c1)/attr/apparmor/current")"
check "aa-status lists it among the enforced" 0 "$label" aa-status
check "exec: its files are served" 0 '^up$' until_ok 60 av exec c1 cat /up
check "a file with another owner, too" 0 '^65534' av exec c1 \
    sh -c 'echo x > /tmp/f && chown 65534 /tmp/f && chmod 600 /tmp/f && stat -c %u /tmp/f && cat /tmp/f'
# What holds for QEMU holds for whoever is put under its profile.
check "the share may be read under it" 0 'up' aa-exec -p "$label" -- /bin/cat "$(echo /run/anyvisor.vm/*/m/share/*)/up"
check "a file of the host may not" 1 'Permission denied' aa-exec -p "$label" -- /bin/cat /etc/shadow
check "delete" 0 '' av delete --force c1
same "the profile has gone with the domain" "" "$(grep -s "$label" /sys/kernel/security/apparmor/profiles)"
virsh list --all --name
kill "$(cat /run/libvirtd.pid)" "$(cat /run/virtlogd.pid)"
finish
