#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs.links: links.py SOURCE: relative links of all Markdown files, and the pages that man pages
refer to, exist."""
import os
import re
import sys

import pages


def markdown(source):
    for folder, dirs, files in os.walk(source):
        dirs[:] = sorted(d for d in dirs if not d.startswith((".git", "build", ".cache")))
        for name in sorted(files):
            if name.endswith(".md"):
                yield os.path.relpath(os.path.join(folder, name), source)


def missing_pages(name, text, have):
    """References to pages of ours that are not there."""
    return [f"docs/man/{name}: there is no page {page}({sec})"
            for page, sec in re.findall(r"\*(anyvisor[a-z.-]*)\*\((\d)\)", text)
            if f"{page}.{sec}.scd" not in have]


def main():
    source = sys.argv[1]
    man = os.path.join(source, "docs", "man")
    files = list(markdown(source))
    wrong = []
    for path in files:
        wrong += pages.broken_links(path, pages.read(source, path),
                                    lambda p: os.path.exists(os.path.join(source, p)))
    have = [n for n in os.listdir(man) if n.endswith(".scd")]
    for name in sorted(have):
        wrong += missing_pages(name, pages.read(man, name), have)
    print("\n".join(wrong) or f"docs.links: {len(files)} files, {len(have)} pages")
    return 1 if wrong or not files or not have else 0


if __name__ == "__main__":
    sys.exit(main())
