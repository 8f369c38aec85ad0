#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes or checks manifest.json of a guest image directory; used by build.sh.

manifest.py write --arch A --inputs HASH --agent FILE --kernel JSON --modules LIST DIR
manifest.py check --inputs HASH DIR      exit 0: DIR was built from these inputs and is intact"""
import argparse
import hashlib
import json
import os
import sys

FILES = ("vmlinux", "initramfs.cpio", "small/initramfs.cpio")

# What every boot wants; console and root come from the back-end. A guest that cannot go on must
# end (panic=-1 with a VMM that does not reboot), so that the host sees it at once. Skipping the
# crypto self-tests saves half a second under emulation.
CMDLINE = "quiet loglevel=1 panic=-1 random.trust_cpu=on cryptomgr.notests"


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def modules(path):
    """Load order: {"boot": [file...], "late": {group: [file...]}}."""
    result = {"boot": [], "late": {}}
    with open(path, encoding="utf-8") as f:
        for words in map(str.split, f):
            if words[0] == "boot":
                result["boot"].append(words[1])
            elif words[0] == "late":
                result["late"].setdefault(words[1], []).append(words[2])
    return result


def write(args):
    with open(args.kernel, encoding="utf-8") as f:
        kernel = json.load(f)
    manifest = {
        "version": 1,
        "architecture": args.arch,
        "kernel": kernel,
        "agent": {"sha256": sha256(args.agent)},
        "files": {n: {"sha256": sha256(os.path.join(args.dir, n)),
                      "size": os.path.getsize(os.path.join(args.dir, n))} for n in FILES},
        "cmdline": CMDLINE,
        "modules": modules(args.modules),
        "inputs": args.inputs,
    }
    with open(os.path.join(args.dir, "manifest.json"), "w", encoding="utf-8") as f:
        json.dump(manifest, f, indent=2, sort_keys=True)
        f.write("\n")
    return 0


def check(args):
    try:
        with open(os.path.join(args.dir, "manifest.json"), encoding="utf-8") as f:
            manifest = json.load(f)
        intact = all(sha256(os.path.join(args.dir, n)) == manifest["files"][n]["sha256"]
                     for n in FILES)
        return 0 if intact and manifest["inputs"] == args.inputs else 1
    except (OSError, ValueError, KeyError):
        return 1


def main():
    parser = argparse.ArgumentParser()
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, run, options in (("write", write, ("arch", "inputs", "agent", "kernel", "modules")),
                               ("check", check, ("inputs",))):
        verb = verbs.add_parser(name)
        verb.set_defaults(run=run)
        verb.add_argument("dir")
        for option in options:
            verb.add_argument("--" + option, required=True)
    args = parser.parse_args()
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
