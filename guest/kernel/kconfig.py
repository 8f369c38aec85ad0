#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the configuration that Kconfig made with the fragments: kconfig.py SOURCE CONFIG FRAGMENT...

Kconfig drops in silence what it does not know and what lacks a dependency. Exit 1 with a line for
each such symbol, and for each that two lines of the fragments set."""
import os
import re
import sys

SET = re.compile(r"CONFIG_(\w+)=(.*)$")
DEFINITION = re.compile(r"\s*(?:menu)?config\s+(\w+)")


def settings(path):
    """[(symbol, value, line number)] of a fragment or of .config; comments are skipped."""
    found = []
    with open(path, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            match = SET.match(line.rstrip("\n"))
            if match:
                found.append((match[1], match[2], number))
            elif line.strip() and not line.startswith("#"):
                raise SystemExit("%s:%d: neither CONFIG_X=... nor a comment" % (path, number))
    return found


def known_symbols(source):
    """Every symbol that some Kconfig file of the source defines."""
    known = set()
    for folder, folders, files in os.walk(source):
        folders[:] = [d for d in folders if d != "Documentation"]
        for name in files:
            if name.startswith("Kconfig"):
                with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as f:
                    known.update(m[1] for m in map(DEFINITION.match, f) if m)
    return known


def complaints(wanted, got, known):
    """Sentences about [(fragment, symbol, value, line)]; known: a function, for it takes a while."""
    seen = {}
    for path, symbol, value, number in wanted:
        where = "%s:%d: CONFIG_%s" % (os.path.basename(path), number, symbol)
        if symbol in seen:
            yield "%s is already set by %s" % (where, seen[symbol])
        seen[symbol] = "%s:%d" % (os.path.basename(path), number)
        if got.get(symbol) == value:
            continue
        if symbol not in known():
            yield "%s is unknown to this source" % where
        else:
            yield "%s=%s became %s: something that it depends on is off" % (where, value, got.get(symbol, "n"))


def main():
    if len(sys.argv) < 4:
        raise SystemExit("usage: kconfig.py SOURCE CONFIG FRAGMENT...")
    source, config, fragments = sys.argv[1], sys.argv[2], sys.argv[3:]
    cache = []

    def known():
        if not cache:
            cache.append(known_symbols(source))
        return cache[0]

    wanted = [(path, *row) for path in fragments for row in settings(path)]
    got = {symbol: value for symbol, value, _ in settings(config)}
    found = list(complaints(wanted, got, known))
    for line in found:
        print("guest kernel: " + line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
