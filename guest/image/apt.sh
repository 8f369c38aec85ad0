# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Debian packages of a guest's architecture, found and fetched by apt; sourced by kernel.sh and musl.sh.
# For another architecture than this machine's apt gets an index of its own in the cache, so that
# nothing is added to the machine's configuration (dpkg --add-architecture) for it.
# Uses from its user: arch cache say die sha256. Sets: triplet debian_arch flavour package package_sha.
# shellcheck disable=SC2034 # what it sets is read there

declare arch cache
triplet='' debian_arch='' flavour='' apt_options=()

# What Debian calls the architecture: its packages, the kernel's flavour, the compiler's prefix.
apt_names() {
    case $arch in
    x86_64) debian_arch=amd64 flavour=amd64 triplet=x86_64-linux-gnu ;;
    s390x) debian_arch=s390x flavour=s390x triplet=s390x-linux-gnu ;;
    ppc64le) debian_arch=ppc64el flavour=powerpc64le triplet=powerpc64le-linux-gnu ;;
    aarch64) debian_arch=arm64 flavour=arm64 triplet=aarch64-linux-gnu ;;
    *) die "no Debian packages are known for architecture '$arch'" ;;
    esac
}

# Whether the packages are this machine's own.
apt_native() {
    [ "$debian_arch" = "$(dpkg --print-architecture 2>/dev/null)" ]
}

apt_setup() {
    local dir=$cache/apt-$arch
    apt_names
    apt_options=(-q -o APT::Sandbox::User=root)
    ! apt_native || return 0
    mkdir -p -- "$dir/lists/partial" "$dir/archives/partial"
    : >"$dir/status"
    apt_options+=(-o "APT::Architecture=$debian_arch" -o "APT::Architectures::=$debian_arch"
        -o "Dir::State=$dir" -o "Dir::State::status=$dir/status" -o "Dir::Cache=$dir"
        -o Acquire::Languages=none -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
}

apt_refresh() {
    command -v apt-get >/dev/null || die "no apt here: give a Debian package with --package"
    say "refreshing apt's index for $debian_arch"
    # One list of several may fail (a mirror in the middle of its update); what there is may do.
    apt-get "${apt_options[@]}" update >&2 || say "apt-get update failed, going on with the lists there are"
}

# apt_describe COMMAND...: of the package that the command names its name, version, size, digest, file.
apt_describe() {
    local name
    name=$("$@") && [ -n "$name" ] || return 1
    apt-cache "${apt_options[@]}" show --no-all-versions "$name" 2>/dev/null | awk -v name="$name" '
        $1 == "Version:" { version = $2 } $1 == "Size:" { size = $2 }
        $1 == "SHA256:" { sha = $2 } $1 == "Filename:" { file = $2 }
        END { if (sha == "" || file == "") exit 1
              sub(".*/", "", file); print name, version, size, sha, file }'
}

# One download into a directory of its own; only a file with the index's digest enters the cache.
apt_fetch() {
    local name=$1 version=$2 size=$3 sha=$4 file=$5 tmp ok=1
    tmp=$(mktemp -d -- "$cache/download.XXXXXX")
    say "downloading $file ($((size / 1024)) KiB)"
    (cd "$tmp" && apt-get "${apt_options[@]}" download "$name=$version") >&2 || ok=
    set -- "$tmp"/*.deb
    if [ -n "$ok" ] && [ "$(sha256 "$1")" = "$sha" ]; then
        mv -f -- "$1" "$cache/$file"
        rm -rf -- "$tmp"
        return 0
    fi
    rm -rf -- "$tmp"
    return 1
}

# apt_package WHAT COMMAND...: the package that the command names as file $package in the cache.
apt_package() {
    local what=$1 found name version size sha file
    shift
    apt_setup
    found=$(apt_describe "$@") || { apt_refresh; found=$(apt_describe "$@"); } ||
        die "apt knows no $what for $debian_arch: give a Debian package with --package"
    read -r name version size sha file <<<"$found"
    if [ ! -f "$cache/$file" ] && ! apt_fetch "$name" "$version" "$size" "$sha" "$file"; then
        # An index older than the mirror names packages that are gone.
        apt_refresh
        read -r name version size sha file <<<"$(apt_describe "$@")"
        apt_fetch "$name" "$version" "$size" "$sha" "$file" ||
            die "cannot download '$file' with the digest that apt's index gives"
    fi
    package=$cache/$file
    package_sha=$sha
}
