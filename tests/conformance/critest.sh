#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# critest.sh - the CRI's own validation suite against containerd with the shim: critest.sh fake|kvm [REGEX]
# Every spec's result must be the one that critest.expected records, in either direction; REGEX chooses
# specs, also those that CI leaves out on kvm. The suite is the Go module that critest/go.mod pins. CRITEST_PRINT=1 only prints the results,
# and CRITEST_RUNTIME=/path/to/runc those of another runtime.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/integration/engines/daemons.sh
. "$HERE/engines/daemons.sh"
# shellcheck source=tests/integration/engines/disks.sh
. "$HERE/engines/disks.sh"
# shellcheck source=tests/conformance/gosuite.sh
. "$(dirname "$0")/gosuite.sh"
CONFORMANCE=$(cd "$(dirname "$0")" && pwd)
EXPECTED=$CONFORMANCE/critest.expected
MODULE=github.com/kubernetes-sigs/cri-tools
RUN_LIMIT=${RUN_LIMIT:-480}
E2E=registry.k8s.io/e2e-test-images
OWN=gcr.io/k8s-staging-cri-tools

# Not optimised, for it mostly waits: a fifth less to build.
build() {
    go test -c -p 2 -vet=off -gcflags=all='-N -l' -ldflags='-s -w' -o "$SUITE/critest" "$MODULE/cmd/critest"
}

tools_there() {
    local tool
    for tool in ctr containerd gcc ipcmk iptables; do
        command -v "$tool" > /dev/null || skip_all "$tool is not installed"
    done
    [ -x /usr/lib/cni/portmap ] || skip_all "the CNI plug-ins are not installed"
    [ -x "$AV_BUILD/bin/containerd-shim-anyvisor-v2" ] || skip_all "the shim is not built"
}

# What the suite's images have and Debian's busybox lacks, and what the specs look for in a web
# server: the name of its process, its argument, its pid file and port 80.
more_programs() {
    local bin=$WORK/rootfs/bin
    rm "$bin/ls" && cp /bin/busybox "$bin/ls"       # of its own: to be masked
    printf '#!/bin/sh\ncat /proc/sysvipc/shm\n' > "$bin/ipcs"
    printf '#!/bin/sh\nexec pidof "$1"\n' > "$bin/pgrep"
    cat > "$bin/nginx" << 'X'
#!/bin/sh
mkdir -p /var/run /www
echo hello > /www/index.html
httpd -p ${PORT:-80} -h /www
trap 'exit 0' QUIT TERM
echo $$ > /var/run/nginx.pid
while :; do sleep 1; done
X
    chmod +x "$bin"/{ipcs,pgrep,nginx}
    cat > "$WORK/euid.c" << 'X'
#include <stdio.h>
#include <unistd.h>
int main(void)
{
    return printf("Effective uid: %d\n", (int)geteuid()) < 0;
}
X
    gcc -static -o "$bin/euid" "$WORK/euid.c" && chmod 4755 "$bin/euid"
    echo 'default-user:x:1000:1000::/home:/bin/sh' >> "$WORK/rootfs/etc/passwd"
    printf 'default-user:x:1000:\ngroup-defined-in-image:x:50000:default-user\n' >> "$WORK/rootfs/etc/group"
}

# image NAME COMMAND: the rootfs under the name that a spec asks for.
image() {
    busybox_image "$WORK/image.tar" "$1" "$2" && kct images import "$WORK/image.tar" > /dev/null
    result "image $1" $?
}

images() {
    more_programs
    image localhost/busybox:test '["sh"]'
    image localhost/pause:test '["tail", "-f", "/dev/null"]'
    image $E2E/nginx:1.14-2 '["nginx", "master process"]'
    image $E2E/httpd:2.4.39-4 '["sh", "-c", "echo httpd -D FOREGROUND; exec nginx"]'
    image $E2E/nonewprivs:1.3 '["euid"]'
    image $OWN/test-image-predefined-group:latest '["sh"]'
    image $OWN/hostnet-nginx-amd64:latest '["sh", "-c", "PORT=12003 exec nginx"]'
    echo 'defaultTestContainerImage: localhost/busybox:test' > "$WORK/images.yaml"
}

handler() {
    if [ -z "${CRITEST_RUNTIME:-}" ]; then
        cat "$HERE/../../configs/containerd-anyvisor.toml"
        return
    fi
    cat << X
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.anyvisor]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.anyvisor.options]
    BinaryName = "$CRITEST_RUNTIME"
X
}

node() {
    export PATH=$AV_BUILD/bin:$PATH ANYVISOR_ROOT=$ROOT
    daemons_setup
    cni_setup av0 10.88.77.0/24 '"ipMasq": true' '{"type": "portmap", "capabilities": {"portMappings": true}}'
    mkdir -p "$WORK/tmp"
    handler > "$WORK/handler.toml"
    containerd_cri_start "$WORK/handler.toml" || exit 1
}

# expected BACKEND [REGEX]: "VERDICT<tab>NAME<tab>REASON" of each spec that is to be run. With REGEX also
# those that CI leaves out.
expected() {
    awk -F '\t' -v backend="$1" -v regex="${2:-}" '
        /^(#|$)/ { next }
        { verdict = backend == "fake" ? $1 : $2 }
        verdict == "SKIP" { next }
        regex == "" ? verdict ~ /^[A-Z]/ : $3 ~ regex { print toupper(verdict) "\t" $3 "\t" $4 }' "$EXPECTED"
}

# run_specs NAME...: the suite, its words in WORK/critest.log, its results as "VERDICT<tab>NAME" lines.
# Files that the specs bind are in TMPDIR.
run_specs() {
    local sock=unix://$E/containerd/sock names
    names=$(printf '%s\n' "$@" | sed 's/[][().|]/\\&/g; s/$/$/' | paste -sd '|')
    TMPDIR=$WORK/tmp timeout -k 10 "$RUN_LIMIT" "$SUITE/critest" -runtime-endpoint "$sock" -image-endpoint "$sock" \
        -runtime-handler anyvisor -test-images-file "$WORK/images.yaml" -ginkgo.junit-report "$WORK/report.xml" \
        -ginkgo.focus "$names" -ginkgo.no-color > "$WORK/critest.log" 2>&1 < /dev/null
    [ -f "$WORK/report.xml" ] || { tail -n 5 "$WORK/critest.log"; exit 1; }
    python3 - "$WORK/report.xml" << 'P' > "$WORK/results"
import sys
import xml.etree.ElementTree as tree

for case in tree.parse(sys.argv[1]).getroot().iter("testcase"):
    kind, _, name = case.get("name").partition("] [k8s.io] ")
    if kind == "[It" and case.get("status") != "skipped":
        print("PASS" if case.get("status") == "passed" else "FAIL", name, sep="\t")
P
}

mount_points() {
    awk -v below="$1/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo
}

# What the suite said when NAME failed.
words_of() {
    grep -F -A 30 "[FAILED] [" "$WORK/critest.log" | grep -F -A 30 -- "${1##* runtime should }" | head -n 30
}

judge() {
    local want name reason got
    while IFS=$'\t' read -r want name reason; do
        got=$(awk -F '\t' -v n="$name" '$2 == n { print $1 }' "$WORK/results")
        [ "$got" = "$want" ]
        result "$want: $name${reason:+ ($reason)}" $? "expected '$want', got '${got:-nothing}'
$(words_of "$name")"
    done
}

main() {
    local names
    tools_there
    go_suite critest build # from a registry that the namespace does not reach
    own_namespaces "$@"
    setup "$1"
    clones
    node
    images
    mapfile -t names < <(expected "$1" "${2:-}" | cut -f 2)
    run_specs "${names[@]}"
    if [ -n "${CRITEST_PRINT:-}${CRITEST_RUNTIME:-}" ]; then
        cat "$WORK/results"
    else
        judge < <(expected "$1" "${2:-}")
    fi
    same "no container is left in containerd" "" "$(kct containers ls -q)"
    ip link del av0
    daemons_stop
    cni_done
    # Specs of propagation that fail leave theirs.
    mount_points "$WORK/tmp" | xargs -r umount -R
    ROOT=$ROOT/k8s.io
    finish
}

main "$@"
