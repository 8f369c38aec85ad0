#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The guest's console on a terminal or a pipe: what is typed comes back from the guest's tty.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: console.sh BACKEND}"

b=$(bundle c1 "$(sh_args 'while :; do sleep 0.1; done')")
av run --detach --bundle "$b" c1 > "$WORK/out" 2>&1 < /dev/null
same "run --detach" 0 $?

# typed TEXT KEY OPTION...: types, waits for the guest's echo, ends the session with the key.
typed() {
    local text=$1 key=$2
    shift 2
    rm -f "$WORK/done"
    # shellcheck disable=SC2094 # the guest's answer is what is waited for
    {
        printf '%s\r' "$text"
        until_ok 30 grep -q "$text" "$WORK/typed"
        printf '%b' "$key"
        until_ok 20 test -e "$WORK/done"    # the key ends the session, not the end of its input
    } | {
        av console "$@" c1 > "$WORK/typed"
        echo $? > "$WORK/done"
    }
    return "$(cat "$WORK/done")"
}
: > "$WORK/typed"
check "the escape key ends a session" 0 '' typed first-words '\035'
check "the guest's terminal has answered" 0 'first-words' cat "$WORK/typed"
: > "$WORK/typed"
check "another session, another key" 0 '' typed second-words '\001' --escape '^A'
check "is answered as well" 0 'second-words' cat "$WORK/typed"
check "a bad key is refused" 1 "escape '\^\^\^' is neither" av console --escape '^^^' c1
check "an unknown container" 1 'does not exist' av console c2

av console c1 < /dev/null > "$WORK/watched" 2>&1 &
watcher=$!
check "delete --force" 0 '' av delete --force c1
wait $watcher
same "a session ends with its VM" 0 $?
finish
