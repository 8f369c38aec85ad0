#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# musl of a foreign architecture for the agent, from Debian's package: musl.sh ARCH OUTPUT [CACHE]
# puts the package's files and OUTPUT/specs, which lead the cross compiler to them, into OUTPUT.
# Or any package of that architecture, for tests: musl.sh ARCH OUTPUT CACHE PACKAGE
set -euo pipefail
umask 022
export LC_ALL=C

arch=$1 output=$2 what=${4:-musl-dev}
cache=${3:-}
cache=${cache:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/anyvisor}

say() { printf 'guest image: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
sha256() { sha256sum -- "$1" | cut -d' ' -f1; }
# shellcheck source=./apt.sh source-path=SCRIPTDIR
. "$(cd "$(dirname "$0")" && pwd)/apt.sh"

mkdir -p -- "$cache"
exec 9>"$cache/lock"
flock 9
apt_package "$what" echo "$what"
[ "$(sha256 "$package")" = "$package_sha" ] ||
    die "'$package' differs from apt's index: remove it and run again"
rm -rf -- "$output"
mkdir -p -- "$output"
dpkg-deb -x "$package" "$output"
[ "$what" = musl-dev ] || exit 0
set -- "$output"/usr/lib/*-linux-musl/musl-gcc.specs
[ -f "$1" ] || die "'$package' has no specs for the compiler"
# The paths of an installed package become those of the folder; a blank in it cannot be quoted.
case $output in *[[:space:]]*) die "'$output' has a blank, which the compiler's specs cannot have" ;; esac
sed "s|/usr/|$output/usr/|g" "$1" >"$output/specs"
