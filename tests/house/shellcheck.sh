#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# house.shellcheck: every shell script of the tree.
set -eu

if ! command -v shellcheck >/dev/null; then
    echo "skipped: shellcheck is not installed"
    exit 77
fi
scripts=$(find . \( -name .git -o -name 'build*' -type d \) -prune -o -name '*.sh' -print)
if [ -f .ci/run ]; then
    scripts="$scripts .ci/run"
fi
# shellcheck disable=SC2086 # names in this tree have no spaces
shellcheck -x -S warning $scripts
# shellcheck disable=SC2086
set -- $scripts
echo "shellcheck: $# scripts"
