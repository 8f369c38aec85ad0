# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Completion for anyvisor: verbs and options come from --help, ids from `list --quiet`, so that
# nothing here repeats what the program knows.

# The words of --help's lines that begin with a dash: options, of each line the ones before the text.
_anyvisor_options() {
    "$@" --help 2> /dev/null | sed -n 's/^ *\(-.*\)$/\1/p' | grep -oE '^(-[A-Za-z], )?--[a-z][a-z0-9-]*' |
        grep -oE -- '--[a-z0-9-]+'
}

# The indented first words of --help that are no options: verbs.
_anyvisor_verbs() {
    "$1" --help 2> /dev/null | sed -n 's/^ \{1,\}\([a-z][a-z]*\)\( [a-z]*\)\{0,1\}  .*$/\1/p' | sort -u
}

_anyvisor() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]}
    local i verb='' globals=() words=''

    COMPREPLY=()
    # Find the verb; the values of global options before it are not one, and `list` needs --root.
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --root | --config)
            globals+=("${COMP_WORDS[i]}" "${COMP_WORDS[i + 1]}")
            i=$((i + 1))
            ;;
        --log | --log-format | --class | --rootless | --criu) i=$((i + 1)) ;;
        -*) ;;
        *)
            verb=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    case $prev in
    --root | --bundle | -b)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return
        ;;
    --config | --nova-conf | --log | --pid-file | --console-socket | --process | -p | --resources | -r)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return
        ;;
    --log-format) words='text json' ;;
    --format) words='json table text' ;;
    *)
        case $verb:$cur in
        :-*) words=$(_anyvisor_options "$program") ;;
        :*) words=$(_anyvisor_verbs "$program") ;;
        config:-* | plugin:-* | view:-* | template:-* | pool:-*) words=$(_anyvisor_options "$program" "$verb" "${COMP_WORDS[i + 1]}") ;;
        *:-*) words=$(_anyvisor_options "$program" "$verb") ;;
        config:*) words=check ;;
        plugin:*)
            words='new test'
            [ "${COMP_WORDS[i + 1]}" = test ] && [ "$COMP_CWORD" -gt $((i + 1)) ] &&
                mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return
            ;;
        view:*) words=diff ;;
        template:*) words='build list remove' ;;
        pool:*) words='fill status drain' ;;
        explain:*)
            mapfile -t COMPREPLY < <(compgen -d -- "$cur")
            return
            ;;
        kill:*)
            words=$("$program" "${globals[@]}" list --quiet 2> /dev/null)
            [ "$i" -ge $((COMP_CWORD - 1)) ] || words='HUP INT KILL QUIT STOP CONT TERM USR1 USR2'
            ;;
        start:* | exec:* | state:* | delete:* | ps:* | pause:* | resume:* | network:* | update:* | events:* | \
            logs:* | timings:* | console:*) words=$("$program" "${globals[@]}" list --quiet 2> /dev/null) ;;
        *) return ;;
        esac
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _anyvisor anyvisor
