#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# usage: reproducible.sh SOURCE-FOLDER AGENT
# Builds the agent again from a copy of the sources elsewhere; the bytes must be those of AGENT.
set -euo pipefail
source=$1 agent=$2
scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT

mkdir -p "$scratch/some where/src/core" "$scratch/some where/src/guest"
cd "$scratch/some where/src"
cp -r "$source/core/base" core/
cp -r "$source/guest/agent" "$source/guest/proto" guest/
cat >CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(agent LANGUAGES C)
add_subdirectory(guest/agent)
END
(umask 077 && TZ=Asia/Tokyo LC_ALL=C cmake -S . -B ../out >/dev/null &&
    TZ=Asia/Tokyo cmake --build ../out --target guest-agent >/dev/null)
if cmp "$scratch/some where/out/guest/x86_64/agent" "$agent"; then
    echo "ok: $(sha256sum <"$agent" | cut -c1-16), $(stat -c %s "$agent") bytes"
else
    echo "the agent's bytes depend on where it is built"
    exit 1
fi
