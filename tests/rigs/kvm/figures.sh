#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# On real KVM, beside bare QEMU in turns: boot to HELLO, a VM's creation and end, memory of the host's
# processes; then the memory of idle clones, and what an extra one adds. By hand, for each of its
# boots takes minutes:
#   RIG_MEMORY=4096 RIG_TIMEOUT=3600 rig.sh run tests/rigs/kvm/figures.sh [ROUNDS [CLONES]]
set -u
bench=$(cd "$(dirname "$0")/../../bench" && pwd)
if ! grep -qE '^flags.* (svm|vmx)' /proc/cpuinfo; then
    echo "# SKIP the processor has neither svm nor vmx: rig.sh run $0"
    exit 77
fi
export TMPDIR=/dev/shm LIMIT=900 AV_BOOT_TIMEOUT=800 AV_KERNEL_ARGS="tsc=reliable no_timer_check"
# What makes bare QEMU's initramfs.
mkdir -p /run/figures
ln -sf /bin/busybox /run/figures/cpio
PATH=/run/figures:$PATH
rc=0
"$bench/boot.sh" -n "${1:-3}" kvm || rc=$?
"$bench/run.sh" -n "${2:-8}" clones || rc=$?
exit "$rc"
