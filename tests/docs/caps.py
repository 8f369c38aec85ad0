#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs.caps: caps.py SOURCE: capabilities, their words, and operations of the plug-in ABI in hvp.h
and in docs/hvp-plugin.md, both ways."""
import re
import sys

import pages


def check(header, names_c, manual):
    macros, ops = pages.caps(header)
    told = set(re.findall(r"\bHVP_CAP_[A-Z0-9_]+\b", manual))
    wrong = pages.differ("capability", "hvp.h", macros, "docs/hvp-plugin.md", told)
    code = set(re.findall(r"`([a-z][a-z0-9_]*)(?:\(\))?`", manual))
    wrong += [f"operation '{o}' is in hvp.h, not in docs/hvp-plugin.md" for o in sorted(ops - code)]
    # The other way only for what looks like an operation on a VM or a device.
    members = set(re.findall(r"\b([a-z][a-z0-9_]*)\b", header))
    wrong += [f"operation '{o}' is in docs/hvp-plugin.md, not in hvp.h" for o in
              sorted(c for c in code - ops if re.match(r"(vm|device|agent|event)_", c)
                     and c not in members)]
    table = re.search(r"caps\[\] = \{(.*?)\};", names_c, re.S)
    words = re.findall(r'"([a-z0-9-]+)"', table.group(1) if table else "")
    if len(words) != len(macros):
        wrong.append(f"core/plugin/names.c names {len(words)} of {len(macros)} capabilities")
    for w in words:
        if "HVP_CAP_" + w.upper().replace("-", "_") not in macros:
            wrong.append(f"'{w}' of core/plugin/names.c is not named after a capability of hvp.h")
    if not macros or not ops:
        wrong.append("found no capabilities or operations: the form of hvp.h has changed")
    return wrong, f"{len(macros)} capabilities, {len(ops)} operations"


def main():
    source = sys.argv[1]
    wrong, summary = check(pages.read(source, "core/include/anyvisor/hvp.h"),
                           pages.read(source, "core/plugin/names.c"),
                           pages.read(source, "docs/hvp-plugin.md"))
    print("\n".join(wrong) or f"docs.caps: {summary} agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
