#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plays the engine's side of a terminal.

on_terminal.py console SOCKET CMD...   listens on SOCKET, runs CMD, prints what comes over the terminal that
                               the runtime sends, after writing INPUT (environment) to it
on_terminal.py fg CMD...               runs CMD on a new terminal of ROWS x COLS, writes INPUT, prints output
RESIZE=ROWSxCOLS (environment): resize as soon as the text WAIT has been seen. LIMIT: seconds for all of it, 60.
"""
import array
import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time

LIMIT = int(os.environ.get("LIMIT", 60))


def set_size(fd, text):
    rows, cols = (int(n) for n in text.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))


def talk(master, alive):
    """Copy the terminal to stdout until it hangs up; send INPUT once WAIT was seen."""
    wait = os.environ.get("WAIT", "").encode()
    text = os.environ.get("INPUT", "").encode().decode("unicode_escape").encode()
    seen, sent, end = b"", False, time.monotonic() + LIMIT
    while time.monotonic() < end:
        if not sent and wait in seen:
            if "RESIZE" in os.environ:
                set_size(master, os.environ["RESIZE"])
            os.write(master, text)
            sent = True
        if not select.select([master], [], [], 0.2)[0]:
            if not alive():
                break
            continue
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        seen += data
    sys.stdout.buffer.write(seen)
    sys.stdout.flush()


def console(path, cmd):
    server = socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen(1)
    server.settimeout(LIMIT)
    child = subprocess.Popen(cmd, stdin=subprocess.DEVNULL)
    conn = server.accept()[0]
    _, anc, _, _ = conn.recvmsg(4096, socket.CMSG_SPACE(4))
    fds = array.array("i")
    fds.frombytes(anc[0][2][:4])
    if child.wait(LIMIT) != 0:
        sys.exit(child.returncode)
    start = os.environ.get("THEN")
    if start:
        subprocess.run(start, shell=True, check=True, timeout=LIMIT)
    talk(fds[0], lambda: True)
    os.unlink(path)


def foreground(cmd):
    pid, master = pty.fork()
    if pid == 0:
        set_size(0, os.environ.get("SIZE", "24x80"))
        os.execvp(cmd[0], cmd)
    talk(master, lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None)
    status = os.waitpid(pid, 0)[1]
    sys.exit(os.waitstatus_to_exitcode(status) & 0xff)


signal.alarm(2 * LIMIT)
if sys.argv[1] == "console":
    console(sys.argv[2], sys.argv[3:])
else:
    foreground(sys.argv[2:])
