#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# exec: status, user, cwd, environment, capabilities, detached, process files, what it must refuse.
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: exec.sh BACKEND}"

b=$(bundle e "$(sh_args 'sleep 5000 & wait')")
av run --detach --bundle "$b" e > /dev/null 2>&1 < /dev/null
same "the container runs" running "$(status_of e)"

check "output and status" 3 '^in$' av exec e sh -c 'echo in; exit 3'
# In a rig's VM each exec takes a second.
some() { if [ -n "${AV_POD:-}" ]; then shift; fi; echo "$1"; }
bad=""
for code in $(some "$(seq -s ' ' 0 255)" "0 1 127 255"); do
    av exec e sh -c "exit $code" < /dev/null > /dev/null 2>&1
    [ $? = "$code" ] || bad="$bad $code"
done
same "exit codes come back" "" "$bad"
bad=""
for sig in $(some "HUP INT KILL USR1 SEGV PIPE ALRM TERM" "KILL SEGV"); do
    av exec e sh -c "kill -$sig \$\$; sleep 5" < /dev/null > /dev/null 2>&1
    [ $? = $((128 + $(kill -l "$sig"))) ] || bad="$bad $sig"
done
same "death by signal is 128+n" "" "$bad"
check "missing file" 255 'exec: "/nope": stat /nope: no such file or directory' av exec e /nope
check "missing program" 255 'exec: "nope": executable file not found in \$PATH' av exec e nope
check "no permission" 255 'exec: "/etc/passwd": permission denied' av exec e /etc/passwd
check "--user" 0 '^65534 65534$' av exec --user 65534:65534 e sh -c 'echo $(id -u) $(id -g)'
check "--cwd" 0 '^/tmp$' av exec --cwd /tmp e pwd
check "--env" 0 '^b$' av exec --env A=b e sh -c 'echo $A'
check "the container's environment is inherited" 0 '/usr/bin' av exec e sh -c 'echo $PATH'
check "--additional-gids" 0 '44' av exec --additional-gids 44 e id -G
before=$(av exec e grep CapEff /proc/self/status < /dev/null)
after=$(av exec --cap CAP_SYS_PTRACE e grep CapEff /proc/self/status < /dev/null)
same "--cap adds a capability" $((1 << 19)) $((0x${after##*	} ^ 0x${before##*	}))
check "an exec sees the container's processes" 0 'sleep' av exec e ps
check "pid 1 is the container's" 0 '^sh' av exec e sh -c "tr '\\0' ' ' < /proc/1/cmdline"

# --- the guest's clock: the host's at first; when it jumps nothing of ours minds
if [ "$BACKEND" != fake ]; then   # the fake guest's clock is the host's
    before=$(date +%s)
    guest=$(av exec e date +%s < /dev/null)
    same "the guest's clock is the host's" yes \
        "$([ "$guest" -ge $((before - 2)) ] && [ "$guest" -le $(($(date +%s) + 2)) ] && echo yes)"
    av exec e sh -c 'echo up; sleep 5; exit 7' > "$WORK/jump" 2>&1 < /dev/null &
    across=$!
    check "an exec waits" 0 '' until_ok 60 grep -q up "$WORK/jump"
    for to in 2037-01-01 1980-01-01; do
        check "the guest's clock jumps to $to" 0 "${to%%-*}" av exec --cap CAP_SYS_TIME e sh -c "date -s '$to 00:00:00' && date +%Y"
        check "$to: state" 0 '"status": *"running"' av state e
    done
    wait $across
    same "an exec across the jumps ends as it should" 7 $?
    av exec --cap CAP_SYS_TIME e date -s "@$(date +%s)" > "$WORK/jump" 2>&1 < /dev/null
else
    skip "the guest's clock" "the fake back-end's guest has the host's"
fi

cat > "$WORK/p.json" <<'X'
{"terminal": false, "user": {"uid": 1000, "gid": 1000, "additionalGids": [10]}, "args": ["sh", "-c", "id; pwd; echo $X"],
 "env": ["PATH=/bin", "X=from-file"], "cwd": "/tmp", "noNewPrivileges": true,
 "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]}
X
check "--process FILE" 0 'uid=1000.*gid=1000' av exec --process "$WORK/p.json" e
check "--process sets env" 0 'from-file' av exec --process "$WORK/p.json" e
jq '.args=["sh","-c","ulimit -n; grep NoNewPrivs /proc/self/status"]' "$WORK/p.json" > "$WORK/p2.json"
check "--process sets rlimits" 0 '^100$' av exec --process "$WORK/p2.json" e
check "--process sets no_new_privs" 0 'NoNewPrivs:.*1' av exec --process "$WORK/p2.json" e

av exec --detach --pid-file "$WORK/e.pid" e sleep 100 > /dev/null 2>&1 < /dev/null
same "--detach with a pid file" 0 $?
check "its process lives" 0 '' kill -0 "$(cat "$WORK/e.pid")"
check "the guest sees it" 0 'sleep 100' av exec e ps
check "kill -9 of its process ..." 0 '' kill -9 "$(cat "$WORK/e.pid")"
sleep_gone() { ! av exec e ps < /dev/null | grep -q 'sleep 100'; }
check "... kills it in the guest" 0 '' until_ok 60 sleep_gone

check "pause" 0 '' av pause e
same "state says paused" paused "$(status_of e)"
check "exec in a paused container fails" 255 'paused' av exec e true
check "pause twice fails" 1 'paused|not running' av pause e
check "resume" 0 '' av resume e
same "state says running" running "$(status_of e)"
check "exec works again" 0 '' av exec e true
check "resume of a running container fails" 1 'not paused' av resume e
check "exec in an unknown container fails" 255 'does not exist' av exec nosuch true
check "exec without a program fails" 255 'usage' av exec e
check "and with an option that there is not" 255 "unknown option '--nosuch'" av exec --nosuch e true

same "events --stats is runc's" "stats e" "$(av events --stats e | jq -r '[.type, .id] | join(" ")')"
if [ "$BACKEND" != fake ]; then
    same "events --stats counts processes" number "$(av events --stats e | jq -r '.data.pids.current | type')"
else
    skip "events --stats counts processes" "the fake back-end has no pids controller of its own"
fi
finish
