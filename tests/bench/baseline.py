#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The floor of a cold start: bare QEMU with the command line of a running sandbox.

baseline.py PID ROOTFS INITRD CONSOLE [DISK PROGRAM...]: prints the words, each ended by NUL. The
machine, its devices, the kernel and its arguments stay; what connects QEMU to a monitor goes: it
starts at once instead of waiting for a word, its channels and NICs lead nowhere, the console into the
file CONSOLE. DISK is the file of its disks, or of the server's socket, PROGRAM what its init runs.
With BARE_TAP in the environment its NIC is on the tap of that name."""
import json
import os
import sys

DROPPED = {"-S": 1, "-mon": 2, "-name": 2, "-add-fd": 2}


def without_monitor(words):
    out, i = [words[0]], 1
    while i < len(words):
        if words[i] in DROPPED:
            i += DROPPED[words[i]]
            continue
        out.append(words[i])
        i += 1
    return out


def chardev(value, console):
    name = dict(p.split("=", 1) for p in value.split(",") if "=" in p).get("id", "")
    if name == "console":
        return f"file,id=console,path={console}"
    return f"null,id={name}"


def netdev(value):
    """A NIC that reaches nothing, or a tap of the caller's: the one in value was the sandbox's."""
    name = dict(p.split("=", 1) for p in value.split(",") if "=" in p)["id"]
    if "BARE_TAP" in os.environ:
        return f"tap,id={name},ifname={os.environ['BARE_TAP']},script=no,downscript=no"
    return f"user,restrict=on,id={name}"


def blockdev(value, disk):
    """What the sandbox reaches below a folder of its own; a server's address stays."""
    node = json.loads(value)
    if "filename" in node["file"]:
        node["file"]["filename"] = disk
    elif node["file"].get("server", {}).get("type") == "unix":
        node["file"]["server"]["path"] = disk
    return json.dumps(node)


def convert(words, rootfs, initrd, console, disk=None, *program):
    words = without_monitor(words)
    for i, option in enumerate(words[:-1]):
        value = words[i + 1]
        if option == "-chardev":
            words[i + 1] = chardev(value, console)
        elif option == "-initrd":
            words[i + 1] = initrd
        elif option == "-netdev":
            words[i + 1] = netdev(value)
        elif option == "-blockdev":
            words[i + 1] = blockdev(value, disk)
        elif option == "-append" and program:
            words[i + 1] = " ".join((value, "--") + program)
        elif option == "-fsdev":
            parts = [f"path={rootfs}" if p.startswith("path=") else p for p in value.split(",")]
            words[i + 1] = ",".join(parts)
    return words


def main():
    if len(sys.argv) < 5:
        raise SystemExit("usage: baseline.py PID ROOTFS INITRD CONSOLE [DISK PROGRAM...]")
    with open(f"/proc/{sys.argv[1]}/cmdline", "rb") as f:
        words = f.read().decode().split("\0")[:-1]
    if not any(w == "-kernel" for w in words):
        raise SystemExit("baseline.py: process %s is no QEMU" % sys.argv[1])
    sys.stdout.write("".join(w + "\0" for w in convert(words, *sys.argv[2:])))


main()
