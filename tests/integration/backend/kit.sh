#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The conformance kit finds what is broken: kit.sh PLUGINS FAKE-KEY..., with the liar of this folder,
# the plug-ins of the ABI's tests, and files that are no plug-ins.
. "$(dirname "$0")/../lib.sh"
setup fake
plugs=${1:?usage: kit.sh FOLDER-OF-THE-ABI-PLUG-INS LIAR AGENT VMM}
liar=$2
keys=(--no-kernel --boot-timeout 10 --config "agent=$3" --config "vmm=$4")

# finds LIE REGEX: exit status 1, and a failed check that says so
finds() {
    check "the lie '$1' is found" 1 "^FAILED $2" av plugin test "$liar" "${keys[@]}" --config "lie=$1"
}

check "without a lie all is well" 0 ' 0 failed,' av plugin test "$liar" "${keys[@]}" --config lie=
finds claim 'claims: every claim has what it obliges:.*vm_stop'
check "and said again just before the end" 1 "^FAILED claims: .*vm_stop" \
    eval 'av plugin test "$liar" "${keys[@]}" --config lie=claim | tail -n 2 | head -n 1; (exit "${PIPESTATUS[0]}")'
finds words 'refusals: vm_words refuses an unknown option: .*'
finds memory 'claims: vm_set_memory, which is not claimed, is refused: vm_set_memory succeeded'
finds descriptor 'leaks: nothing is left of: the life of a VM: .*descriptors'
finds process 'leaks: nothing is left of: the life of a VM: .*child processes'
finds loud "leaks: nothing was written .*making a VM"
finds mute 'life: a failure has a sentence: vm_start'
finds immortal "life: a destroyed VM is stopped: it is running"
finds abort 'faults: the plug-in does not crash: signal 6 .* vm_start'
finds exit 'faults: the plug-in does not end the process: status 0 .* vm_create'

# only LIE AREA: what the kit says of it, and its areas
only() { av plugin test "$liar" "${keys[@]}" --config "lie=$1" --only "$2" | sed -n 's/^FAILED/&/p; s/^ok *\([a-z]*\):.*/\1/p' | uniq; }
check "in other areas it is not met" 0 '^refusals$' only memory refusals
same "and they are not asked" "" "$(only memory devices | grep -E '^(FAILED|template|refusals|faults)')"
check "in its own it is" 0 '^FAILED' only memory claims
check "an area that there is not" 1 "no area 'lives': take life," av plugin test "$liar" --only lives
check "an op that fails is found" 1 '^FAILED life: the VM starts: vm_start' \
    av plugin test "$liar" "${keys[@]}" --config fail=vm_start
check "a key that nobody knows stops it" 1 "^FAILED abi: core loads it: .*'no_key'" \
    av plugin test "$liar" "${keys[@]}" --config no_key=1
check "a channel that is not CLOEXEC is found" 1 '^FAILED life: the channel is CLOEXEC' \
    av plugin test "$plugs/plug.so" --no-kernel --boot-timeout 5
check "a crash in probe is found" 1 'FAILED faults: the plug-in does not crash: signal 11 .* probe' \
    av plugin test "$plugs/plug.so" --config probe=crash
check "a plug-in without entry is none" 1 '^FAILED abi: core loads it: .*hvp_plugin_v1' \
    av plugin test "$plugs/no-entry.so"
echo nonsense > "$WORK/file.so"
check "a file that is no library is none" 1 '^FAILED abi: core loads it' av plugin test "$WORK/file.so"
chmod 0666 "$WORK/file.so"
check "one that others may write is not looked at" 1 '^FAILED abi: core loads it: .*not trusted' \
    av plugin test "$WORK/file.so"
check "a name that no descriptor has" 1 "no back-end is called 'nobody'" av plugin test nobody
check "a pair without a value" 1 "'x' is not KEY=VALUE" av plugin test "$liar" --config x

# A plug-in whose hypervisor is absent says so: that is honest, and not the whole truth.
check "the stub is honest" 2 'skip   claims: everything that needs a VM: .*/dev/mshv' \
    av plugin test hyperv-stub
json=$(av plugin test fake --no-kernel --format json)
same "JSON: the sums are those of the list" true "$(jq '
    .passed == ([.checks[] | select(.result == "ok")] | length) and .failed == 0 and .complete and
    (.capabilities | index("stats") != null) and .plugin == "fake"' <<< "$json")"
finish
