#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs.py HEADER NAMES MANUAL: ops, capability bits and their names, both ways."""
import re
import sys


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def differences(what, code, manual):
    if not code:
        return [f"no {what} found in the code"]
    return [f"{what} '{n}' is not in the manual" for n in sorted(code - manual)] + [
        f"{what} '{n}' of the manual does not exist" for n in sorted(manual - code)
    ]


def main():
    header, names, manual = (read(p) for p in sys.argv[1:4])
    table = header[header.index("struct hvp_plugin {"):]
    ops = set(re.findall(r"\(\*(\w+)\)\(", table))
    mandatory = set(re.findall(r"/\* \[M\][^/]*?\*/\s+(?:int|void) \(\*(\w+)\)", table, flags=re.S))
    bits = re.findall(r"#define (HVP_CAP_\w+) ", header)
    words = re.findall(r'"([\w-]+)"', re.search(r"caps\[\] = \{(.*?)\};", names, flags=re.S).group(1))
    op_rows = re.findall(r"^\| `(\w+)` \| (M?) ?\|", manual, flags=re.M)
    cap_rows = re.findall(r"^\| `([\w-]+)` \| `(HVP_CAP_\w+)` \|", manual, flags=re.M)
    wrong = differences("op", ops - {"each"}, {o for o, _ in op_rows})
    wrong += differences("mandatory op", mandatory, {o for o, m in op_rows if m})
    wrong += differences("capability", set(zip(words, bits)), set(cap_rows))
    if len(words) != len(bits):
        wrong.append(f"{len(bits)} bits, {len(words)} names")
    print("\n".join(wrong) or f"{len(ops)} ops, {len(bits)} capabilities")
    return 1 if wrong else 0


sys.exit(main())
