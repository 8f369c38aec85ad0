#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Modules of x86_64 without the calls of the kernel's function tracer.

untrace.py MODULE.ko...: every "call __fentry__" becomes the five bytes of nothing that the kernel would
put there while it loads the module, and its relocation goes. Then the table of those places,
__mcount_loc, is not needed: with it the kernel looks the name of each function up, one by one."""
import struct
import sys

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
RELA = struct.Struct("<QQq")
SHT_RELA, SHF_EXECINSTR, EM_X86_64 = 4, 4, 62
CALL, NOTHING = 0xE8, b"\x0f\x1f\x44\x00\x00"


def name_at(image, strings, offset):
    start = strings[4] + offset
    return image[start:image.index(b"\0", start)]


def is_tracer(image, sections, table, info):
    symbols = sections[table[6]]
    symbol = SYMBOL.unpack_from(image, symbols[4] + (info >> 32) * SYMBOL.size)
    return name_at(image, sections[symbols[6]], symbol[0]) == b"__fentry__"


def untrace_section(image, sections, number):
    """Of one table of relocations; what stays moves together."""
    table = sections[number]
    code, kept = sections[table[7]], bytearray()
    for at in range(table[4], table[4] + table[5], RELA.size):
        offset, info, _ = RELA.unpack_from(image, at)
        if not is_tracer(image, sections, table, info):
            kept += image[at:at + RELA.size]
            continue
        call = code[4] + offset - 1
        if image[call] != CALL:
            raise ValueError("no call at %#x" % call)
        image[call:call + len(NOTHING)] = NOTHING
    image[table[4]:table[4] + len(kept)] = kept
    return len(kept)


def untrace(path):
    with open(path, "rb") as f:
        image = bytearray(f.read())
    header = HEADER.unpack_from(image, 0)
    if header[0][:6] != b"\x7fELF\x02\x01" or header[2] != EM_X86_64:
        raise ValueError("no module of x86_64")
    start, count = header[6], header[12]
    sections = [list(SECTION.unpack_from(image, start + i * SECTION.size)) for i in range(count)]
    for number, section in enumerate(sections):
        if section[1] == SHT_RELA and sections[section[7]][2] & SHF_EXECINSTR:
            section[5] = untrace_section(image, sections, number)
            SECTION.pack_into(image, start + number * SECTION.size, *section)
    with open(path, "wb") as f:
        f.write(image)


def main():
    for path in sys.argv[1:]:
        try:
            untrace(path)
        except (ValueError, OSError, struct.error) as e:
            sys.exit(f"untrace.py: '{path}': {e}")


main()
