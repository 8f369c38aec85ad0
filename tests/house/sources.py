# SPDX-License-Identifier: Apache-2.0
"""What the checks of the house share: which files there are, and C without comments."""
import os
import re
import sys

FOLDERS = ("core", "backends", "guest", "tests")
# An archived header is a document of its time.
EXCLUDED = ("tests/abi/headers/",)


def c_files(root=".", folders=FOLDERS, suffixes=(".c", ".h")):
    """Relative paths, sorted."""
    found = []
    for folder in folders:
        for path, dirs, names in os.walk(os.path.join(root, folder)):
            dirs[:] = [d for d in dirs if not d.startswith((".", "build"))]
            found += [os.path.relpath(os.path.join(path, n), root)
                      for n in names if n.endswith(suffixes)]
    return sorted(f for f in found if not f.startswith(EXCLUDED))


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def strip(text, strings=True):
    """Blank comments (and strings), keeping line numbers."""
    def blank(m):
        token = m.group(0)
        if token[0] in "\"'":
            return '""' if strings else token
        return "\n" * token.count("\n") or " "
    return _TOKEN.sub(blank, text)


def finish(name, problems, checked):
    """Print and exit: nothing checked is a failure too."""
    for p in problems:
        print(p)
    print(f"{name}: {checked} files, {len(problems)} problems")
    sys.exit(1 if problems or checked == 0 else 0)
