#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Takes the uncompressed ELF kernel out of an x86 bzImage: vmlinux.py VMLINUZ OUTPUT.

A guest that starts from it skips the in-guest decompression, seconds under emulation. The result
must have a PVH entry, or QEMU could not start it."""
import lzma
import struct
import sys
import zlib

XEN_ELFNOTE_PHYS32_ENTRY = 18
PT_NOTE = 4
MAGICS = ((b"\xfd7zXZ\0", lzma.LZMADecompressor), (b"\x1f\x8b\x08", lambda: zlib.decompressobj(31)))


def extract(image):
    """The first embedded stream that unpacks to an ELF file; magic bytes may occur by chance."""
    for magic, opener in MAGICS:
        at = image.find(magic)
        while at >= 0:
            try:
                data = opener().decompress(image[at:])
                if data[:4] == b"\x7fELF":
                    return data
            except (lzma.LZMAError, zlib.error):
                pass
            at = image.find(magic, at + 1)
    raise SystemExit("vmlinux.py: no XZ or gzip compressed ELF kernel found")


def notes(blob):
    """(owner, type) of each ELF note; descriptor and name are padded to four bytes."""
    at = 0
    while at + 12 <= len(blob):
        namesz, descsz, kind = struct.unpack_from("<III", blob, at)
        yield blob[at + 12:at + 12 + namesz].rstrip(b"\0"), kind
        at += 12 + (namesz + 3 & ~3) + (descsz + 3 & ~3)


def has_pvh_entry(elf):
    if elf[4:6] != b"\x02\x01":
        raise SystemExit("vmlinux.py: the kernel is not a 64-bit little-endian ELF file")
    phoff, = struct.unpack_from("<Q", elf, 32)
    phentsize, phnum = struct.unpack_from("<HH", elf, 54)
    for i in range(phnum):
        kind, = struct.unpack_from("<I", elf, phoff + i * phentsize)
        offset, = struct.unpack_from("<Q", elf, phoff + i * phentsize + 8)
        size, = struct.unpack_from("<Q", elf, phoff + i * phentsize + 32)
        if kind == PT_NOTE and (b"Xen", XEN_ELFNOTE_PHYS32_ENTRY) in notes(elf[offset:offset + size]):
            return True
    return False


def main():
    if len(sys.argv) != 3:
        raise SystemExit("usage: vmlinux.py VMLINUZ OUTPUT")
    with open(sys.argv[1], "rb") as f:
        elf = extract(f.read())
    if not has_pvh_entry(elf):
        raise SystemExit("vmlinux.py: the kernel has no PVH entry (CONFIG_PVH)")
    with open(sys.argv[2], "wb") as f:
        f.write(elf)


if __name__ == "__main__":
    main()
