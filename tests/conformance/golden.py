#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The one golden dump of the container's view, for view.sh.

golden.py write GOLDEN BUNDLE=DUMP...
golden.py check GOLDEN PERMITTED DIFFERENCES BACKEND BUNDLE=DUMP...

GOLDEN has the first bundle's facts as they are, and of each other bundle what it adds (+) and takes
(-). PERMITTED is what may differ anywhere (guest/view/view.permitted), DIFFERENCES what may differ
for back-ends by name (view.differences: lines "BUNDLE golden/BACKEND REGEX"). Prints every other
difference; exit 1 if there is one."""
import collections
import fnmatch
import re
import sys


def facts(path):
    with open(path, encoding="utf-8", errors="backslashreplace") as f:
        return collections.Counter(line.rstrip("\n") for line in f if line.strip())


def dumps(words):
    return {name: facts(path) for name, path in (word.split("=", 1) for word in words)}


def write(path, found):
    base = next(iter(found.values()))
    with open(path, "w", encoding="utf-8") as f:
        f.write("# What a container sees, by bundle of view.sh; written by VIEW_GOLDEN=1 view.sh kvm.\n")
        for name, counted in found.items():
            f.write("[%s]\n" % name)
            if counted is base:
                rows = sorted(base.elements())
            else:
                rows = sorted(["- " + x for x in (base - counted).elements()] +
                              ["+ " + x for x in (counted - base).elements()])
            f.writelines(row + "\n" for row in rows)


def read(path):
    """{bundle: Counter of facts}"""
    golden, base, name = {}, None, None
    with open(path, encoding="utf-8") as f:
        for line in (row.rstrip("\n") for row in f):
            if line.startswith("#"):
                continue
            if line.startswith("["):
                name = line[1:-1]
                golden[name] = collections.Counter(base or ())
                base = base if base is not None else golden[name]
            elif golden[name] is base:
                base[line] += 1
            else:
                golden[name][line[2:]] += 1 if line[0] == "+" else -1
    return golden


def patterns(path):
    with open(path, encoding="utf-8") as f:
        return [line.rstrip("\n") for line in f if line.strip() and not line.startswith("#")]


class Rules:
    def __init__(self, permitted, differences, backend):
        self.anywhere = [re.compile(p) for p in patterns(permitted)]
        rows = (line.split(None, 2) for line in patterns(differences))
        # As the shell of view.differences writes them: a blank is escaped.
        self.own = [(bundle, re.compile(regex.replace("\\ ", " "))) for bundle, b, regex in rows
                    if b == "golden/" + backend]

    def allow(self, bundle, side, fact):
        if any(p.search(fact) for p in self.anywhere):
            return True
        return any(fnmatch.fnmatchcase(bundle, b) and p.search(side + ": " + fact) for b, p in self.own)


def check(golden, rules, found):
    """Lines that say what is wrong."""
    wrong = []
    for name, counted in found.items():
        if name not in golden:
            wrong.append("%s is not in the golden dump" % name)
            continue
        for side, rest in (("golden", golden[name] - counted), ("ours", counted - golden[name])):
            wrong += ["%s %s: %s" % (name, side, fact) for fact in sorted(rest.elements())
                      if not rules.allow(name, side, fact)]
    return wrong


def main():
    verb, rest = sys.argv[1], sys.argv[2:]
    if verb == "write":
        write(rest[0], dumps(rest[1:]))
        return 0
    golden, permitted, differences, backend = rest[:4]
    wrong = check(read(golden), Rules(permitted, differences, backend), dumps(rest[4:]))
    print("\n".join(wrong), end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
