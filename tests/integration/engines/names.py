#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""names.py ADDRESS PORT NAME=IPV4...: a name server over UDP. It knows these names and no other."""
import socket
import struct
import sys

A, IN = 1, 1
ANSWER, NO_SUCH_NAME = 0x8580, 0x8583       # authoritative, recursion as asked


def question_of(packet):
    """Name, type and end of the first question."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels).lower(), struct.unpack_from(">H", packet, at + 1)[0], at + 5


def answer_to(packet, names):
    name, kind, end = question_of(packet)
    records = b""
    if name in names and kind == A:
        records = struct.pack(">HHHIH", 0xc00c, A, IN, 60, 4) + socket.inet_aton(names[name])
    flags = ANSWER if name in names else NO_SUCH_NAME
    head = packet[:2] + struct.pack(">HHHHH", flags, 1, bool(records), 0, 0)
    return head + packet[12:end] + records


def main():
    names = dict(word.split("=") for word in sys.argv[3:])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind((sys.argv[1], int(sys.argv[2])))
        while True:
            packet, who = s.recvfrom(512)
            try:
                s.sendto(answer_to(packet, names), who)
            except (IndexError, UnicodeDecodeError, struct.error):
                pass                        # not a question


main()
