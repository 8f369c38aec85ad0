#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The floor of a boot: bare QEMU with our kernel, image and machine, until its agent says HELLO.

bare_hello.py WORDS    WORDS: of baseline.py, NUL after each. Prints "WALL_US CPU_US CREATED_US DESTROYED_US
                       PSS_KIB": until HELLO, of these until QMP's greeting; for its end; its memory at HELLO.
QEMU is started and killed by this program, which asks the agent once, at the start: its port keeps
the question until somebody reads it."""
import struct
import sys
import time

from bare_clone import Failed, Qemu, chardevs, pss_kib

ATTACH = struct.pack("<BBBBIII", 0xA5, 0x56, 47, 0, 0, 0, 1)
HELLO = bytes([0xA5, 0x56, 1, 0])


def boot(words):
    q = Qemu(chardevs(words))
    try:
        q.port.sendall(ATTACH)
        q.event(lambda m: "QMP" in m)
        created = time.monotonic() - q.begin
        heard = b""
        while HELLO not in heard:
            heard += q.receive(q.port, 4096)
        wall = time.monotonic() - q.begin
        memory = pss_kib(q.pid)
    finally:
        end = time.monotonic()
        cpu = q.end()
    print(*(round(t * 1e6) for t in (wall, cpu, created, time.monotonic() - end)), memory)


def main():
    if len(sys.argv) != 2:
        raise SystemExit("usage: bare_hello.py WORDS")
    with open(sys.argv[1], "rb") as f:
        words = f.read().decode().split("\0")[:-1]
    try:
        boot(words)
    except (Failed, OSError) as e:
        raise SystemExit(f"bare_hello.py: {e}")


main()
