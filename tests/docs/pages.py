# SPDX-License-Identifier: Apache-2.0
"""What the checks of docs share: reading man pages (scdoc sources), --help texts and Markdown.

All functions take text and return plain values, so that selftest.py can feed them wrong pages."""
import os
import re

# "  --bundle, -b DIR   text", "  -b, --bundle DIR", "  --quota=N", "  -h": how help begins a line.
HELP_LINE = re.compile(r"^\s+(?:(-[A-Za-z])(?:,\s*|\s+|$))?(--[a-z][a-z0-9-]*)?"
                       r"(?:, (-[A-Za-z])\b)?")
# "*-b*, *--bundle* _DIR_": a term of scdoc's definition lists
PAGE_LINE = re.compile(r"^(?:\*(-[A-Za-z])\*)?(?:, )?(?:\*(--[a-z][a-z0-9-]*)\*)?")
KEY_TERM = re.compile(r"^\*([a-z][a-z0-9_.\[\]]*)\*$")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def _options(text, pattern):
    found = set()
    for line in text.splitlines():
        if not re.match(r"^\s*\*?-", line):
            continue
        m = pattern.match(line)
        if m:
            found.update(o for o in m.groups() if o)
    return found


def help_options(text):
    """Options that a --help text describes: {"-b", "--bundle", ...}."""
    return _options(text, HELP_LINE)


def section(page, *names):
    """The bodies of the sections of a page whose titles are in names."""
    parts = re.split(r"(?m)^# (.+)$", page)
    return "\n".join(body for title, body in zip(parts[1::2], parts[2::2]) if title in names)


def page_options(page):
    """Options that a page describes."""
    return _options(section(page, "OPTIONS", "GLOBAL OPTIONS"), PAGE_LINE)


def page_keys(page):
    """Keys that a page of section 5 describes: {"defaults.vm.memory", ...}."""
    return {m.group(1) for m in map(KEY_TERM.match, section(page, "KEYS").splitlines()) if m}


def help_verbs(text):
    """Verbs that `anyvisor --help` lists: indented words with a description behind them."""
    found = set()
    for line in text.splitlines():
        m = re.match(r"^\s+([a-z]+(?: [a-z]+)?)(?:\s{2,}\S.*)?$", line)
        if m:
            found.add(m.group(1))
    return found


def page_verbs(names):
    """Verbs that have a page, from file names: anyvisor-config-check.1.scd is "config check"."""
    return {m.group(1).replace("-", " ") for m in
            (re.match(r"anyvisor-(.+)\.1\.scd$", n) for n in names) if m}


def differ(what, left_name, left, right_name, right):
    """Sentences for what is on one side only."""
    return ([f"{what} '{x}' is in {left_name}, not in {right_name}" for x in sorted(left - right)] +
            [f"{what} '{x}' is in {right_name}, not in {left_name}" for x in sorted(right - left)])


def leaves(keys):
    """Keys that hold a value: without those that are only the way to another, as "defaults"."""
    keys = set(keys)
    return {k for k in keys
            if not any(o.startswith((k + ".", k + "[]")) for o in keys if o != k)
            and not k.endswith("[]")}


def yaml_keys(text):
    """Keys of a YAML file, without their place: {"vcpus", ...}. Those of commented-out examples
    count, sentences in comments do not: a value is one word, quoted, or of the flow form."""
    found = set()
    for line in text.splitlines():
        bare = re.sub(r"^\s*#?\s*(- )?", "", line)
        bare = re.sub(r"\s#.*$", "", bare).rstrip()
        if not re.match(r"[a-z_]+:(?:$| +(?:\S+|\".*\"|\{.*\}|\[.*\])$)", bare):
            continue
        # a key begins the line, or follows a brace or comma of the flow form
        found.update(re.findall(r"(?:^|[{,]\s*)\"?([a-z_]+)\"?:(?=\s|$)", bare))
    return found


def explained_words(text):
    """Words that tables in comments explain: "#   pod_namespace, pod_name   of Kubernetes"."""
    found = set()
    for m in re.finditer(r"(?m)^\s*#\s{3,}([a-z_]+(?:, [a-z_]+)*)(?:\s{2,}\S|$)", text):
        found.update(m.group(1).split(", "))
    return found


def caps(header):
    """(capability macros, operations of struct hvp_plugin) of hvp.h."""
    body = re.search(r"struct hvp_plugin \{(.*?)\n\};", header, re.S)
    ops = re.findall(r"^\s+(?:int|void) \(\*([a-z_]+)\)\(", body.group(1) if body else "", re.M)
    return set(re.findall(r"#define (HVP_CAP_[A-Z0-9_]+)", header)), set(ops)


def broken_links(path, text, exists):
    """Relative links of a Markdown file that lead nowhere; exists(path) tells."""
    text = re.sub(r"```.*?```|`[^`\n]*`", lambda m: "\n" * m.group().count("\n"), text, flags=re.S)
    wrong = []
    for m in re.finditer(r"\[[^\]]*\]\(([^)\s]+)(?: \"[^\"]*\")?\)", text):
        target = m.group(1).split("#")[0]
        if not target or re.match(r"[a-z]+:", target):
            continue
        if not exists(os.path.normpath(os.path.join(os.path.dirname(path), target))):
            line = text.count("\n", 0, m.start()) + 1
            wrong.append(f"{path}:{line}: '{m.group(1)}' leads nowhere")
    return wrong
