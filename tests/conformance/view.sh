#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# view.sh - the container's view: view.sh BACKEND [BUNDLE...]
# What a program sees is what the one golden dump says, whatever the back-end; what may differ is in
# guest/view/view.permitted. And on fake and kvm it is what the program sees under crun on the host:
# lines that differ must match an entry of view.differences, and every entry must match a line.
# VIEW_PRINT=1 prints the differences from crun that no entry names, and passes no judgement.
# VIEW_GOLDEN=1 writes the golden dump anew, of all bundles. In a rig's pod (AV_POD of lib.sh) the VM sees no
# mounts of another namespace.

# The bundles' tmpfs stays in a mount namespace of the test; that of libvirt's daemon is one.
[ -n "${VIEW_NS:-}${AV_POD:-}${LIBVIRTD_PID:-}" ] || exec env VIEW_NS=1 unshare --mount --propagation slave "$0" "$@"

. "$(dirname "$0")/../integration/lib.sh"

CONFORMANCE=$(cd "$(dirname "$0")" && pwd)
DIFFERENCES=$CONFORMANCE/view.differences
GOLDEN=$CONFORMANCE/view.golden
PERMITTED=$AV_BUILD/share/anyvisor/guest/view.permitted

# The mounts of engines' bundles, of every kind: folder, file, read-only, flags, recursive,
# propagation, tmpfs (copied up), /dev/shm from the host.
mounts_filter() {
    cat <<J
.mounts += [
  {destination:"/vol",type:"bind",source:"$WORK/vol",options:["rbind","rw","rprivate"]},
  {destination:"/ro",type:"bind",source:"$WORK/ro",options:["rbind","ro","rprivate"]},
  {destination:"/flags",type:"bind",source:"$WORK/ro",options:["bind","nosuid","nodev","noexec","ro"]},
  {destination:"/slave",type:"bind",source:"$WORK/ro",options:["rbind","rslave"]},
  {destination:"/deep/er/new",type:"bind",source:"$WORK/ro",options:["bind","noatime"]},
  {destination:"/etc/hosts",type:"bind",source:"$WORK/hosts",options:["bind","rprivate","ro","nosuid","noexec","nodev"]},
  {destination:"/run/.containerenv",type:"bind",source:"$WORK/hosts",options:["bind","rprivate"]},
  {destination:"/run2",type:"tmpfs",source:"tmpfs",options:["nosuid","strictatime","mode=755","size=65536k"]},
  {destination:"/tt",type:"tmpfs",source:"tmpfs",options:["noexec","nosuid","nodev","rprivate","size=1m"]},
  {destination:"/up",type:"tmpfs",source:"tmpfs",options:["rw","rprivate","nosuid","nodev","tmpcopyup"]}]
J
}

# Bundles by name. A limit that is raised would fail under crun where the host lacks CAP_SYS_RESOURCE.
filter_of() {
    case $1 in
    plain) echo . ;;
    readonly) echo '.root.readonly=true' ;;
    user) echo '.process.user={uid:1000,gid:1001,umask:18,additionalGids:[5,20,1001]}
        | .process.cwd="/home" | .process.env+=["HOME=/home","A=b c","EMPTY="]' ;;
    caps) echo '.process.noNewPrivileges=false | .process.oomScoreAdj=200
        | .process.capabilities={bounding:["CAP_KILL","CAP_MKNOD","CAP_CHOWN"],effective:["CAP_KILL","CAP_CHOWN"],
            permitted:["CAP_KILL","CAP_CHOWN"],inheritable:["CAP_KILL"],ambient:["CAP_KILL"]}' ;;
    seccomp) echo '.linux.seccomp={defaultAction:"SCMP_ACT_ALLOW",architectures:["'"SCMP_ARCH_${ARCH^^}"'"],
            syscalls:[{names:["mkdir","mkdirat"],action:"SCMP_ACT_ERRNO",errnoRet:95},
                      {names:["chroot"],action:"SCMP_ACT_ERRNO"}]}' ;;
    limits) echo '.process.rlimits=[{type:"RLIMIT_NOFILE",soft:123,hard:456},{type:"RLIMIT_CORE",soft:0,hard:0},
            {type:"RLIMIT_STACK",soft:4194304,hard:8388608},{type:"RLIMIT_NPROC",soft:100,hard:200}]
        | .linux.resources += {cpu:{quota:100000,period:100000,shares:512},memory:{limit:134217728},pids:{limit:64}}
        | .mounts += [{destination:"/sys/fs/cgroup",type:"cgroup",source:"cgroup",options:["nosuid","noexec","nodev","ro"]}]' ;;
    names) echo '.hostname="view-host" | .domainname="view.example"
        | .linux.sysctl={"kernel.msgmax":"4096","net.ipv4.ip_forward":"1","net.ipv4.ip_unprivileged_port_start":"80"}
        | .linux.rootfsPropagation="rslave"' ;;
    mounts) mounts_filter ;;
    shm) echo ".mounts |= map(if .destination==\"/dev/shm\" then {destination:\"/dev/shm\",type:\"bind\",source:\"$WORK/shm\",
            options:[\"bind\",\"rprivate\",\"nosuid\",\"noexec\",\"nodev\"]} else . end)" ;;
    podman) echo '.process.terminal=true | .process.consoleSize={height:24,width:80}
        | .mounts |= map(if .destination=="/dev" then .options=["nosuid","noexec","strictatime","mode=755","size=65536k"]
            elif .destination=="/dev/shm" then .options+=["rprivate"] else . end)
        | .linux.devices=[{path:"/dev/zero",type:"c",major:1,minor:5,fileMode:384,uid:7,gid:8}]' ;;
    esac
}
# The last one's sysctls of the network are its pod's, where it joins one.
ALL=(plain readonly user caps seccomp limits mounts shm podman names)

# Files whose owner, mode, times and attributes must be seen as they are.
make_files() {
    local d=$1
    mkdir -p "$d/sub/below"
    echo text > "$d/plain"
    echo x > "$d/setuid" && chown 12:34 "$d/setuid" && chmod 6711 "$d/setuid"
    ln -s plain "$d/link" && ln "$d/plain" "$d/hard" && mkfifo "$d/fifo"
    chmod 1777 "$d/sub" && chown 1000:1000 "$d/sub/below"
    python3 -c 'import os,sys; os.setxattr(sys.argv[1], "user.view", b"value")' "$d/plain" 2>/dev/null || XATTR=
    touch -d '2001-02-03 04:05:06.123456789 UTC' "$d/plain" "$d/sub/below" "$d/sub"
    touch -h -d '2002-02-03 04:05:06 UTC' "$d/link"
}

# member BUNDLE: the namespaces that it has of its own where others would share the pod's.
member() {
    [ -n "${AV_POD:-}" ] || return 0
    echo '| .linux.namespaces += [{type:"cgroup"}]'
    [ "$1" != names ] || echo '| .linux.namespaces |= map(if .type=="uts" or .type=="ipc" then del(.path) else . end)'
}

prepare() {
    local d
    chmod 0755 "$WORK"
    # Engines make /dev/shm of a container on the host: a tmpfs of its size.
    mkdir "$WORK/shm" && mount -t tmpfs -o mode=1777,size=64000k shm "$WORK/shm"
    mkdir -p "$WORK/ro" "$WORK/rootfs"/{home,up,tt,run2,vol,view} "$WORK/out"
    cp "$PROBE" "$WORK/rootfs/bin/view_probe"
    make_files "$WORK/rootfs/view"
    make_files "$WORK/ro"
    make_files "$WORK/rootfs/up"
    echo '127.0.0.1 localhost' > "$WORK/hosts"
    touch -d '2003-02-03 04:05:06 UTC' "$WORK/hosts" "$WORK/ro" "$WORK"/rootfs/{view,up,tt,run2,home,etc}
    # Only one has the cgroup file system: of a hybrid host, which the guest is not, crun shows all of v1.
    for d in "${BUNDLES[@]}"; do
        bundle "$d" ".process.args=[\"/bin/view_probe\",\"-w\",\"/vol\",\"/view\",\"/ro\",\"/flags\",\"/deep\",\"/up\",\"/tt\",\"/run2\",\"/etc\",\"/home\"]
            $(member "$d")
            | .annotations[\"org.anyvisor.arch\"]=\"$ARCH\" | .ociVersion=\"1.0.2\" | del(.mounts[]|select(.type==\"cgroup\"))
            | $(filter_of "$d")" > /dev/null
    done
}

# What the container left in /vol, as the host sees it at once.
left_behind() {
    find "$WORK/vol" -mindepth 1 -printf 'left %P %y %m %U:%G %s %T@ %l\n'
    cat "$WORK/vol/made" 2>/dev/null
    python3 -c 'import os,sys; print("left xattr", os.getxattr(sys.argv[1], "user.made"))' "$WORK/vol/made" 2>/dev/null
}

# Paths and times of this run say nothing, nor how a kernel numbers the inodes of a tmpfs, nor how a terminal
# ends its lines.
normal() {
    sed -E "s/\r$//; /^super/s/ inode64,/ /; s|$WORK|WORK|g; /^left/s/ (1[7-9]|[2-9][0-9])[0-9]{8}\.[0-9]+/ new/" | LC_ALL=C sort
}

# view NAME BUNDLE COMMAND...: the sorted dump of one runtime. The first one has the root that the bundle
# was made with; a copy takes long where the host is emulated.
view() {
    local name=$1 b=$2 rc with=()
    shift 2
    grep -q '"terminal": false' "$b/config.json" ||
        with=(env LIMIT="$LIMIT" "$HERE/on_terminal.py" fg)
    rm -rf "$WORK/vol" && mkdir "$WORK/vol"
    [ ! -e "$b/seen" ] || { rm -rf "$b/rootfs" && cp -a "$WORK/rootfs" "$b/rootfs"; }
    touch "$b/seen"
    (
        umask 022
        "${with[@]}" "$@" > "$WORK/out/$name.raw" 2> "$WORK/out/$name.err" < /dev/null
    )
    rc=$?
    { cat "$WORK/out/$name.raw"; left_behind; echo "status $rc"; } | normal > "$WORK/out/$name"
    [ -s "$WORK/out/$name.raw" ] || { tail -n 3 "$WORK/out/$name.err"; return 1; }
}

# Entries: BUNDLE BACKEND REGEX, of lines that begin with "crun: " or "ours: ".
entries() {
    grep -vE '^ *(#|$)' "$DIFFERENCES" | awk -v b="$BACKEND" '$2 == b || $2 == "all"'
}

# unexplained BUNDLE: the differing lines that no entry matches; entries that match are noted.
unexplained() {
    local line b regex found
    LC_ALL=C comm -3 "$WORK/out/$1.crun" "$WORK/out/$1.ours" | sed 's/^\t/ours: /; t; s/^/crun: /' |
        while IFS= read -r line; do
            found=
            while read -r b _ regex; do
                # shellcheck disable=SC2053  # a pattern is meant
                if [[ $1 == $b && $line =~ $regex ]]; then
                    found=1
                    printf '%s %s\n' "$b" "$regex" >> "$WORK/used"
                fi
            done < <(entries)
            [ -n "$found" ] || printf '%s\n' "$line"
        done
}

unused_entries() {
    entries | awk '{ b = $1; sub(/^[^ ]+ +[^ ]+ +/, ""); print b, $0 }' | sort -u |
        grep -vxFf <(sort -u "$WORK/used")
}

# crun refuses a host whose v2 hierarchy still has a controller beside v1: it is not shown any. And it is to
# leave cgroups alone.
run_crun() {
    local b=$WORK/b/$1
    jq 'del(.linux.resources["cpu","memory","pids"], (.mounts[] | select(.type == "cgroup")))' "$b/config.json" > "$b/config.new"
    mv "$b/config.new" "$b/config.json"
    # shellcheck disable=SC2016
    view "$1.crun" "$b" unshare --mount --propagation slave sh -c '
        ! mountpoint -q /sys/fs/cgroup/unified || umount -l /sys/fs/cgroup/unified
        exec timeout --foreground -k 10 "$0" crun --cgroup-manager=disabled "$@"' \
        "$LIMIT" --root "$WORK/crun" run --bundle "$b" "v-$1"
}

# Facts about the file system of this test's folder are none about the container.
for_golden() {
    sed -E '/^left [^ ]+ d /s/ [0-9]+ new/ SIZE new/' "$WORK/out/$1.ours" |
        if [ -n "$XATTR" ]; then cat; else grep -vE '^(xattr|made xattr|left xattr)'; fi > "$WORK/out/$1.facts"
}

compare_with_golden() {
    local b args=() left
    for b in "${BUNDLES[@]}"; do
        [ -s "$WORK/out/$b.ours" ] || return
        for_golden "$b"
        args+=("$b=$WORK/out/$b.facts")
    done
    [ -z "${VIEW_GOLDEN:-}" ] || "$CONFORMANCE/golden.py" write "$GOLDEN" "${args[@]}"
    if [ -z "$XATTR" ]; then
        skip "the golden dump" "'$WORK' has no user attributes"
        return
    fi
    left=$("$CONFORMANCE/golden.py" check "$GOLDEN" "$PERMITTED" "$DIFFERENCES" "$BACKEND" "${args[@]}" 2>&1)
    result "what ${#BUNDLES[@]} bundles see is the golden dump's, or permitted" $? "${left:0:3000}"
}

run_ours() {
    view "$1.ours" "$WORK/b/$1" timeout --foreground -k 10 "$LIMIT" "$AV" --root "$ROOT" run --bundle "$WORK/b/$1" "v-$1" ||
        result "$1: anyvisor runs the bundle" 1
}

compare_with_crun() {
    local left
    [ -s "$WORK/out/$1.ours" ] || return
    if ! run_crun "$1"; then
        result "$1: crun runs the bundle" 1
    else
        left=$(unexplained "$1")
        result "$1: $(wc -l < "$WORK/out/$1.ours") facts are the same or listed" \
            "$([ -z "$left" ]; echo $?)" "${left:0:3000}"
        [ -z "${VIEW_PRINT:-}" ] || printf '%s\n' "$left" | sed "s/^/$1 /"
    fi
}

main() {
    local b
    ARCH=${1#kvm} ARCH=${ARCH#-}
    case $1 in kvm-libvirt) ARCH=$(uname -m) ;; kvm-?*) ;; *) ARCH=$(uname -m) ;; esac
    PROBE=$AV_BUILD/share/anyvisor/guest/$ARCH/view-probe
    [ -x "$PROBE" ] || skip_all "there is no view probe for $ARCH: build the target guest-image-$ARCH"
    [ "$(id -u)" = 0 ] || skip_all "needs root"
    setup "$1"
    shift
    [ "$BACKEND" != "kvm-$ARCH" ] || LIMIT=240
    BUNDLES=("${ALL[@]}")
    [ $# = 0 ] || BUNDLES=("$@")
    : > "$WORK/used"
    XATTR=1
    prepare
    # The first one's VM boots; those of the others, whose program must see the same, are its clones.
    run_ours "${BUNDLES[0]}"
    clones
    for b in "${BUNDLES[@]:1}"; do run_ours "$b"; done
    compare_with_golden
    case $BACKEND${AV_POD:+ pod} in
    fake | kvm)
        if command -v crun > /dev/null; then
            for b in "${BUNDLES[@]}"; do compare_with_crun "$b"; done
            [ $# -gt 0 ] || same "every entry of view.differences is needed" "" "$(unused_entries)"
        else
            skip "the same under crun" "it is not installed"
        fi
        ;;
    esac
    umount "$WORK/shm"
    finish
}

main "$@"
