#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a newc cpio archive from a list, without root: mkcpio.py SPEC OUTPUT.

Lines of SPEC: `dir NAME MODE`, `file NAME MODE PATH`, `link NAME MODE TARGET`, `nod NAME MODE b|c MAJOR MINOR`.
Order, owner, inode numbers and times depend on nothing but SPEC and SOURCE_DATE_EPOCH."""
import os
import stat
import sys

KINDS = {"dir": stat.S_IFDIR, "file": stat.S_IFREG, "link": stat.S_IFLNK, "b": stat.S_IFBLK, "c": stat.S_IFCHR}


class Archive:
    def __init__(self, out, mtime):
        self.out, self.mtime, self.ino = out, mtime, 0

    def pad(self, alignment):
        self.out.write(b"\0" * (-self.out.tell() % alignment))

    def add(self, name, mode, data=b"", rdev=(0, 0)):
        """One entry. The trailer is an entry too: mode 0."""
        self.ino += 1 if mode else -self.ino
        raw = name.encode() + b"\0"
        nlink = 2 if stat.S_ISDIR(mode) else 1
        fields = (self.ino, mode, 0, 0, nlink, self.mtime if mode else 0, len(data),
                  0, 0, rdev[0], rdev[1], len(raw), 0)
        self.out.write(b"070701" + b"".join(b"%08X" % f for f in fields) + raw)
        self.pad(4)
        self.out.write(data)
        self.pad(4)


def entries(path):
    """Entries by name, so a directory comes before what it holds."""
    with open(path, encoding="utf-8") as f:
        rows = [line.rstrip("\n").split(" ", 3) for line in f if line.strip()]
    names = [row[1] for row in rows]
    if len(set(names)) != len(names):
        raise SystemExit("mkcpio.py: a name occurs twice in " + path)
    return sorted(rows, key=lambda row: row[1])


def write(archive, row):
    kind, name, mode = row[0], row[1], int(row[2], 8)
    if kind == "dir":
        archive.add(name, KINDS[kind] | mode)
    elif kind == "file":
        with open(row[3], "rb") as f:
            archive.add(name, KINDS[kind] | mode, f.read())
    elif kind == "link":
        archive.add(name, KINDS[kind] | mode, row[3].encode())
    elif kind == "nod":
        node, major, minor = row[3].split()
        archive.add(name, KINDS[node] | mode, rdev=(int(major), int(minor)))
    else:
        raise SystemExit("mkcpio.py: unknown kind '%s'" % kind)


def main():
    if len(sys.argv) != 3:
        raise SystemExit("usage: mkcpio.py SPEC OUTPUT")
    with open(sys.argv[2], "wb") as out:
        archive = Archive(out, int(os.environ.get("SOURCE_DATE_EPOCH", "0")))
        for row in entries(sys.argv[1]):
            write(archive, row)
        archive.add("TRAILER!!!", 0)
        archive.pad(512)


if __name__ == "__main__":
    main()
