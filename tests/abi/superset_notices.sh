#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# superset_notices.sh HEADER: does superset.py notice each way to break the ABI? (and allow growth)
set -eu
here=$(dirname "$0")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# expect STATUS NAME SED-SCRIPT
expect() {
    sed "$3" "$header" >"$dir/new.h"
    if cmp -s "$header" "$dir/new.h"; then
        echo "$2: the edit changed nothing"
        exit 1
    fi
    status=0
    "$here/superset.py" "$header" "$dir/new.h" >"$dir/out" || status=$?
    if [ "$status" != "$1" ]; then
        echo "$2: status $status, want $1"
        cat "$dir/out"
        exit 1
    fi
}

header=$1
expect 1 "member removed" '/const char \*instance;/d'
expect 1 "member inserted" 's/^    uint32_t cid, reserved;/    uint32_t extra, cid, reserved;/'
expect 1 "type changed" 's/uint64_t max_memory;/uint32_t max_memory;/'
expect 1 "enumerator moved" 's/enum { HVP_DEV_DISK = 1,/enum { HVP_DEV_NEW = 1, HVP_DEV_DISK,/'
expect 1 "capability bit moved" 's/^\(#define HVP_CAP_PAUSE .*\)<< 2)/\1<< 22)/'
expect 1 "array resized" 's/char accel\[16\]/char accel[8]/'
expect 0 "member appended" 's/^    uint32_t reserved3;/    uint32_t reserved3; uint64_t later;/'
expect 0 "enumerator appended" 's/HVP_DEV_VSOCK };/HVP_DEV_VSOCK, HVP_DEV_NEW };/'
