# SPDX-License-Identifier: Apache-2.0
"""The agent protocol (guest/proto) from a test's point of view: plans from keywords, one call per request."""
import os
import select
import struct
import time

(HELLO, REPLY, EXITED, OOM, LOG) = range(1, 6)
(SETUP, CREATE, START, EXEC, SIGNAL, RESIZE, PAUSE, RESUME, UPDATE, STATS, PS, DELETE, POWEROFF,
 NETWORK, PING, ATTACH) = range(32, 48)
CLOCK = 51
(DATA, EOF, CREDIT, CLOSE) = range(64, 68)
STREAM_WINDOW = 256 << 10
TERMINAL, NNP, CAPS, OOMSCORE, STDIN = 1, 2, 4, 8, 16
FS, SHARE, BIND, SHM, CGROUP = range(1, 6)
RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8


def field(tag, body):
    return struct.pack('<HHI', tag, 0, len(body)) + body


def num(tag, value):
    return field(tag, struct.pack('<Q', value & (2**64 - 1))) if value else b''


def text(tag, value):
    return field(tag, value.encode()) if value is not None else b''


def fields(body):
    out = {}
    while body:
        tag, _, n = struct.unpack('<HHI', body[:8])
        out.setdefault(tag, []).append(body[8:8 + n])
        body = body[8 + n:]
    return out


def number(raw, signed=True):
    return struct.unpack('<q' if signed else '<Q', raw)[0]


def process(args, env=('PATH=/bin',), cwd='/', uid=0, gid=0, gids=(), flags=0, rows=0, cols=0, caps=(0,) * 5,
            rlimits=(), umask=0o22, seccomp=b'', oom=0):
    b = b''.join(text(1, a) for a in args) + b''.join(text(2, e) for e in env) + text(3, cwd)
    b += num(4, uid) + num(5, gid) + num(6, umask) + num(8, flags) + num(9, rows) + num(10, cols)
    b += num(11, oom) if oom else b''
    if gids:
        b += field(7, b''.join(struct.pack('<I', g) for g in gids))
    b += field(12, struct.pack('<5Q', *caps))
    for kind, soft, hard in rlimits:
        b += field(13, num(1, kind) + num(2, soft) + num(3, hard))
    return b + (field(14, seccomp) if seccomp else b'')


def mount(kind, dest, source=None, fstype=None, data=None, ms=0, flags=0):
    return (num(1, kind) + num(2, flags) + text(3, source) + text(4, dest) + text(5, fstype) + text(6, data) +
            num(7, ms))


STANDARD_MOUNTS = (
    mount(FS, '/proc', 'proc', 'proc'),
    mount(FS, '/dev', 'tmpfs', 'tmpfs', 'mode=755,size=65536k', NOSUID),
    mount(FS, '/dev/pts', 'devpts', 'devpts', 'newinstance,ptmxmode=0666,mode=0620,gid=5', NOSUID | NOEXEC),
    mount(FS, '/dev/shm', 'shm', 'tmpfs', 'mode=1777,size=65536k', NOSUID | NODEV | NOEXEC),
    mount(FS, '/dev/mqueue', 'mqueue', 'mqueue', None, NOSUID | NODEV | NOEXEC),
)
ALL_CAPS = (0x1ffffffffff,) * 3 + (0, 0)


def container(name, rootfs, proc, mounts=STANDARD_MOUNTS, ns=(1, 0, 1, 1, 1, 1, 0), join=(None,) * 7, hostname=None,
              masked=(), readonly=(), cgroup=b'', flags=0, hooks=(), uid_map=(), gid_map=(), sysctl=(), state=None):
    b = text(1, name) + text(2, rootfs) + text(3, hostname) + text(5, state) + num(6, flags) + field(8, bytes(ns))
    b += b''.join(text(9, j or '') for j in join)
    for tag, ids in ((10, uid_map), (11, gid_map)):
        b += b''.join(field(tag, num(1, i) + num(2, o) + num(3, n)) for i, o, n in ids)
    b += b''.join(field(12, m) for m in mounts)
    b += b''.join(text(14, p) for p in masked) + b''.join(text(15, p) for p in readonly)
    b += b''.join(field(16, text(1, k) + text(2, v)) for k, v in sysctl)
    b += field(17, cgroup)
    b += b''.join(field(18, text(1, h[0]) + b''.join(text(2, x) for x in h)) for h in hooks)
    return b + field(19, proc)


def cgroup(files=(), rules=()):
    b = b''.join(field(1, text(1, k) + text(2, v)) for k, v in files)
    for allow, kind, major, minor, access in rules:
        b += field(2, num(1, allow) + num(2, ord(kind)) + num(3, major) + num(4, minor) + num(5, access))
    return b


class AgentError(Exception):
    def __init__(self, code, message):
        super().__init__(f'{message} ({os.strerror(code)})')
        self.code, self.text = code, message


class Agent:
    """One connection. Output is gathered per process and stream; credit is returned at once unless held."""

    def __init__(self, sock, timeout=20):
        self.sock, self.timeout = sock, timeout
        self.buf, self.seq, self.next_id = b'', 0, 0
        self.out, self.eof, self.exited, self.replies = {}, set(), {}, {}
        self.oom, self.logs, self.hello, self.credit, self.closed = [], [], None, {}, set()
        self.hold = set()       # processes whose output gets no credit
        self.order = []
        self.due = {}           # (process, stream) -> output length at which a dead process is drained
        self.session = struct.unpack('<I', os.urandom(4))[0]
        self.send(ATTACH, 0, self.session)

    def fileno(self):
        return self.sock.fileno()

    def send(self, kind, ident, seq, body=b''):
        self.sock.sendall(struct.pack('<BBHIII', 0xA5, 0x56, kind, len(body), ident, seq) + body)

    def pump(self, until, timeout=None):
        end = time.monotonic() + (timeout or self.timeout)
        while not until():
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                tails = {k: v[-200:] for k, v in list(self.out.items())[-6:]}
                raise TimeoutError(f'agent is silent; output {tails}, log {self.logs}')
            got = self.sock.recv(1 << 16)
            if not got:
                raise EOFError(f'agent closed the channel; log {self.logs}')
            self.buf += got
            self.frames()

    def frames(self):
        if not self.hello:      # what an older session left is skipped
            at = self.buf.find(struct.pack('<BBH', 0xA5, 0x56, HELLO))
            if at < 0 or len(self.buf) < at + 16 or self.buf[at + 12:at + 16] != struct.pack('<I', self.session):
                return
            self.buf = self.buf[at:]
        while len(self.buf) >= 16:
            a, b, kind, n, ident, seq = struct.unpack('<BBHIII', self.buf[:16])
            assert (a, b) == (0xA5, 0x56), self.buf[:16]
            if len(self.buf) < 16 + n:
                return
            body, self.buf = self.buf[16:16 + n], self.buf[16 + n:]
            self.frame(kind, ident, seq, body)

    def frame(self, kind, ident, seq, body):
        self.order.append((kind, ident))
        if kind == HELLO:
            f = fields(body)
            self.hello = {'version': number(f[1][0]), 'kernel': f[4][0].decode(), 'arch': f[5][0].decode()}
        elif kind == REPLY:
            f = fields(body)
            self.replies[seq] = (number(f[1][0]) if 1 in f else 0, f.get(2, [b''])[0].decode(), f.get(3, [b''])[0])
        elif kind == EXITED:
            f = fields(body)
            self.exited[ident] = number(f[1][0]) if 1 in f else 0
            self.oom_killed = 2 in f
            for stream in (1, 2):
                left = number(f[2 + stream][0], signed=False) if 2 + stream in f else 0
                self.due[(ident, stream)] = len(self.out.get((ident, stream), b'')) + left
        elif kind == OOM:
            self.oom.append(ident)
        elif kind == LOG:
            self.logs.append(body.decode())
        elif kind == DATA:
            key = (ident, seq & 3)
            self.out[key] = self.out.get(key, b'') + body
            if ident not in self.hold:
                self.send(CREDIT, ident, seq & 3, struct.pack('<I', len(body)))
        elif kind == EOF:
            self.eof.add((ident, seq & 3))
        elif kind == CREDIT:
            key = (ident, seq & 3)
            self.credit[key] = self.credit.get(key, 0) + struct.unpack('<I', body)[0]
        elif kind == CLOSE:
            self.closed.add((ident, seq & 3))

    def request(self, kind, ident=0, body=b'', timeout=None):
        self.seq += 1
        seq = self.seq
        self.send(kind, ident, seq, body)
        self.pump(lambda: seq in self.replies, timeout)
        code, message, answer = self.replies.pop(seq)
        if code:
            raise AgentError(code, message)
        return answer

    def setup(self, share_dir=None, tag=None, options=None, modules=()):
        self.pump(lambda: self.hello)
        body = num(1, time.time_ns()) + field(2, os.urandom(32)) + text(3, tag) + text(4, options)
        self.request(SETUP, 0, body + text(5, share_dir) + b''.join(text(7, m) for m in modules))

    def new_id(self):
        self.next_id += 1
        return self.next_id

    def create(self, plan):
        ident = self.new_id()
        self.request(CREATE, ident, plan)
        return ident

    def run(self, plan):
        ident = self.create(plan)
        self.request(START, ident)
        return ident

    def exec(self, name, proc):
        ident = self.new_id()
        self.request(EXEC, ident, text(1, name) + field(2, proc))
        return ident

    def signal(self, ident, signo, everyone=0):
        self.request(SIGNAL, ident, num(1, signo) + num(2, everyone))

    def drained(self, ident):
        return all(len(self.out.get((ident, s), b'')) >= self.due[(ident, s)] or (ident, s) in self.eof for s in (1, 2))

    def wait(self, ident, timeout=None):
        """The exit, and all that the process wrote before it."""
        self.pump(lambda: ident in self.exited and self.drained(ident), timeout)
        return self.exited[ident]

    def delete(self, ident):
        self.request(DELETE, ident)

    def wait_output(self, ident, part, stream=1):
        self.pump(lambda: part in self.out.get((ident, stream), b''))

    def repeat_until(self, ident, key, part):
        """Press the key each second until the output has the part."""
        end = time.monotonic() + self.timeout
        while time.monotonic() < end:
            self.send(DATA, ident, 0, key)
            try:
                return self.pump(lambda: part in self.out.get((ident, 1), b''), 1)
            except TimeoutError:
                pass
        self.wait_output(ident, part)

    def stdout(self, ident):
        return self.out.get((ident, 1), b'').decode()

    def stderr(self, ident):
        return self.out.get((ident, 2), b'').decode()
