#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# files.sh - files of the host under programs that ask much of them, while a container runs:
# files.sh fake|kvm. One VM: what comes and goes below its volumes on either side, then SQLite with
# a write-ahead log and PostgreSQL's initdb on the rootfs itself. PostgreSQL is Debian's package,
# unpacked into the user's cache: installing it would start a server.

# Mounts that the host makes while the container runs stay in a namespace of the test.
[ -n "${FILES_NS:-}" ] || exec env FILES_NS=1 unshare --mount --propagation private "$0" "$@"

. "$(dirname "$0")/../integration/lib.sh"
LIMIT=120
CACHE=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/anyvisor/postgresql

# Prints why there is no PostgreSQL.
unpack_postgresql() {
    mkdir -p "$CACHE"
    exec 9> "$CACHE/lock"
    flock 9
    [ ! -e "$CACHE/complete" ] || return 0
    rm -rf "$CACHE/root" "$CACHE"/*.deb
    (cd "$CACHE" && timeout 120 apt-get -q download postgresql-15 > download.log 2>&1) ||
        { echo "apt-get cannot download postgresql-15"; return 1; }
    dpkg-deb -x "$CACHE"/postgresql-15_*.deb "$CACHE/root" || { echo "dpkg-deb fails"; return 1; }
    rm -f "$CACHE"/*.deb
    touch "$CACHE/complete"
}

# add_program FILE: into the rootfs, at its place, with the libraries that it needs.
add_program() {
    local lib
    while read -r lib; do
        [ -e "$WORK/rootfs$lib" ] || install -D "$lib" "$WORK/rootfs$lib"
    done < <(ldd "$1" | grep -o '/[^ ]*')
    install -D "$1" "$WORK/rootfs${1#"$CACHE/root"}"
}

add_postgresql() {
    local name
    why=$(unpack_postgresql) || return 1
    for name in initdb postgres; do
        ldd "$CACHE/root$PG/$name" | grep -q 'not found' && why="a library of $name is missing" && return 1
        add_program "$CACHE/root$PG/$name"
    done
    mkdir -p "$WORK/rootfs/usr/share" && cp -a "$CACHE/root/usr/share/postgresql" "$WORK/rootfs/usr/share/"
    mkdir -p "$WORK/rootfs$PGLIB"
    cp "$CACHE/root$PGLIB"/{plpgsql,dict_snowball}.so "$WORK/rootfs$PGLIB/"
    for name in "$CACHE/root$PGLIB"/*_and_*.so; do cp "$name" "$WORK/rootfs$PGLIB/"; done
    echo 'postgres:x:70:70:postgres:/tmp:/bin/sh' >> "$WORK/rootfs/etc/passwd"
    install -d -o 70 -g 70 "$WORK/rootfs/data"
}

x() { av exec f1 "$@"; }
as_postgres() { av exec --user 70:70 f1 "$@"; }

start_container() {
    mkdir -p "$WORK"/vol/{nested,plain} "$WORK/slave/later"
    mount -t tmpfs -o size=1m nested "$WORK/vol/nested" && echo deep > "$WORK/vol/nested/f"
    mount --bind "$WORK/slave" "$WORK/slave" && mount --make-shared "$WORK/slave"
    local b
    b=$(bundle f1 ".process.args=[\"sleep\",\"1000\"]
        | .process.capabilities[] += [\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FOWNER\",\"CAP_SETUID\",\"CAP_SETGID\"]
        | .mounts |= map(if .destination==\"/dev/shm\" then .options=[\"nosuid\",\"nodev\",\"mode=1777\",\"size=64m\"] else . end)
        | .mounts += [
            {destination:\"/run\",type:\"tmpfs\",source:\"tmpfs\"},
            {destination:\"/vol\",type:\"bind\",source:\"$WORK/vol\",options:[\"rbind\",\"rw\"]},
            {destination:\"/flat\",type:\"bind\",source:\"$WORK/vol\",options:[\"bind\",\"rw\"]},
            {destination:\"/slave\",type:\"bind\",source:\"$WORK/slave\",options:[\"rbind\",\"rslave\"]}]")
    av create --bundle "$b" f1 > "$WORK/created" 2>&1 < /dev/null   # not a pipe: it would stay open
    result "create" $? "$(cat "$WORK/created")"
    check "start" 0 '' av start f1
}

# What one side does, the other sees at once.
both_sides() {
    check "rbind shows what is mounted below" 0 '^deep$' x cat /vol/nested/f
    check "bind does not" 1 'No such file' x cat /flat/nested/f
    check "a file made inside" 0 '' x sh -c 'umask 0; echo in > /vol/made; chown 1234:4321 /vol/made; chmod 640 /vol/made'
    same "is on the host with owner and mode" '1234:4321 640 in' \
        "$(stat -c '%u:%g %a' "$WORK/vol/made") $(cat "$WORK/vol/made")"
    echo out > "$WORK/vol/from-host" && chown 77:88 "$WORK/vol/from-host" && chmod 4711 "$WORK/vol/from-host"
    check "a file made on the host is inside with owner and mode" 0 '^77:88 4711 out$' \
        x sh -c 'echo $(stat -c "%u:%g %a" /vol/from-host) $(cat /vol/from-host)'
    echo changed > "$WORK/vol/from-host"
    check "and its change" 0 '^changed$' x cat /vol/from-host
    if [ "$BACKEND" = fake ]; then
        skip "rslave: a mount that the host makes later appears" "the fake guest's mounts are copies in another namespace"
        return
    fi
    mount -t tmpfs -o size=1m later "$WORK/slave/later" && echo late > "$WORK/slave/later/f"
    check "rslave: a mount that the host makes later appears" 0 '^late$' x cat /slave/later/f
    umount "$WORK/slave/later"
    check "and goes" 1 'No such file' x cat /slave/later/f
}

sockets() {
    local b
    python3 -c 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$WORK/sock"
    b=$(bundle s1 ".mounts += [{destination:\"/run/s\",type:\"bind\",source:\"$WORK/sock\",options:[\"bind\"]}]")
    check "a bound unix socket is refused with a sentence" 1 \
        "mounts\[[0-9]+\] '/run/s': '$WORK/sock' is a unix socket of the host's kernel, which a VM cannot reach" \
        av run --bundle "$b" s1
    b=$(bundle s2 ".mounts += [{destination:\"/m\",type:\"bind\",source:\"$WORK/slave\",options:[\"rbind\",\"rshared\"]}]")
    check "and so is rshared of what has peers" 1 "'/m': propagation 'shared' would carry mounts" \
        av run --bundle "$b" s2
}

sqlite() {
    check "SQLite: a write-ahead log" 0 '^wal$' x sqlite3 /db \
        'PRAGMA journal_mode=wal; CREATE TABLE t(v); INSERT INTO t VALUES (1);'
    # The reader's transaction is open over the writer's: with a rollback journal one would fail.
    check "SQLite: a reader beside a writer" 0 '^1 2 1$' x sh -c '
        mkfifo /run/a /run/b
        sqlite3 /db > /run/r <<X &
BEGIN; SELECT count(*) FROM t;
.shell echo has read > /run/a; read go < /run/b
SELECT count(*) FROM t; COMMIT;
X
        read has_read < /run/a
        sqlite3 /db "INSERT INTO t VALUES (2)"; all=$(sqlite3 /db "SELECT count(*) FROM t"); echo go > /run/b; wait
        set -- $(cat /run/r); echo $1 $all $2'
    same "SQLite: the host reads what it wrote" "ok 2" \
        "$(sqlite3 "$WORK/b/f1/rootfs/db" 'PRAGMA integrity_check; SELECT count(*) FROM t' | xargs)"
}

postgresql() {
    # "posix" is what it has chosen after trying shm_open.
    check "initdb finds POSIX shared memory" 0 'shared memory implementation ... posix' \
        as_postgres "$PG/initdb" -D /data --no-locale -E UTF8
    check "a server process answers from it" 0 'count = "3"' as_postgres sh -c \
        "printf 'create table t as select generate_series(1,3);\nselect count(*) from t;\n' | $PG/postgres --single -D /data postgres"
    same "its files on the host are its user's" "70:70 700" "$(stat -c '%u:%g %a' "$WORK/b/f1/rootfs/data")"
}

main() {
    local why=
    setup "$1"
    chmod 0711 "$WORK"
    PG=/usr/lib/postgresql/15/bin PGLIB=/usr/lib/postgresql/15/lib
    mkdir -p "$WORK/rootfs/run"
    [ ! -x /usr/bin/sqlite3 ] || add_program /usr/bin/sqlite3
    add_postgresql
    start_container
    both_sides
    sockets
    if [ -x "$WORK/rootfs/usr/bin/sqlite3" ]; then sqlite; else skip "SQLite" "sqlite3 is not installed"; fi
    if [ -z "$why" ]; then postgresql; else skip "PostgreSQL" "$why"; fi
    check "kill" 0 '' av kill f1 KILL
    umount "$WORK/vol/nested" "$WORK/slave"
    finish
}

main "$@"
