#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# exports.sh DIR: every plug-in in DIR exports hvp_plugin_v1 and nothing else.
set -eu
count=0
failed=0
for so in "$1"/*.so; do
    [ -e "$so" ] || continue
    count=$((count + 1))
    names=$(nm -D --defined-only "$so" | awk '{ print $NF }' | tr '\n' ' ')
    if [ "$names" != "hvp_plugin_v1 " ]; then
        echo "$so exports: $names"
        failed=1
    fi
done
[ "$count" -gt 0 ] || { echo "no plug-in in $1"; exit 1; }
echo "$count plug-ins looked at"
exit "$failed"
