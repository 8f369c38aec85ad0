#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Scripts of the integration tests and the container's view, in one VM of the back-end kvm-libvirt; runs
# below with_libvirtd.sh: one_vm.sh SCRIPT...
. "$(dirname "$0")/../lib.sh"
if [ -z "${LIBVIRTD_PID:-}" ]; then
    exec "$(dirname "$0")/with_libvirtd.sh" "$0" "$@"
fi
setup kvm-libvirt
b=$(bundle pod "$(sh_args 'exec sleep 5000') |
    .annotations={\"io.kubernetes.cri.container-type\":\"sandbox\",\"io.kubernetes.cri.sandbox-id\":\"pod\"}")
av run --detach --bundle "$b" pod < /dev/null > "$WORK/out" 2>&1
same "a sandbox runs" running "$(status_of pod)"
in_one_vm pod "$@"
check "delete" 0 '' av delete --force pod
finish
