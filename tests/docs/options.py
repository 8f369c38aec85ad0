#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs.options: options.py SOURCE ANYVISOR: verbs and options of the program and of the man pages,
both ways."""
import os
import subprocess
import sys

import pages


def ask(program, *args):
    p = subprocess.run([program, *args, "--help"], capture_output=True, text=True, timeout=20,
                       stdin=subprocess.DEVNULL, check=False)
    if p.returncode != 0:
        raise SystemExit(f"anyvisor {' '.join(args)} --help: status {p.returncode}: {p.stderr}")
    return p.stdout


def check(ask_help, page_texts):
    """ask_help(verb words...) gives a help text; page_texts maps file names to pages."""
    top = ask_help()
    verbs = pages.help_verbs(top)
    # A verb with one sub-verb is listed by its first word: "config" is the page of "config check".
    told = {v: v if v in verbs else v.split()[0] for v in pages.page_verbs(page_texts)}
    wrong = pages.differ("verb", "anyvisor --help", verbs, "docs/man", set(told.values()))
    wrong += pages.differ("option", "anyvisor --help", pages.help_options(top), "anyvisor.1",
                          pages.page_options(page_texts["anyvisor.1.scd"]))
    options = 0
    for page, verb in sorted(told.items()):
        if verb not in verbs:
            continue
        name = f"anyvisor-{page.replace(' ', '-')}.1"
        have = pages.help_options(ask_help(*verb.split()))
        options += len(have)
        wrong += pages.differ("option", f"anyvisor {verb} --help", have, name,
                              pages.page_options(page_texts[name + ".scd"]))
    if not verbs or not options:
        wrong.append("found no verbs or no options: the form of --help has changed")
    return wrong, f"{len(verbs)} verbs, {options} options"


def main():
    source, program = sys.argv[1:3]
    man = os.path.join(source, "docs", "man")
    texts = {n: pages.read(man, n) for n in os.listdir(man) if n.endswith(".scd")}
    wrong, summary = check(lambda *verb: ask(program, *verb), texts)
    print("\n".join(wrong) or f"docs.options: {summary} agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
