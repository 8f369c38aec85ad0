#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The agent's channel over virtio-serial beside that over vsock, on real KVM: HELLO, an exec of `true`,
# bytes out and in. Both VMs run at once, and the turns alternate. By hand:
#   rig.sh run tests/rigs/kvm/bench.sh [ROUNDS [BYTES]]
. "$(dirname "$0")/../../integration/lib.sh"
if ! grep -qE '^flags.* (svm|vmx)' /proc/cpuinfo; then
    skip_all "the processor has neither svm nor vmx: rig.sh run $0"
fi
setup kvm
LIMIT=600
ROUNDS=${1:-10} BYTES=${2:-4000000}
sed -i 's/^defaults:/&\n  boot_timeout: 500s/' "$ANYVISOR_CONFIG"

now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
for kind in serial vsock; do
    sed -i "s/.*channel: .*/  channel: $kind/" "$WORK/etc/plugins.d/kvm.yaml"
    av run --detach --bundle "$(bundle "$kind" "$(sh_args 'exec sleep 5000')")" "$kind" > "$WORK/out" 2>&1 < /dev/null ||
        { cat "$WORK/out"; exit 1; }
    printf '%-8s HELLO after %s ms\n' "$kind" \
        "$(av timings --format json "$kind" | jq '[.phases[] | {(.name): .at_us}] | add | .hello / 1000 | floor')"
done
head -c "$BYTES" /dev/zero > "$WORK/zeros"
printf '%-8s %10s %10s %10s\n' ms true "$BYTES out" "$BYTES in"
for _ in $(seq "$ROUNDS"); do
    for kind in serial vsock; do
        t0=$(now_ms)
        av exec "$kind" true < /dev/null
        t1=$(now_ms)
        av exec "$kind" head -c "$BYTES" /dev/zero < /dev/null > "$WORK/got"
        t2=$(now_ms)
        av exec "$kind" wc -c < "$WORK/zeros" > "$WORK/count"
        t3=$(now_ms)
        [ "$(wc -c < "$WORK/got") $(cat "$WORK/count")" = "$BYTES $BYTES" ] || exit 1
        printf '%-8s %10s %10s %10s\n' "$kind" $((t1 - t0)) $((t2 - t1)) $((t3 - t2))
    done
done
finish
