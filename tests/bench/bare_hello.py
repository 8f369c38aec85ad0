#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The floor of a boot: bare QEMU with our kernel, image and machine, until its agent says HELLO.

bare_hello.py WORDS    WORDS: of baseline.py, NUL after each. Prints "WALL_US CPU_US".
QEMU is started and killed by this program, which asks the agent once, at the start: its port keeps
the question until somebody reads it."""
import struct
import sys
import time

from bare_clone import Failed, Qemu, chardevs

ATTACH = struct.pack("<BBBBIII", 0xA5, 0x56, 47, 0, 0, 0, 1)
HELLO = bytes([0xA5, 0x56, 1, 0])


def boot(words):
    q = Qemu(chardevs(words))
    try:
        q.port.sendall(ATTACH)
        heard = b""
        while HELLO not in heard:
            heard += q.receive(q.port, 4096)
        wall = time.monotonic() - q.begin
    finally:
        cpu = q.end()
    print(round(wall * 1e6), round(cpu * 1e6))


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
