#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Standard streams: one check for each sentence of DESIGN section 3, "Stdio".
. "$(dirname "$0")/lib.sh"
setup "${1:?usage: stdio.sh BACKEND}"

# The channel of a VM in Xen's rig carries some 25 KiB/s.
few() { if [ "$BACKEND" = xen ]; then echo $(($1 / 30)); else echo "$1"; fi; }

# One container serves the checks by exec; each exec has streams of its own.
b=$(bundle io "$(sh_args 'sleep 5000 & wait')")
av run --detach --bundle "$b" io > /dev/null 2>&1 < /dev/null
same "the container runs" running "$(status_of io)"

same "stdin reaches the program" hello "$(echo hello | av exec io cat)"
head -c "$(few 3000000)" /dev/urandom > "$WORK/blob"
same "megabytes pass through unchanged" "$(md5sum < "$WORK/blob")" "$(av exec io cat < "$WORK/blob" | md5sum)"
same "a file as stdin" "$(md5sum < "$WORK/blob")" "$(av exec io sh -c 'cat > /tmp/b; cat /tmp/b' < "$WORK/blob" | md5sum)"
av exec io sh -c 'echo to-file; echo err-file >&2' > "$WORK/f.out" 2> "$WORK/f.err" < /dev/null
same "a file as stdout" to-file "$(cat "$WORK/f.out")"
same "a file as stderr" err-file "$(cat "$WORK/f.err")"
av exec io sh -c 'echo x; echo y >&2; exit 6' > /dev/null 2>&1 < /dev/null
same "/dev/null as stdin, stdout and stderr" 6 $?
same "stdout and stderr stay apart" "o" "$(av exec io sh -c 'echo o; echo e >&2' 2>/dev/null < /dev/null)"

# Each stream ends at its own EOF, independent of the exit.
same "stdout ends before the program does" "first" \
    "$(av exec io sh -c 'echo first; exec >&-; sleep 0.3; exit 0' < /dev/null)"
av exec --detach io sh -c '(sleep 1; echo late) & echo early' > "$WORK/late" 2>&1 < /dev/null
check "what a grandchild writes after the exit arrives" 0 '' until_ok 60 grep -q late "$WORK/late"

# Bytes written before the exit reach the pipe before the exit is reported.
for i in 1 2 3; do
    same "the last bytes before the exit arrive ($i)" "$(few 100000)" \
        "$(av exec io sh -c "head -c $(few 100000) /dev/zero; exit 0" < /dev/null | wc -c)"
done

# A reader that has gone: the writer gets SIGPIPE, nothing hangs.
same "a closed stdout ends the writer" y "$(av exec io yes < /dev/null 2>/dev/null | head -n 1)"

# One stalled reader blocks no other stream, signal or exit.
gone() { ! kill -0 "$1" 2>/dev/null; }
mkfifo "$WORK/stall"
exec 8<> "$WORK/stall"
av exec --detach --pid-file "$WORK/yes.pid" io yes > "$WORK/stall" 2>&1 < /dev/null
same "another stream flows beside a stalled one" fine "$(av exec io echo fine < /dev/null)"
check "a signal reaches the stalled writer" 0 '' kill -TERM "$(cat "$WORK/yes.pid")"
check "and it ends" 0 '' until_ok 60 gone "$(cat "$WORK/yes.pid")"
exec 8>&-

# A slow reader gets everything. One that stalls holds up an exit as a full pipe does without a VM,
# until it reads or somebody sends a signal.
slowly() { python3 -c '
import os, sys, time
n = 0
while chunk := os.read(0, 65536):
    n += len(chunk)
    time.sleep(0.4)
print(n)'; }
same "a slow reader gets everything" "$(few 900000)" \
    "$(av exec io sh -c "head -c $(few 900000) /dev/zero" < /dev/null | slowly)"
late_reader() { read -r -t 6 < /dev/zero || true; wc -c; }
same "also one that begins long after the exit" "$(few 200000)" \
    "$(av exec io sh -c "head -c $(few 200000) /dev/zero" < /dev/null | late_reader)"
mkfifo "$WORK/stall2"
exec 8<> "$WORK/stall2"
av exec --detach --pid-file "$WORK/head.pid" io head -c 250000 /dev/zero > "$WORK/stall2" 2>&1 < /dev/null
check "a signal ends the wait for a reader that stalls" 0 '' kill -TERM "$(cat "$WORK/head.pid")"
check "at once" 0 '' until_ok 60 gone "$(cat "$WORK/head.pid")"
# Nor does it matter whether the signal comes before the end or after it.
av exec --detach --pid-file "$WORK/deaf.pid" io sh -c \
    'trap "" TERM; : > /deaf; until [ -e /now ]; do sleep 0.1; done; head -c 250000 /dev/zero' > "$WORK/stall2" 2>&1 < /dev/null
is_deaf() { av exec io test -e /deaf < /dev/null; }
check "a program that ignores signals runs" 0 '' until_ok 60 is_deaf
check "it gets one" 0 '' kill -TERM "$(cat "$WORK/deaf.pid")"
check "and ends by itself" 0 '' av exec io touch /now
check "which is not held up either" 0 '' until_ok 60 gone "$(cat "$WORK/deaf.pid")"
clones
b=$(bundle stall "$(sh_args 'yes')")
av run --detach --bundle "$b" stall > "$WORK/stall2" 2>&1 < /dev/null
check "nor the kill of a container" 0 '' av kill stall KILL
check "which stops" 0 '' until_ok 60 has_status stall stopped
check "nor its delete" 0 '' av delete stall
exec 8>&-

# Inherited descriptions never become non-blocking.
check "stdin's description stays blocking" 0 '' python3 - "$AV" "$ROOT" <<'PY'
import fcntl, os, subprocess, sys
r, w = os.pipe()
subprocess.run([sys.argv[1], "--root", sys.argv[2], "exec", "io", "true"], stdin=r, stdout=w,
               stderr=w, timeout=60, check=True)
for fd in (r, w):
    assert not fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK, fd
PY

# Nobody but the container keeps the pipe of a detached container open.
b=$(bundle eof "$(sh_args 'echo one; exec >&- 2>&-; sleep 5000 & wait')")
mkfifo "$WORK/eof"
av run --detach --bundle "$b" eof > "$WORK/eof" 2>&1 < /dev/null &
got=$(timeout 60 cat "$WORK/eof")
wait $!
same "EOF comes when the guest closes, not when it exits" one "$got"
same "while the container still runs" running "$(status_of eof)"
finish
