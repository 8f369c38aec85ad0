#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds the guest image twice from the same package and agent, in surroundings that differ in all
# that must not matter, and compares every byte: reproducible.sh BUILD.SH AGENT IMAGE PRELOAD [CACHE]
# IMAGE, the image of this build, names the package; the package itself is in CACHE.
set -euo pipefail

build=$1 agent=$2 image=$3 preload=$4
cache=${5:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/anyvisor}
package=$cache/$(jq -r '.kernel | .package + "_" + .version' "$image/manifest.json")_amd64.deb

tmp=$(mktemp -d)
trap 'rm -rf -- "$tmp"' EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }

[ -f "$package" ] || fail "kernel package '$package' is not in the cache"
mkdir "$tmp/one" "$tmp/another folder"

# The preload really reverses, or the comparison would prove less than it says.
touch "$tmp/one/"{a,b,c,d}
forward=$(cd "$tmp/one" && ls -U)
backward=$(cd "$tmp/one" && LD_PRELOAD=$preload ls -U)
[ "$(tac <<<"$forward")" = "$backward" ] || fail "the preload does not reverse directory order"
rm -- "$tmp/one/"{a,b,c,d}

echo 'first build: umask 022, C locale, UTC'
(umask 022; cd /; LC_ALL=C TZ=UTC "$build" --arch x86_64 --agent "$agent" --package "$package" \
    --cache "$tmp/one/cache" --output "$tmp/one/out")

echo 'second build: umask 077, another locale, time zone, folder, HOME, directory order and copies'
cp -- "$package" "$tmp/another folder/${package##*/}"
cp -- "$agent" "$tmp/another folder/program"
(umask 077; cd "$tmp"; touch -d 2001-02-03 "another folder/program"
    HOME=$tmp LC_ALL=C.UTF-8 LANG=de_DE.UTF-8 TZ=Asia/Kathmandu PYTHONHASHSEED=7 LD_PRELOAD=$preload \
        "$build" --arch x86_64 --agent "another folder/program" \
        --package "another folder/${package##*/}" --cache "another folder/cache" \
        --output "another folder/out")

for f in vmlinux initramfs.cpio manifest.json; do
    cmp -- "$tmp/one/out/$f" "$tmp/another folder/out/$f" || fail "$f differs between two builds"
    cmp -- "$tmp/one/out/$f" "$image/$f" || fail "$f differs from the image of this build folder"
done
[ "$(ls -A "$tmp/one/out")" = "$(ls -A "$tmp/another folder/out")" ] || fail 'different files'

echo 'third build: a changed agent changes the image'
{ cat "$agent"; echo x; } >"$tmp/agent2"
"$build" --arch x86_64 --agent "$tmp/agent2" --package "$package" --cache "$tmp/one/cache" \
    --output "$tmp/one/out"
! cmp -s -- "$tmp/one/out/initramfs.cpio" "$image/initramfs.cpio" || fail 'the old agent is still there'
echo 'same inputs, same bytes'
