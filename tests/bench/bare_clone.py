#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The floor of a clone's start: bare QEMU that restores a template, mounts the rootfs, runs /bin/true.

bare_clone.py save WORDS DIR [FLAG...]  boot the words of baseline.py (NUL after each) with bare_init, whose
                                further flags these are, and save in DIR
bare_clone.py clone WORDS DIR   one clone: prints "WALL_US CPU_US" and, of the wall time, the parts
                                "GREETING LOADED RESUMED ANSWERED ENDED", each since the one before
bare_clone.py idle WORDS DIR N  N clones that have run it and rest: prints for each its memory (PSS) in KiB and
                                what one of the second half has added to that of all, and to standard
                                error what the first one's is made of
Memory is a file that clones map privately, as ours is. Nothing of ours is in the way: QEMU is started
and killed by this program, which counts only from there to there."""
import array
import json
import os
import select
import socket
import sys
import time

import memory_parts

LIMIT_S = 120
QMP_FD, PORT_FD = 3, 4


class Failed(Exception):
    pass


def chardevs(words):
    """The agent's port and QMP on sockets of ours, the rest stays."""
    ours = {"id=agent0": f"socket,id=agent0,fd={PORT_FD}", "id=qmp": f"socket,id=qmp,fd={QMP_FD}"}
    out = list(words)
    for i, option in enumerate(words):
        if option == "-chardev":
            name = next(p for p in words[i + 1].split(",") if p.startswith("id="))
            out[i + 1] = ours.get(name, words[i + 1])
    return out + ["-mon", "chardev=qmp,mode=control"]


def machine(words, memory, share):
    """RAM is a file, which anyvisor's command line has only for a template or a clone."""
    out, i = [], 0
    while i < len(words):
        option, value = words[i], words[i + 1] if i + 1 < len(words) else ""
        if option == "-object" and ",id=ram," in value:
            i += 2
            continue
        if option == "-m":
            out += ["-object", f"memory-backend-file,id=ram,size={value},mem-path={memory},share={share}"]
        if option == "-machine":
            value = ",".join(p for p in value.split(",") if not p.startswith("memory-backend=")) + ",memory-backend=ram"
            out += [option, value]
            i += 2
            continue
        out.append(option)
        i += 1
    return out


class Qemu:
    """A QEMU with its control channel and the guest's port."""

    def __init__(self, words):
        self.begin = time.monotonic()
        qmp, theirs = socket.socketpair()
        port, their_port = socket.socketpair()
        fds = [(os.POSIX_SPAWN_DUP2, theirs.fileno(), 100), (os.POSIX_SPAWN_DUP2, their_port.fileno(), 101),
               (os.POSIX_SPAWN_DUP2, 100, QMP_FD), (os.POSIX_SPAWN_DUP2, 101, PORT_FD)]
        self.pid = os.posix_spawn(words[0], words, os.environ, file_actions=fds)
        theirs.close()
        their_port.close()
        self.qmp, self.port, self.rest = qmp, port, b""

    def receive(self, sock, n):
        if not select.select([sock], [], [], LIMIT_S)[0]:
            raise Failed("QEMU does not answer")
        data = sock.recv(n)
        if not data:
            raise Failed("QEMU is gone")
        return data

    def message(self):
        while b"\n" not in self.rest:
            self.rest += self.receive(self.qmp, 65536)
        line, self.rest = self.rest.split(b"\n", 1)
        return json.loads(line)

    def event(self, wanted):
        while True:
            m = self.message()
            if "error" in m:
                raise Failed(m["error"]["desc"])
            if wanted(m):
                return m

    def say(self, *commands, fd=None):
        """All in one write; waits for the last one's answer."""
        data = b"".join(json.dumps(dict(c, id=i)).encode() + b"\n" for i, c in enumerate(commands))
        extra = [] if fd is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.qmp.sendmsg([data], extra)
        self.event(lambda m: m.get("id") == len(commands) - 1)

    def end(self):
        os.kill(self.pid, 9)
        usage = os.wait4(self.pid, 0)[2]
        return usage.ru_utime + usage.ru_stime


def settings():
    on = [{"capability": "events", "state": True}, {"capability": "x-ignore-shared", "state": True}]
    return [{"execute": "qmp_capabilities"},
            {"execute": "migrate-set-capabilities", "arguments": {"capabilities": on}}]


def migrated(m):
    return m.get("event") == "MIGRATION" and m["data"]["status"] in ("completed", "failed")


def transfer(command, fd):
    return [{"execute": "getfd", "arguments": {"fdname": "state"}},
            {"execute": command, "arguments": {"uri": "fd:state"}}]


def save(words, folder, *flags):
    memory = os.path.join(folder, "memory")
    with open(memory, "wb"):
        pass
    append = words.index("-append") + 1
    words = words[:append] + [" ".join([words[append], "-- --clone", *flags])] + words[append + 1:]
    q = Qemu(chardevs(machine(words, memory, "on")))
    try:
        if q.receive(q.port, 1) != b"r":
            raise Failed("the guest says something else than that it is ready")
        fd = os.open(os.path.join(folder, "state"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        q.say(*settings(), *transfer("migrate", fd), fd=fd)
        if q.event(migrated)["data"]["status"] != "completed":
            raise Failed("QEMU cannot save the VM")
        os.close(fd)
    finally:
        q.end()


def restored(words, folder):
    """A clone that has answered, what it has answered, and when it had come how far."""
    words = chardevs(machine(words, os.path.join(folder, "memory"), "off"))
    for option in ("-kernel", "-initrd", "-append"):
        if option in words:
            i = words.index(option)
            del words[i:i + 2]
    fd = os.open(os.path.join(folder, "state"), os.O_RDONLY)
    times = []
    q = Qemu(words + ["-S", "-incoming", "defer"])
    try:
        q.event(lambda m: "QMP" in m)
        times.append(time.monotonic())
        q.say(*settings(), *transfer("migrate-incoming", fd), fd=fd)
        if q.event(migrated)["data"]["status"] != "completed":
            raise Failed("QEMU cannot load the VM")
        times.append(time.monotonic())
        q.port.send(b"g")
        q.say({"execute": "cont"})
        times.append(time.monotonic())
        answer = q.receive(q.port, 1)
        times.append(time.monotonic())
    except BaseException:
        q.end()
        raise
    finally:
        os.close(fd)
    return q, answer, times


def clone(words, folder):
    q, answer, times = restored(words, folder)
    cpu = q.end()
    times.append(time.monotonic())
    if answer != b"0":
        raise Failed("the guest could not run the program")
    parts = [b - a for a, b in zip([q.begin] + times, times)]
    print(*(round(t * 1e6) for t in [times[-1] - q.begin, cpu] + parts))


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def idle(words, folder, number):
    """All of them before the first is looked at: what they share counts for its share."""
    clones, count = [], int(number)
    half, before = count // 2, 0
    try:
        for i in range(count):
            if i == half:
                before = sum(pss_kib(q.pid) for q in clones)
            clones.append(restored(words, folder)[0])
        sizes = [pss_kib(q.pid) for q in clones]
        for size in sizes:
            print(size, (sum(sizes) - before) // (count - half))
        print(memory_parts.line(clones[0].pid), file=sys.stderr)
    finally:
        for q in clones:
            q.end()


def main():
    verbs = {"save": (save, range(4, 9)), "clone": (clone, [4]), "idle": (idle, [5])}
    verb, counts = verbs.get(sys.argv[1] if len(sys.argv) > 1 else "", (None, []))
    if len(sys.argv) not in counts:
        raise SystemExit("usage: bare_clone.py save WORDS DIR [FLAG...] | clone WORDS DIR | idle WORDS DIR N")
    with open(sys.argv[2], "rb") as f:
        words = f.read().decode().split("\0")[:-1]
    try:
        verb(words, sys.argv[3], *sys.argv[4:])
    except (Failed, OSError) as e:
        raise SystemExit(f"bare_clone.py: {e}")


if __name__ == "__main__":
    main()
