#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs.keys: keys.py SOURCE PRINT_KEYS: the keys that the parsers know, those of the man pages and
those of configs/anyvisor.yaml, both ways."""
import os
import subprocess
import sys

import pages


def parser_keys(program, which):
    p = subprocess.run([program, which], capture_output=True, text=True, timeout=20, check=True)
    return set(p.stdout.split())


def check(what, known, page_name, page, example_name=None, example=None):
    """Sentences about keys of one format; known are the parser's."""
    wrong = []
    keys, documented = pages.leaves(known), pages.page_keys(page)
    # A page may describe an inner mapping too, as "classes".
    wrong += [f"{what}: key '{k}' is in the parser, not in {page_name}"
              for k in sorted(keys - documented)]
    wrong += [f"{what}: key '{k}' is in {page_name}, not in the parser"
              for k in sorted(documented - set(known))
              if not any(o.startswith((k + ".", k + "[]")) for o in known)]
    if example is not None:
        words = {k.rsplit(".", 1)[-1].replace("[]", "") for k in known}
        inner = {part.replace("[]", "") for k in known for part in k.split(".")}
        shown = pages.yaml_keys(example)
        wrong += [f"{what}: key '{w}' is in the parser, not in {example_name}"
                  for w in sorted(words - shown - pages.explained_words(example))]
        wrong += [f"{what}: key '{w}' is in {example_name}, not in the parser"
                  for w in sorted(shown - words - inner)]
    return wrong


def main():
    source, program = sys.argv[1:3]
    man = os.path.join(source, "docs", "man")
    config, descriptor = parser_keys(program, "config"), parser_keys(program, "descriptor")
    wrong = check("anyvisor.yaml", config, "anyvisor.yaml.5",
                  pages.read(man, "anyvisor.yaml.5.scd"), "configs/anyvisor.yaml",
                  pages.read(source, "configs", "anyvisor.yaml"))
    wrong += check("plugins.d", descriptor, "anyvisor-plugins.d.5",
                   pages.read(man, "anyvisor-plugins.d.5.scd"))
    if not config or not descriptor:
        wrong.append("the parsers name no keys")
    print("\n".join(wrong) or
          f"docs.keys: {len(config)} keys of anyvisor.yaml, {len(descriptor)} of descriptors agree")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
