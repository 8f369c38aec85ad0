#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Terminals: console socket, foreground, window size and resize, job control, exec.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: terminal.sh BACKEND}"
clones
tty=$HERE/on_terminal.py
AVR=("$AV" --root "$ROOT")

b=$(bundle t "$(sh_args 'tty; stty size; read x; echo got:$x; exit 4') | .process.terminal=true | .process.consoleSize={height:31,width:97}")
check "a terminal without a console socket fails create" 1 'console' av create --bundle "$b" t0
THEN="'$AV' --root '$ROOT' start t1" WAIT="97" INPUT='abc\n' \
    check "create --console-socket" 0 'got:abc' "$tty" console "$WORK/s1" "${AVR[@]}" create --bundle "$b" --console-socket "$WORK/s1" t1
check "delete it" 0 '' av delete --force t1

WAIT="/dev/pts" INPUT='abc\n' check "foreground run has a terminal" 4 '/dev/pts/0' "$tty" fg "${AVR[@]}" run --bundle "$b" t2
b=$(bundle t3 "$(sh_args 'stty size; read x; until stty size | grep "50 60"; do sleep 0.05; done') | .process.terminal=true")
SIZE=40x120 WAIT="40 120" RESIZE=50x60 INPUT='\n' \
    check "the caller's window size, and its change, arrive" 0 '50 60' "$tty" fg "${AVR[@]}" run --bundle "$b" t3
b=$(bundle t4 "$(sh_args 'trap "echo interrupted; exit 6" INT; echo ready; while :; do sleep 0.1; done') | .process.terminal=true")
WAIT=ready INPUT='\x03' check "Ctrl-C interrupts inside" 6 'interrupted' "$tty" fg "${AVR[@]}" run --bundle "$b" t4

# One container for all execs.
b=$(bundle t5 "$(sh_args 'while :; do sleep 0.1; done')")
av run --detach --bundle "$b" t5 > /dev/null 2>&1 < /dev/null
WAIT="pts" INPUT='exit 8\n' check "exec --tty in the foreground" 8 '/dev/pts/' "$tty" fg "${AVR[@]}" exec --tty t5 sh -c 'tty; exec sh'
WAIT='# ' INPUT='sleep 100 &\njobs\nkill -9 %1\nexit 0\n' \
    check "job control works" 0 'Running|sleep 100' "$tty" fg "${AVR[@]}" exec --tty t5 sh -i
WAIT="pts" INPUT='exit 0\n' check "exec --console-socket" 0 '/dev/pts/' \
    "$tty" console "$WORK/s2" "${AVR[@]}" exec --detach --tty --console-socket "$WORK/s2" t5 sh -c 'tty; exec sh'
finish
