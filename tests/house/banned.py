#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""house.banned: calls that cannot be bounded or checked, in all C (banned.h covers core only)."""
import re

import sources

BANNED = re.compile(r"\b(strcpy|strcat|v?sprintf|strtok|atoi|system|popen|gets)\s*\(")
EXEMPT = ("core/base/banned.h",)


def check_file(path, text):
    lines = sources.strip(text).split("\n")
    return [f"{path}:{i}: {m.group(1)}() is banned"
            for i, line in enumerate(lines, 1) for m in BANNED.finditer(line)]


def main():
    files = [f for f in sources.c_files() if f not in EXEMPT]
    problems = [p for f in files for p in check_file(f, sources.read(f))]
    sources.finish("banned", problems, len(files))


if __name__ == "__main__":
    main()
