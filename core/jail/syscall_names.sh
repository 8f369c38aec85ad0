#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# syscall_names.sh COMPILER: elements of an array of the target's system calls, by number.
set -eu
echo '#include <sys/syscall.h>' | "$1" -E -dM - |
    sed -n 's/^#define __NR_\([a-z0-9_]*\) [0-9].*/[__NR_\1] = "\1",/p' | sort
