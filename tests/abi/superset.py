#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""superset.py OLD NEW: does the header NEW keep every promise of the released header OLD?

Members of each struct must be a prefix, word for word; enumerators and macros must stay.  Together
with -Wpadded (no padding anywhere) the same words mean the same layout.
"""
import re
import sys


def code(path):
    with open(path, encoding="utf-8") as f:
        text = re.sub(r"/\*.*?\*/", " ", f.read(), flags=re.S)
    return text.replace("\\\n", " ")


def words(text):
    return " ".join(re.findall(r"\w+|[^\s\w]", text))


def structs(text):
    found = re.findall(r"^struct (\w+) \{(.*?)^\};", text, flags=re.S | re.M)
    return {name: [words(m) for m in body.split(";") if m.strip()] for name, body in found}


def enumerators(text):
    values = {}
    for body in re.findall(r"enum \{(.*?)\}", text, flags=re.S):
        value = 0
        for item in filter(None, (i.strip() for i in body.split(","))):
            name, _, given = (part.strip() for part in item.partition("="))
            value = int(given, 0) if given else value
            values[name] = value
            value += 1
    return values


def macros(text):
    return {name: words(body) for name, body in re.findall(r"^#define (HVP_\w+(?:\([^)]*\))?) (.+)$", text, flags=re.M)}


def main():
    old, new = code(sys.argv[1]), code(sys.argv[2])
    broken = []
    for name, members in structs(old).items():
        now = structs(new).get(name, [])
        for i, member in enumerate(members):
            if i >= len(now) or now[i] != member:
                broken.append(f"struct {name}, member {i}: '{member}' became '{now[i] if i < len(now) else 'nothing'}'")
    for kind, read in (("enumerator", enumerators), ("macro", macros)):
        now = read(new)
        for name, value in read(old).items():
            if now.get(name) != value:
                broken.append(f"{kind} {name}: '{value}' became '{now.get(name)}'")
    count = sum(map(len, structs(old).values()))
    if count < 100 or len(macros(old)) < 25 or len(enumerators(old)) < 40:
        broken.append(f"the parser understood only {count} members of {sys.argv[1]}")
    print("\n".join(broken) or f"{count} members, {len(enumerators(old))} enumerators, {len(macros(old))} macros kept")
    return 1 if broken else 0


sys.exit(main())
