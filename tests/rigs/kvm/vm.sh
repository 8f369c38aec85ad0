#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One VM on real KVM: that it is chosen where the CPU has it, run, exec, delete, and all of it in a
# scope of systemd. Runs in the rig, whose processor is emulated and has AMD's extension.
. "$(dirname "$0")/../../integration/lib.sh"
if ! grep -qE '^flags.* (svm|vmx)' /proc/cpuinfo; then
    skip_all "the processor has neither svm nor vmx: rig.sh run $0"
fi
setup kvm
LIMIT=240
sed -i 's/^defaults:/&\n  boot_timeout: 200s/' "$ANYVISOR_CONFIG"

commands_of() { while read -r pid; do tr '\0' ' ' < "/proc/$pid/cmdline"; echo; done < "$1/cgroup.procs"; }

check "check chooses KVM" 0 "'kvm': .*accelerator kvm" av check
b=$(bundle b "del(.linux.cgroupsPath) | $(sh_args 'exec sleep 1000')")
av --systemd-cgroup run --detach --bundle "$b" c1 > "$WORK/out" 2>&1 < /dev/null
same "run --detach: $(cat "$WORK/out")" 0 $?
check "its VMM uses KVM and is in the scope" 0 'qemu-system.* accel=kvm|qemu-system.*-accel kvm' \
    commands_of /sys/fs/cgroup/system.slice/anyvisor-c1.scope
check "exec" 3 '^Linux' av exec c1 sh -c 'uname; exit 3'
check "delete --force" 0 '' av delete --force c1
check "no scope is left" 0 'not-found' systemctl show -p LoadState anyvisor-c1.scope
finish
