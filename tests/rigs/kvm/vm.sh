#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One VM on real KVM, with the agent's channel over vhost-vsock: that KVM is chosen where the CPU has
# it, all of it in a scope of systemd, and what the scripts of the integration tests say of
# containers in it. Then the conformance kit, over the same channel. Runs in the rig, whose processor is
# emulated and has AMD's extension.
# Usage: vm.sh [SCRIPT...]
. "$(dirname "$0")/../../integration/lib.sh"
if ! grep -qE '^flags.* (svm|vmx)' /proc/cpuinfo; then
    skip_all "the processor has neither svm nor vmx: rig.sh run $0"
fi
setup kvm
LIMIT=450
sed -i 's/^defaults:/&\n  boot_timeout: 400s/' "$ANYVISOR_CONFIG"
# The board with the fewest devices: each word with one costs a turn of two emulated processors' worlds.
sed -i 's/# channel: serial .*/channel: vsock/; s/# machine: .*/machine: microvm/' "$WORK/etc/plugins.d/kvm.yaml"
sed -i 's/vcpus: 1}/vcpus: 1, kernel_args: "tsc=reliable no_timer_check"}/' "$ANYVISOR_CONFIG"

commands_of() { while read -r pid; do tr '\0' ' ' < "/proc/$pid/cmdline"; echo; done < "$1/cgroup.procs"; }

check "check chooses KVM" 0 "'kvm': .*accelerator kvm" av check
b=$(bundle b ".linux.cgroupsPath=\"system.slice:cri:pod\" | $(sh_args 'exec sleep 5000') |
    .annotations={\"io.kubernetes.cri.container-type\":\"sandbox\",\"io.kubernetes.cri.sandbox-id\":\"pod\"}")
av --systemd-cgroup run --detach --bundle "$b" pod > "$WORK/out" 2>&1 < /dev/null
rc=$?
same "run --detach: $(cat "$WORK/out")" 0 $rc
check "its VMM uses KVM and is in the scope" 0 'qemu-system.* accel=kvm|qemu-system.*-accel kvm' \
    commands_of /sys/fs/cgroup/system.slice/anyvisor-pod.scope
check "its channel is a vsock, and no serial port" 0 '^vhost-vsock-pci,?$' \
    sh -c 'tr "\0" "\n" < "/proc/$1/cmdline" | grep -oE "vhost-vsock-pci|virtio-serial-pci" | xargs' sh "$(vmm_of pod)"
check "exec" 3 '^Linux' av exec pod sh -c 'uname; exit 3'
check "pause" 0 '' av pause pod
check "resume" 0 '' av resume pod
check "its channel is there as before" 0 '^there$' av exec pod echo there
in_one_vm pod "$@"
check "delete --force" 0 '' av delete --force pod
check "no scope is left" 0 '^not-found not-found$' \
    sh -c 'systemctl show --value -p LoadState cri-pod.scope anyvisor-pod.scope | xargs'
av plugin test --boot-timeout 400 kvm > "$WORK/kit" 2>&1
rc=$?
same "the conformance kit: $(tail -n 1 "$WORK/kit")" 0 $rc
[ $rc = 0 ] || grep FAILED "$WORK/kit"
finish
