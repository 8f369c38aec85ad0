#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a process's memory is made of: memory_parts.py PID...

A line for each: its name, and KiB of each part: PSS, of that private and changed, of that in huge pages."""
import re
import sys

FIELDS = ("Pss", "Private_Dirty", "AnonHugePages")
MAPPING = re.compile(r"[0-9a-f]+-[0-9a-f]+ (\S+ ){4} *(.*)")


def part_of(file):
    """RAM is a file in a template's folder, or bare_clone.py's."""
    if not file or file.startswith("["):
        return file.strip("[]") or "anonymous"
    return "RAM" if re.search(r"/memory( \(deleted\))?$", file) else "programs"


def parts(pid):
    sums = {}
    with open(f"/proc/{pid}/smaps", encoding="ascii") as f:
        for line in f:
            mapping = MAPPING.match(line)
            if mapping:
                now = sums.setdefault(part_of(mapping[2].strip()), dict.fromkeys(FIELDS, 0))
            elif line.split(":")[0] in FIELDS:
                now[line.split(":")[0]] += int(line.split()[1])
    return sums


def line(pid):
    with open(f"/proc/{pid}/comm", encoding="ascii") as f:
        name = f.read().strip()
    found = sorted(parts(pid).items(), key=lambda item: -item[1]["Pss"])
    return f"# {name}: " + "; ".join(
        f"{part} " + " ".join(str(sums[f]) for f in FIELDS) for part, sums in found if sums["Pss"])


if __name__ == "__main__":
    for arg in sys.argv[1:]:
        print(line(arg))
