#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# docs.completion: completion.sh SOURCE ANYVISOR: bash completes verbs, options and words.
set -u
source=$1
PATH=$(dirname "$2"):$PATH
failed=0
# shellcheck source=docs/completion/anyvisor.bash
. "$source/docs/completion/anyvisor.bash"

# completes WANT WORD...: WANT is among the completions of the last word
completes() {
    local want=$1
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _anyvisor
    case " ${COMPREPLY[*]} " in
    *" $want "*) echo "ok '$*' completes to $want" ;;
    *)
        echo "not ok '$*' completes to '${COMPREPLY[*]}', not $want"
        failed=1
        ;;
    esac
}

completes create anyvisor cr
completes backends anyvisor --root /nowhere back
completes --root anyvisor --r
completes --bundle anyvisor create --b
completes --force anyvisor delete -
completes check anyvisor config c
completes test anyvisor plugin t
completes --no-kernel anyvisor plugin test --no
completes json anyvisor --log-format j
completes TERM anyvisor kill c1 T
exit $failed
