#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""house.arrows: who may include whom (docs/architecture.md). Each table is a decision; change it
with one."""
import re

import sources

MIDDLE = {"policy", "plan", "plugin", "storage", "net", "cgroup", "hooks", "state", "channel",
          "hostmod", "jail", "kit", "template"}
LOW = {"base", "oci", "config"}
CORE = {
    "base": {"base"},
    "oci": {"base", "oci"},
    "config": {"base", "config"},
    **{m: LOW | {m} for m in MIDDLE},
    "monitor": LOW | MIDDLE | {"monitor", "proto"},
    "cli": LOW | MIDDLE | {"cli", "proto"},   # requests are made of its fields
    "proxy": {"base", "proxy", "proto"},
    "shim": {"base", "oci", "state", "shim", "proto"},
}
CORE["kit"] = LOW | {"kit", "plugin"}     # it is plugin's ops that it tries
for m in ("channel", "plan", "net"):   # net describes a namespace as the protocol does
    CORE[m] = CORE[m] | {"proto"}
# What a CLI, a proxy or a shim may ask a monitor.
IPC = "monitor/ipc.h"
IPC_USERS = {"cli", "proxy", "shim"}

# Prefix of a header -> the only places that may include it ("backends/x", "guest/x", a module).
THIRD = {
    "anyvisor/hvp.h": {"plugin", "monitor", "backends"},
    "json-c/": {"oci", "state", "cli", "storage", "backends/kvm"},   # QMP and connection_info are JSON
    "yaml.h": {"config"},
    "seccomp.h": {"plan"},
    "libkmod.h": {"hostmod"},
    "dlfcn.h": {"plugin", "base", "backends/kvm", "backends/xen"},  # where they lie themselves
    "protobuf-c/": {"shim"},
    "systemd/": {"cgroup"},
    "libvirt/": {"backends/kvm"},
    "libxl": {"backends/xen"},
    "xen": {"backends/xen"},
}
LIBC_FOLDERS = ("sys/", "linux/", "asm/", "net/", "netinet/", "netpacket/", "arpa/", "scsi/",
                "mtd/", "bits/")
LIBC = set("""aio alloca assert byteswap complex cpio cpuid crypt ctype dirent elf endian err errno error
    execinfo fcntl features fenv float fnmatch ftw getopt glob grp iconv ifaddrs inttypes iso646
    langinfo libgen limits link locale malloc math mntent mqueue netdb paths poll pthread pty pwd regex
    resolv sched search semaphore setjmp shadow signal spawn stdalign stdarg stdatomic stdbool
    stddef stdint stdio stdlib stdnoreturn string strings sysexits syslog termios threads time
    uchar unistd utime utmp utmpx wchar wctype wordexp""".split())

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def place_of(path):
    """("core", "base") of core/base/err.c; ("backends", "kvm"); ("guest", "agent")."""
    parts = path.split("/")
    return (parts[0], parts[1]) if len(parts) > 2 else (parts[0], "")


def wrong_quoted(area, module, header):
    if "/" not in header:
        return None                     # beside the file
    target = header.split("/")[0]
    if area == "core":
        if header == IPC and module in IPC_USERS:
            return None
        allowed = CORE.get(module)
        if allowed is None:
            return f"module {module} is in no table of arrows.py"
        return None if target in allowed else f"{module} must not include {target}"
    if area == "backends":
        return None if target in ("common", module) else "a back-end sees hvp.h, common/ and itself"
    # The agent shares base, which needs libc only: one error type on both sides.
    allowed = {"proto": {"proto"}, "agent": {"base", "proto", "agent"}}.get(module, {"proto", module})
    return None if target in allowed else f"guest/{module} must not include {target}"


def wrong_angled(area, module, header):
    if header.startswith(LIBC_FOLDERS) or header.removesuffix(".h") in LIBC:
        return None
    for prefix, places in THIRD.items():
        if header.startswith(prefix):
            mine = {module} if area == "core" else {area, f"{area}/{module}"}
            return None if mine & places else f"only {', '.join(sorted(places))} may include it"
    return "unknown library; add it to the table of its one module"


def check_file(path, text):
    area, module = place_of(path)
    if path.startswith("core/include/"):
        module = "include"
    problems = []
    for m in INCLUDE.finditer(sources.strip(text, strings=False)):
        angled, header = m.group(1) == "<", m.group(2)
        wrong = (wrong_angled if angled else wrong_quoted)(area, module, header)
        if wrong:
            problems.append(f"{path}: #include {m.group(1)}{header}: {wrong}")
    return problems


def main():
    files = sources.c_files(folders=("core", "backends", "guest"))
    problems = [p for f in files for p in check_file(f, sources.read(f))]
    sources.finish("arrows", problems, len(files))


if __name__ == "__main__":
    main()
