#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""house.headers: every header compiles alone; those that cross to others' programs as strict C11."""
import concurrent.futures
import os
import re
import subprocess
import sys

import sources

INCLUDE_DIRS = {
    "core": ("core", "core/include", "guest"),
    "backends": ("core/include", "backends"),
    "guest": ("guest", "guest/agent", "core"),
    "tests": ("tests/unit", "core", "core/include", "guest", "backends"),
}
STRICT = ("core/include/anyvisor/hvp.h",)
MISSING = re.compile(r"fatal error: '?([^:']+)'?(?::| file)")


def compile_alone(compiler, header):
    area = header.split("/")[0]
    dirs = (*INCLUDE_DIRS[area], os.path.dirname(header))
    flags = ["-std=gnu11", "-D_GNU_SOURCE", "-Wno-unused"]
    if header in STRICT:
        flags = ["-std=c11", "-pedantic"]
    return subprocess.run([compiler, *flags, "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                           *(f"-I{d}" for d in dirs), "-x", "c", "-"],
                          input=f'#include "{os.path.abspath(header)}"\n',
                          capture_output=True, text=True, check=False)


def check(compiler, header):
    """(problem, skipped)"""
    r = compile_alone(compiler, header)
    if r.returncode == 0:
        return None, None
    missing = MISSING.search(r.stderr)
    if missing and "/" + missing.group(1) not in sources_by_suffix(missing.group(1)):
        angled = re.search(r"#\s*include\s*<" + re.escape(missing.group(1)) + ">", r.stderr)
        if angled and not missing.group(1).startswith("anyvisor/"):
            return None, f"{header}: skipped, {missing.group(1)} is not installed"
    return f"{header}: does not compile alone\n{r.stderr}", None


def sources_by_suffix(name):
    return {"/" + name for f in sources.c_files(suffixes=(".h",)) if f.endswith("/" + name)}


def main():
    compiler = sys.argv[1] if len(sys.argv) > 1 else "cc"
    headers = sources.c_files(suffixes=(".h",))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(lambda h: check(compiler, h), headers))
    for _, skipped in results:
        if skipped:
            print(skipped)
    sources.finish("headers", [p for p, _ in results if p], len(headers))


if __name__ == "__main__":
    main()
