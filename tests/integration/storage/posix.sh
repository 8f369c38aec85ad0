#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The POSIX table of docs/storage.md, line by line: what it says of 9pfs and of block is what
# posix_probe finds in a VM that has both. A cell is the probe's word; "as the host's" is what the
# probe finds in the same directory on the host; "WORD (QEMU X.Y)" is not compared with another QEMU.
. "$(dirname "$0")/../lib.sh"
setup "${1:?usage: posix.sh BACKEND}"
PATH=$PATH:/usr/sbin:/sbin
PROBE=$AV_BUILD/tests/integration/storage/posix_probe
PAGE=$HERE/../../docs/storage.md
QEMU=$(qemu-system-x86_64 --version 2> /dev/null | sed -n '1s/.*version \([0-9]*\.[0-9]*\).*/\1/p')
command -v mke2fs > /dev/null || skip_all "mke2fs is not installed"
sed -i 's/^defaults:/&\n  storage: {volumes: [block]}/' "$ANYVISOR_CONFIG"

# table COLUMN: "ROW<tab>CELL" of each line; 2 is 9pfs, 3 is block.
table() {
    awk -F ' *[|] *' -v col="$1" '/^\| what \| `9pfs` \| `block` \|/ { on = 1; getline; next }
        !/^\|/ { on = 0 } on { gsub(/`/, "", $(col + 1)); print $2 "\t" $(col + 1) }' "$PAGE"
}

# found FILE ROW: what the probe said.
found() {
    awk -F '\t' -v row="$2" '$1 == row { print $2 }' "$1"
}

# compare KIND COLUMN FILE
compare() {
    local row cell got
    while IFS=$'\t' read -r row cell; do
        got=$(found "$3" "$row")
        case $cell in
        -) continue ;;
        "as the host's") cell=$(found "$WORK/host" "$row") ;;
        *" (QEMU $QEMU)") cell=${cell%% (*} ;;
        *" (QEMU "*) skip "$1: $row" "the table tells of another QEMU; here: $got"; continue ;;
        esac
        same "$1: $row" "$cell" "$got"
    done < <(table "$2")
}

# What the probe of the guest asks the host for; files are those of the shared directory.
peer() {
    local word
    while read -r word; do
        case $word in
        "ask write") printf new | dd of="$SHARED/shared" conv=notrunc status=none && echo "done" ;;
        "ask read") head -c 3 "$SHARED/shared" && echo ;;
        "ask lock") flock -n "$SHARED/shared" echo free || echo refused ;;
        "ask watch")
            coproc WATCH { "$PROBE" watch "$SHARED"; }
            exec {watch_in}>&"${WATCH[1]}" {watch_out}<&"${WATCH[0]}"
            read -r word <&"$watch_out" && echo "$word"
            ;;
        "ask told") echo >&"$watch_in" && read -r word <&"$watch_out" && echo "$word" ;;
        *) printf '%s\n' "$word" >> "$WORK/all" ;;
        esac
    done
}

truncate -s 128M "$WORK/a.img"
mke2fs -q -t ext4 -N 110000 -F "$WORK/a.img"
b=$(bundle posix "$(sh_args '/probe /shared peer; echo "== block"; /probe /disk; echo "== end"') |
    .process.capabilities |= map_values(. + [\"CAP_MKNOD\", \"CAP_CHOWN\", \"CAP_FOWNER\"]) |
    .mounts += [{type:\"anyvisor.block\",source:\"$WORK/a.img\",destination:\"/disk\"}]")
SHARED=$b/rootfs/shared
mkdir "$b/rootfs/disk" "$SHARED"
cp "$PROBE" "$b/rootfs/probe"
"$PROBE" "$SHARED" > "$WORK/host"
rm -rf "$SHARED"/row.*

mkfifo "$WORK/in" "$WORK/out"
exec 8<> "$WORK/in"
LIMIT=400 av run --bundle "$b" posix < "$WORK/in" > "$WORK/out" 2> "$WORK/err" &
cli=$!
peer < "$WORK/out" >&8
wait $cli
same "the probe runs to its end" "0 == end" "$? $(tail -n 1 "$WORK/all")$(cat "$WORK/err")"
sed '/^== block/,$d' "$WORK/all" > "$WORK/9pfs"
sed '1,/^== block/d; /^== end/d' "$WORK/all" > "$WORK/block"
[ -z "${POSIX_PRINT:-}" ] || paste "$WORK/9pfs" "$WORK/block"

compare 9pfs 2 "$WORK/9pfs"
compare block 3 "$WORK/block"
same "the table has each row of the probe" "$(cut -f 1 "$WORK/9pfs" | sort)" "$(table 2 | cut -f 1 | sort)"
finish
