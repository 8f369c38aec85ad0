#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# packages.sh SOURCE BUILD IMAGE-CACHE: builds the packages as a distribution would (prefix /usr, no
# fault points), checks what they say of themselves, builds a plug-in with nothing but the package
# for developers, and installs, uses and purges them all in a fresh Debian root (in_root.sh) that
# has nothing but what they depend on. The root is kept in the user's cache, never written to.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
source_dir=${1:?usage: packages.sh SOURCE BUILD IMAGE-CACHE}
folder=$2/packages-build
image_cache=$3
here=$source_dir/tests/packages
rigs=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/anyvisor/rigs
setup kvm

for tool in mmdebstrap dpkg-shlibdeps cpack file pivot_root; do
    command -v "$tool" > /dev/null || skip_all "$tool is missing: '.ci/deps.sh test' installs it"
done

# ---- the packages

build_packages() {
    cmake -S "$source_dir" -B "$folder" -G Ninja -DCMAKE_INSTALL_PREFIX=/usr -DAV_FAULT_POINTS=OFF \
        -DBUILD_TESTING=OFF -DCMAKE_C_FLAGS=-O0 ${image_cache:+-DAV_IMAGE_CACHE="$image_cache"} &&
        ninja -C "$folder" -j2 && rm -rf "$folder/packages" && (cd "$folder" && cpack)
}
check "the packages are built" 0 'anyvisor_.*\.deb generated' build_packages
debs=("$folder"/packages/*.deb)
[ -f "${debs[0]}" ] || { finish; }

field() { dpkg-deb -f "$folder/packages/$1"_*.deb "$2"; }
names=$(for d in "${debs[@]}"; do dpkg-deb -f "$d" Package; done | sort | tr '\n' ' ')
for name in anyvisor anyvisor-dev "anyvisor-guest-$(uname -m | tr _ -)" anyvisor-kvm; do
    check "there is a package $name" 0 "(^| )$name " echo "$names"
done
check "the core depends on its libraries" 0 'libjson-c5.*libyaml-0-2|libyaml-0-2.*libjson-c5' field anyvisor Depends
check "the back-end on QEMU and the same core" 0 "qemu-system-.*anyvisor \(= " field anyvisor-kvm Depends
mkdir "$WORK/x"
for d in "${debs[@]}"; do
    dpkg-deb -x "$d" "$WORK/x/${d##*/}"
    for lib in $(find "$WORK/x/${d##*/}" -path '*/backends/*.so' -exec readelf -d {} + |
        sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -vE '^(ld-|libc\.)' | sort -u); do
        owner=$(dpkg -S "*/lib/*-linux-gnu/$lib" 2> /dev/null | head -n 1 | cut -d: -f1)
        check "${d##*/} depends on $owner, which has $lib" 0 "(^|[ ,])$owner( |,|\$)" dpkg-deb -f "$d" Depends
    done
done
same "each says in a line of its own what it is" "${#debs[@]}" \
    "$(for d in "${debs[@]}"; do dpkg-deb -f "$d" Description | head -n 1; done | sort -u | wc -l)"
same "and ends no sentence half-way" "" \
    "$(for d in "${debs[@]}"; do dpkg-deb -f "$d" Description | tail -n 1; done | grep -v '\.$')"
check "a guest image is for every host" 0 '^all$' field "anyvisor-guest-$(uname -m | tr _ -)" Architecture
for d in "${debs[@]}"; do
    same "${d##*/}: nothing belongs to others or may be written by them" "" \
        "$(dpkg-deb -c "$d" | grep -vE '^(l|.{5}-..-. root/root)')"
    same "${d##*/}: every file of /etc is a conffile" "$(dpkg-deb -c "$d" | awk '$6 ~ "^./etc/.*[^/]$" {print substr($6, 2)}')" \
        "$(dpkg-deb --info "$d" conffiles 2>/dev/null)"
done

# ---- a plug-in outside of the tree

out_of_tree() {
    local plugin=$WORK/out/my-hv
    dpkg-deb -x "$folder"/packages/anyvisor-dev_*.deb "$WORK/dev" &&
        dpkg-deb -x "$folder"/packages/anyvisor_*.deb "$WORK/dev" && mkdir -p "$WORK/out" &&
        "$WORK/dev/usr/bin/anyvisor" plugin new my-hv "$plugin" &&
        cmake -S "$plugin" -B "$plugin/build" -DCMAKE_PREFIX_PATH="$WORK/dev/usr" \
            -DCMAKE_C_FLAGS='-Wall -Wextra -Werror -Wno-missing-field-initializers' &&
        cmake --build "$plugin/build"
}
check "a skeleton is built with the package for developers alone" 0 'Built target my-hv' out_of_tree
check "no skeleton is written over another" 1 "my_hv.c': File exists" \
    "$WORK/dev/usr/bin/anyvisor" plugin new my-hv "$WORK/out/my-hv"
check "a name that is no identifier is refused" 1 "'My.hv' is no name for a plug-in" \
    "$WORK/dev/usr/bin/anyvisor" plugin new My.hv "$WORK/out/other"
pc() { PKG_CONFIG_PATH=$(dirname "$(find "$WORK/dev" -name anyvisor.pc)") pkg-config "$@" anyvisor; }
same "pkg-config finds the header" yes "$([ -r "$(pc --variable=includedir)/anyvisor/hvp.h" ] && echo yes)"
same "and the folder of the plug-ins" yes "$([ -d "$(pc --variable=backenddir)" ] && echo yes)"

# ---- a root with nothing but what the packages depend on

dependencies() {
    local d
    for d in "${debs[@]}"; do dpkg-deb -f "$d" Depends; done | tr ',' '\n' |
        sed 's/|.*//; s/(.*)//; s/:any//; s/ //g' | grep -v '^anyvisor' | sort -u | grep .
}

make_root() {
    local sources=() f
    for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
        [ ! -s "$f" ] || sources+=("$f")
    done
    mkdir -p "$rigs"
    exec 8> "$rigs/packages.lock"
    flock 8
    root=$rigs/packages-$({ dependencies; cat "${sources[@]}"; } | sha256sum | cut -c1-16)
    if [ ! -d "$root" ]; then
        rm -rf --one-file-system "$root.new"
        apt-config dump Acquire > "$WORK/apt.conf"      # proxies and the like
        # shellcheck disable=SC1091 # the host's own name of its release
        mmdebstrap --quiet --mode=root --variant=essential --aptopt='APT::Install-Recommends "false"' \
            --aptopt="$WORK/apt.conf" --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt=force-unsafe-io \
            --include="$(dependencies | paste -sd,)" \
            "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root.new" "${sources[@]}" &&
            mv "$root.new" "$root"
    fi
    touch "$root"
    exec 8>&-
    [ -d "$root" ]
}
make_root || { result "a Debian root with the packages' dependencies is made" 1; finish; }

# The same folder is there as /mnt, so that nothing has to be copied into the root.
mkdir -p "$WORK/mnt" "$WORK/over"
cp "${debs[@]}" "$WORK/out/my-hv/build/my-hv.so" "$here/in_root.sh" "$WORK/mnt/"
cp -a "$(bundle b "$(sh_args 'echo from the package; uname -r; exit 5') | .linux.cgroupsPath=\"/av-test-${WORK##*.}/p\"")" "$WORK/mnt/bundle"
timeout -k 10 400 unshare --mount --propagation private bash "$here/enter.sh" "$root" "$WORK/over" \
    "$WORK/mnt" bash /mnt/in_root.sh
result "all was tried in the root" $?
finish
