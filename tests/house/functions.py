#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""house.functions: no function over 100 lines, no file over 800."""
import re
import shutil
import subprocess
import sys

import sources

FUNCTION_MAX = 100
FILE_MAX = 800
TAG = re.compile(r"^([^\t]+)\t([^\t]+)\t.*\tline:(\d+).*\tend:(\d+)", re.M)


def long_functions(files):
    out = subprocess.run(["ctags", "-f", "-", "--languages=C", "--langmap=C:.c.h",
                          "--c-kinds=f", "--fields=+ne", *files],
                         capture_output=True, text=True, check=True).stdout
    found = TAG.findall(out)
    if not found:
        sys.exit("ctags found no function: is it Universal Ctags?")
    for name, path, line, end in found:
        length = int(end) - int(line) + 1
        if length > FUNCTION_MAX:
            yield f"{path}:{line}: {name}() has {length} lines, at most {FUNCTION_MAX}"


def long_files(files):
    for f in files:
        n = sources.read(f).count("\n")
        if n > FILE_MAX:
            yield f"{f}: {n} lines, at most {FILE_MAX}"


def main():
    if not shutil.which("ctags"):
        print("skipped: ctags is not installed")
        sys.exit(77)
    files = sources.c_files()
    sources.finish("functions", [*long_functions(files), *long_files(files)], len(files))


if __name__ == "__main__":
    main()
