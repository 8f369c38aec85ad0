# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Kernel part of the guest image, sourced by build.sh: find and fetch Debian's kernel package, and
# keep what the image needs of it (vmlinux, modules, load order) in the cache as $stage.
# Uses from build.sh: here arch cache package say die sha256. Sets: package package_sha stage stage_key.

declare here arch cache package
stage='' stage_key='' new='' tree=''

# Name, version, size and digest of the package behind Debian's meta package, from apt's index.
kernel_resolve() {
    local name
    name=$(apt-cache depends --no-recommends --no-suggests linux-image-amd64 2>/dev/null |
        awk '$1 == "Depends:" { print $2; exit }')
    [ -n "$name" ] || return 1
    apt-cache show --no-all-versions "$name" 2>/dev/null | awk -v name="$name" '
        $1 == "Version:" { version = $2 } $1 == "Size:" { size = $2 }
        $1 == "SHA256:" { sha = $2 } $1 == "Filename:" { file = $2 }
        END { if (sha == "" || file == "") exit 1
              sub(".*/", "", file); print name, version, size, sha, file }'
}

kernel_refresh_index() {
    command -v apt-get >/dev/null || die "no apt here: give a Debian kernel package with --package"
    say "refreshing apt's index"
    apt-get -q update >&2 || die "apt-get update failed: give a kernel package with --package"
}

# One download into a directory of its own; only a file with the index's digest enters the cache.
kernel_fetch() {
    local name=$1 version=$2 size=$3 sha=$4 file=$5 tmp ok=1
    tmp=$(mktemp -d -- "$cache/download.XXXXXX")
    say "downloading $file ($((size / 1048576)) MiB)"
    (cd "$tmp" && apt-get -q -o APT::Sandbox::User=root download "$name=$version") >&2 || ok=
    set -- "$tmp"/*.deb
    if [ -n "$ok" ] && [ "$(sha256 "$1")" = "$sha" ]; then
        mv -f -- "$1" "$cache/$file"
        rm -rf -- "$tmp"
        return 0
    fi
    rm -rf -- "$tmp"
    return 1
}

kernel_package() {
    local found name version size sha file
    if [ -z "$package" ]; then
        found=$(kernel_resolve) || { kernel_refresh_index; found=$(kernel_resolve); } ||
            die "apt knows no linux-image-amd64: give a Debian kernel package with --package"
        read -r name version size sha file <<<"$found"
        if [ ! -f "$cache/$file" ] && ! kernel_fetch "$name" "$version" "$size" "$sha" "$file"; then
            # An index older than the mirror names packages that are gone.
            kernel_refresh_index
            read -r name version size sha file <<<"$(kernel_resolve)"
            kernel_fetch "$name" "$version" "$size" "$sha" "$file" ||
                die "cannot download '$file' with the digest that apt's index gives"
        fi
        package=$cache/$file
        package_sha=$sha
    else
        package_sha=$(sha256 "$package")
    fi
}

# Appends "boot FILE" or "late GROUP FILE" for one group, dependencies first, nothing twice.
# The host's modprobe.d must not decide what the guest loads, hence -C.
kernel_group() {
    local release=$1 group=$2 list=$new/modules.list module kind path label ko order
    shift 2
    label="late $group"
    [ "$group" != boot ] || label=boot
    for module in "$@"; do
        order=$(modprobe -C /dev/null -d "$tree" -S "$release" --show-depends "$module") ||
            die "$release has no module '$module'"
        while read -r kind path; do
            [ "$kind" = insmod ] || continue
            path=${path%.ko*}.ko # modprobe ends the line with a blank for options
            ko=${path##*/}
            ! grep -qxF -e "$label $ko" -e "boot $ko" "$list" || continue
            echo "$label $ko" >>"$list"
            [ -f "$new/modules/$ko" ] || cp -- "$path" "$new/modules/$ko"
        done <<<"$order"
    done
}

kernel_modules() {
    local release=$1 group rest words
    mkdir "$new/modules"
    : >"$new/modules.list"
    depmod -b "$tree" "$release"
    while read -r group rest; do
        case $group in '' | '#'*) continue ;; esac
        read -ra words <<<"$rest"
        kernel_group "$release" "$group" "${words[@]}"
    done <"$here/modules.$arch"
    # Without debug data and signature: the guest spends no time on checking what came with pid 1.
    strip --strip-debug -- "$new"/modules/*.ko
}

kernel_unpack() {
    local release
    say "unpacking $(basename "$package")"
    [ "$(sha256 "$package")" = "$package_sha" ] ||
        die "'$package' differs from apt's index: remove it and run again"
    dpkg-deb -x "$package" "$tree"
    set -- "$tree"/boot/vmlinuz-*
    [ $# = 1 ] && [ -f "$1" ] || die "'$package' does not hold exactly one kernel"
    release=${1##*/vmlinuz-}
    python3 "$here/vmlinux.py" "$1" "$new/vmlinux"
    kernel_modules "$release"
    cat >"$new/kernel.json" <<EOF
{"release": "$release", "package": "$(dpkg-deb -f "$package" Package)",
 "version": "$(dpkg-deb -f "$package" Version)", "sha256": "$package_sha"}
EOF
}

# Prepared kernels are kept by the digests of package and recipe: a new agent costs no unpacking.
kernel_stage() {
    stage_key=$({ cat "$here/kernel.sh" "$here/vmlinux.py" "$here/modules.$arch"; strip --version
        echo "$package_sha"; } | sha256sum | cut -c1-16)
    stage=$cache/kernel-$arch-$stage_key
    [ ! -f "$stage/kernel.json" ] || return 0
    new=$(mktemp -d -- "$cache/stage.XXXXXX")
    tree=$(mktemp -d -- "$cache/tree.XXXXXX")
    trap 'rm -rf -- "$new" "$tree"' EXIT
    kernel_unpack
    rm -rf -- "$tree" "$cache/kernel-$arch-"*
    mv -- "$new" "$stage"
    trap - EXIT
}
