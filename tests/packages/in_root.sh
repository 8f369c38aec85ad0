#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# In the fresh root, by packages.sh: install, use, remove, purge; the files before and after are the
# same. Prints "ok ..." and "not ok ...", each with a reason.
set -u
failed=0

result() {  # result NAME 0|1 [DETAIL]
    if [ "$2" = 0 ]; then
        echo "ok $1"
    else
        echo "not ok $1"
        sed 's/^/    /' <<< "${3:-}"
        failed=1
    fi
}

check() {  # check NAME STATUS REGEX CMD...
    local name=$1 want=$2 regex=$3 out rc
    shift 3
    out=$("$@" 2>&1 < /dev/null)
    rc=$?
    [ "$rc" = "$want" ] && grep -qE -- "$regex" <<< "$out"
    result "$name" $? "status $rc, wanted $want and /$regex/; output:
$out"
}

# Every file with type, mode, owner and content, without dpkg's own records and what it logs.
files() {
    find / -xdev \( -path /var/lib/dpkg -o -path /proc -o -path /sys -o -path /dev -o -path /mnt \
        -o -path /tmp -o -path /run \) -prune -o -type f ! -path '/var/log/*' \
        -printf '%p %M %u:%g %s %l\n' -o ! -type f -printf '%p %M %u:%g %l\n' | sort
}

files > /tmp/before
check "they install, all dependencies are there" 0 '' dpkg -i /mnt/*.deb
check "--version" 0 '^anyvisor version [0-9]' anyvisor --version
check "check finds all it needs" 0 "^ok +default class: .*'kvm'" anyvisor check
check "its own configuration is used" 0 '^ok +configuration: /etc/anyvisor/anyvisor.yaml$' anyvisor check
check "the configuration is good" 0 '' anyvisor config check
check "the back-end is usable" 0 '^kvm .* usable$' anyvisor backends
check "the example is listed" 0 '^hyperv-stub .* no: ' anyvisor backends
check "a container runs" 5 '^from the package$' anyvisor run --bundle /mnt/bundle c1
[ ! -e /etc/anyvisor/plugins.d/kvm-libvirt.yaml ] ||
    check "libvirt's back-end is loaded, and misses its daemon alone" 0 '^kvm-libvirt .* no: .*(daemon does not run|connect to libvirt)' \
        anyvisor backends
check "the shim says its version" 0 'anyvisor' containerd-shim-anyvisor-v2 -v
check "man pages are there" 0 '' test -s /usr/share/man/man1/anyvisor.1.gz
check "so is bash's completion" 0 '' test -s /usr/share/bash-completion/completions/anyvisor
check "gc at boot is enabled" 0 '' test -L /etc/systemd/system/multi-user.target.wants/anyvisor-gc.service
check "gc runs" 0 '' anyvisor gc

# A plug-in that was built elsewhere: loaded, listed, tested, as any other.
install -m 0644 /mnt/my-hv.so /usr/lib/*/anyvisor/backends/
printf 'name: my-hv\nlibrary: my-hv.so\n' > /etc/anyvisor/plugins.d/my-hv.yaml
check "a plug-in from outside is listed" 0 "^my-hv .* no: .*/dev/my-hv" anyvisor backends
check "and passes the kit, as far as it goes" 2 'my-hv: [0-9]+ passed, 0 failed' anyvisor plugin test my-hv
rm /usr/lib/*/anyvisor/backends/my-hv.so /etc/anyvisor/plugins.d/my-hv.yaml

# With a container left, removal would leave nobody to stop it.
anyvisor create --bundle /mnt/bundle c2 < /dev/null > /dev/null 2>&1
mapfile -t names < <(dpkg-query -W -f '${Package}\n' 'anyvisor*')
check "with a container left it is not removed" 1 'containers are left' dpkg -r "${names[@]}"
check "the container is deleted" 0 '' anyvisor delete --force c2

echo '# of the administrator' >> /etc/anyvisor/anyvisor.yaml
check "they are removed" 0 '' dpkg -r "${names[@]}"
check "the configuration stays" 0 'of the administrator' tail -n 1 /etc/anyvisor/anyvisor.yaml
check "they are purged" 0 '' dpkg -P "${names[@]}"
files > /tmp/after
result "nothing is left of them" "$(cmp -s /tmp/before /tmp/after; echo $?)" "$(diff /tmp/before /tmp/after)"
exit $failed
