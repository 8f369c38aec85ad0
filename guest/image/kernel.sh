# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Kernel part of the guest image, sourced by build.sh: find and fetch Debian's kernel package, and
# keep what the image needs of it (vmlinux, modules, load order) in the cache as $stage.
# Uses from build.sh: here arch cache package say die sha256. Sets: package package_sha stage stage_key.

declare here arch cache package
# shellcheck source=./apt.sh
. "$here/apt.sh"
stage='' stage_key='' new='' tree=''

# A module without debug data, signature (it came with pid 1), types for BPF, trace events and
# tables for exact stack traces costs a third of the instructions to load; ext4 41 of 121 million.
# Calls of trace points stay as they are compiled, through a trampoline: to write each of them anew
# the kernel changes the address space six times. What untrace.py has done leaves no __mcount_loc.
strip_options=(--strip-unneeded -R .BTF -R _ftrace_events -R .rela_ftrace_events
    -R _ftrace_eval_map -R .rela_ftrace_eval_map
    -R .orc_unwind -R .orc_unwind_ip -R .rela.orc_unwind_ip
    -R .static_call_sites -R .rela.static_call_sites)
untraced_options=(-R __mcount_loc -R .rela__mcount_loc)

# What Debian's meta package stands for at the moment.
kernel_name() {
    apt-cache "${apt_options[@]}" depends --no-recommends --no-suggests "linux-image-$flavour" 2>/dev/null |
        awk '$1 == "Depends:" { print $2; exit }'
}

kernel_package() {
    apt_names
    if [ -n "$package" ]; then
        package_sha=$(sha256 "$package")
    else
        apt_package "linux-image-$flavour" kernel_name
    fi
}

# Appends "boot FILE" or "late GROUP FILE" for one group, dependencies first, nothing twice.
# The host's modprobe.d must not decide what the guest loads, hence -C.
kernel_group() {
    local release=$1 group=$2 list=$new/modules.list module kind path label base ko order
    shift 2
    label="late $group"
    base=boot
    case $group in
    boot) label=boot ;;
    xen-boot) base=none ;;      # loaded instead of boot
    esac
    for module in "$@"; do
        order=$(modprobe -C /dev/null -d "$tree" -S "$release" --show-depends "$module") ||
            die "$release has no module '$module'"
        while read -r kind path; do
            [ "$kind" = insmod ] || continue
            path=${path%.ko*}.ko # modprobe ends the line with a blank for options
            ko=${path##*/}
            ! grep -qxF -e "$label $ko" -e "$base $ko" "$list" || continue
            echo "$label $ko" >>"$list"
            [ -f "$new/modules/$ko" ] || cp -- "$path" "$new/modules/$ko"
        done <<<"$order"
    done
}

# The names by which the kernel asks for modules: "alias NAME GROUP". Those with a colon are of devices,
# whose drivers the agent loads.
kernel_aliases() {
    local group ko name
    awk '$1 == "late" && $2 !~ /^xen-/ && !seen[$3]++ { print $2, $3 }' "$new/modules.list" >"$new/firsts"
    while read -r group ko; do
        for name in $(modinfo -F alias "$new/modules/$ko"); do
            case $name in *:*) ;; *) echo "alias $name $group" >>"$new/modules.list" ;; esac
        done
    done <"$new/firsts"
    rm -- "$new/firsts"
}

kernel_strip() {
    if apt_native; then echo strip; else echo "$triplet-strip"; fi
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
    done < <(cat "$here/modules.$arch" "$here/modules.common")
    kernel_aliases
    if [ "$arch" = x86_64 ]; then
        python3 "$here/untrace.py" "$new"/modules/*.ko
        strip_options+=("${untraced_options[@]}")
    fi
    "$(kernel_strip)" "${strip_options[@]}" -- "$new"/modules/*.ko
}

kernel_unpack() {
    local release
    say "unpacking $(basename "$package")"
    [ "$(sha256 "$package")" = "$package_sha" ] ||
        die "'$package' differs from apt's index: remove it and run again"
    dpkg-deb -x "$package" "$tree"
    set -- "$tree"/boot/vmlinu[xz]-* # ppc64el's is not compressed
    [ $# = 1 ] && [ -f "$1" ] || die "'$package' does not hold exactly one kernel"
    release=${1##*/vmlinu[xz]-}
    # QEMU starts the others as they are.
    case $arch in
    x86_64) python3 "$here/vmlinux.py" "$1" "$new/vmlinux" ;;
    *) cp -- "$1" "$new/vmlinux" ;;
    esac
    kernel_modules "$release"
    cat >"$new/kernel.json" <<EOF
{"release": "$release", "package": "$(dpkg-deb -f "$package" Package)",
 "version": "$(dpkg-deb -f "$package" Version)", "sha256": "$package_sha"}
EOF
}

# Prepared kernels are kept by the digests of package and recipe: a new agent costs no unpacking.
kernel_stage() {
    stage_key=$({ cat "$here/kernel.sh" "$here"/{vmlinux,untrace}.py "$here/modules.$arch" "$here/modules.common"
        "$(kernel_strip)" --version || die "no '$(kernel_strip)' here: install binutils-${triplet//_/-}"
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
