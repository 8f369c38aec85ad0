#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the agent does with containers, spoken to directly: in namespaces of this host, or in a VM.

usage: agent_test.py host AGENT | vm IMAGE-FOLDER   [unittest options]
"""
import atexit
import errno
import os
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

import agentproto as ap
from agentproto import AgentError, container, process

APPLETS = ('sh ls cp cat echo id mount ps sleep true false kill hostname dd head wc stty tty env pwd umask touch sync '
           'uname seq readlink yes mkdir ln grep cut tail ifconfig chmod stat df printf umount mknod nc tr').split()
MODE, TARGET = (sys.argv[1], os.path.abspath(sys.argv[2])) if len(sys.argv) > 2 else (None, None)
PROBE = 15 if MODE == 'host' else 60


class Rig:
    """One agent with a share that holds one busybox root file system."""

    def __init__(self):
        self.share = tempfile.mkdtemp(prefix='agent-test.')
        os.chmod(self.share, 0o755)
        self.root('c')
        if MODE == 'host':
            self.start_on_host()
        else:
            self.start_vm()

    def root(self, name):
        root = f'{self.share}/{name}'
        os.makedirs(root + '/bin')
        os.makedirs(root + '/etc')
        os.makedirs(root + '/tmp')
        shutil.copy('/bin/busybox', root + '/bin/busybox')
        for applet in APPLETS:
            os.symlink('busybox', f'{root}/bin/{applet}')
        with open(root + '/etc/passwd', 'w') as f:
            f.write('root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\n')
        return root

    def start_on_host(self):
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            ['unshare', '-pmuin', '--fork', '--kill-child', TARGET, '--fd', str(theirs.fileno())],
            pass_fds=[theirs.fileno()])
        theirs.close()
        atexit.register(self.leave_nothing)
        self.agent = ap.Agent(ours, PROBE)
        self.agent.setup(share_dir=self.share)

    def start_vm(self):
        listener = socket.socket(socket.AF_UNIX)  # it listens before QEMU runs: nothing to wait for
        listener.bind(self.share + '.sock')
        listener.listen()
        self.process = subprocess.Popen(
            ['qemu-system-x86_64', '-accel', 'tcg', '-M',
             'q35,hpet=off,smm=off,vmport=off,i8042=off,usb=off,sata=off,smbus=off', '-cpu', 'max', '-nodefaults',
             '-no-user-config', '-display', 'none', '-no-reboot', '-m', '256', '-bios',
             '/usr/share/qemu/bios-microvm.bin', '-kernel', TARGET + '/vmlinux', '-initrd',
             TARGET + '/initramfs.cpio', '-append', 'console=ttyS0 quiet anyvisor.debug panic=-1', '-serial',
             'file:' + self.share + '.log', '-device', 'virtio-serial-pci', '-chardev', f'socket,id=ag,fd={listener.fileno()},server=on,wait=off',
             '-device', 'virtserialport,chardev=ag,name=org.anyvisor.agent.0', '-fsdev',
             f'local,id=fs0,path={self.share},security_model=none,multidevs=remap', '-device',
             'virtio-9p-pci,fsdev=fs0,mount_tag=share'], pass_fds=[listener.fileno()])
        listener.close()
        atexit.register(self.leave_nothing)
        self.agent = self.connect()
        begin = time.monotonic()
        self.agent.setup(tag='share', options='trans=virtio,version=9p2000.L,msize=512000,cache=mmap,access=client')
        print(f'# VM ready after {time.monotonic() - begin:.1f} s', file=sys.stderr)

    def leave_nothing(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def connect(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(self.share + '.sock')
        return ap.Agent(sock, PROBE)

    def stop(self):
        try:
            self.agent.request(ap.POWEROFF)
        finally:
            self.agent.sock.close()
            try:
                status = self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise
            shutil.rmtree(self.share)
            for end in ('.sock', '.log'):
                if os.path.exists(self.share + end):
                    os.unlink(self.share + end)
        return status


rig = None


def setUpModule():
    global rig
    rig = Rig()


def tearDownModule():
    status = rig.stop()
    if status:
        raise AssertionError(f'agent or VM ended with status {status}')


def children(pid):
    return [int(line) for line in subprocess.run(['pgrep', '-P', str(pid)], stdout=subprocess.PIPE).stdout.split()]


def shell(script, **more):
    more.setdefault('flags', ap.CAPS)
    more.setdefault('caps', ap.ALL_CAPS)
    return process(['sh', '-c', script], **more)


class AgentTest(unittest.TestCase):
    made = 0

    def setUp(self):
        self.agent = rig.agent
        self.ids = []

    def tearDown(self):
        for ident in self.ids:
            try:
                self.agent.delete(ident)
            except AgentError:
                pass

    def plan(self, proc, **more):
        AgentTest.made += 1
        self.name = f'test{AgentTest.made}'
        return container(self.name, more.pop('rootfs', 'c'), proc, **more)

    def run_to_end(self, proc, **more):
        ident = self.agent.run(self.plan(proc, **more))
        self.ids.append(ident)
        return ident, self.agent.wait(ident)

    def start(self, proc, **more):
        ident = self.agent.run(self.plan(proc, **more))
        self.ids.append(ident)
        return ident

    def output(self, script, **more):
        keys = ('flags', 'caps', 'env', 'cwd', 'uid', 'gid', 'gids', 'rlimits', 'umask', 'seccomp', 'oom')
        proc = shell(script, **{k: more.pop(k) for k in keys if k in more})
        ident, status = self.run_to_end(proc, **more)
        self.assertEqual(status, 0, self.agent.stderr(ident))
        return self.agent.stdout(ident)

    def refused(self, code, wording, call, *args):
        with self.assertRaises(AgentError) as caught:
            call(*args)
        self.assertEqual(caught.exception.text, wording)
        self.assertEqual(caught.exception.code, code)


class Lifecycle(AgentTest):
    def test_output_and_status_arrive(self):
        ident, status = self.run_to_end(shell('echo out; echo err >&2; exit 7'))
        self.assertEqual((status, self.agent.stdout(ident), self.agent.stderr(ident)), (7, 'out\n', 'err\n'))

    def test_every_exit_status_comes_through(self):
        for code in (0, 1, 126, 127, 128, 255):
            self.assertEqual(self.run_to_end(shell(f'exit {code}'))[1], code)

    def test_death_by_signal_is_negative(self):
        ident = self.start(process(['sleep', '100']))
        self.agent.signal(ident, signal.SIGKILL)
        self.assertEqual(self.agent.wait(ident), -signal.SIGKILL)

    def test_create_does_not_run_the_program_yet(self):
        ident = self.agent.create(self.plan(shell('echo ran')))
        self.ids.append(ident)
        self.agent.request(ap.PING)
        self.assertEqual(self.agent.stdout(ident), '')
        self.agent.request(ap.START, ident)
        self.assertEqual(self.agent.wait(ident), 0)
        self.assertEqual(self.agent.stdout(ident), 'ran\n')

    def test_a_signal_kills_a_created_container(self):
        ident = self.agent.create(self.plan(shell('echo ran')))
        self.ids.append(ident)
        self.agent.signal(ident, signal.SIGTERM)
        self.assertEqual(self.agent.wait(ident), -signal.SIGTERM)

    def test_a_missing_program_is_named_as_runc_does(self):
        self.refused(2, 'exec: "nope": executable file not found in $PATH', self.agent.create,
                     self.plan(process(['nope'])))
        self.refused(2, 'exec: "/nope": stat /nope: no such file or directory', self.agent.create,
                     self.plan(process(['/nope'])))
        self.refused(13, 'exec: "/etc/passwd": permission denied', self.agent.create,
                     self.plan(process(['/etc/passwd'])))

    def test_a_file_that_is_no_program_fails_start(self):
        with open(rig.share + '/c/bin/garbage', 'w') as f:
            f.write('\x00\x01')
            os.fchmod(f.fileno(), 0o755)
        ident = self.agent.create(self.plan(process(['garbage'])))
        self.ids.append(ident)
        self.refused(8, 'exec /bin/garbage: exec format error', self.agent.request, ap.START, ident)
        self.assertEqual(self.agent.wait(ident), 126)

    def test_a_name_is_free_again_after_delete_and_after_a_failed_create(self):
        plan = self.plan(process(['nope']))
        for _ in range(2):
            self.assertRaises(AgentError, self.agent.create, plan)
        plan = self.plan(process(['true']))
        for _ in range(2):
            ident = self.agent.run(plan)
            self.agent.wait(ident)
            self.agent.delete(ident)

    def test_delete_kills_what_runs(self):
        ident = self.start(shell('sleep 100 & sleep 100'))
        self.agent.delete(ident)
        self.assertEqual(self.agent.wait(ident), -signal.SIGKILL)
        self.refused(2, 'container does not exist', self.agent.delete, ident)

    def test_start_hooks_run_in_the_container_with_the_state(self):
        hook = ('/bin/sh', '-c', 'cat > /tmp/state')
        ident, status = self.run_to_end(shell('cat /tmp/state'), hooks=[hook], state='{"id":"x"}')
        self.assertEqual((status, self.agent.stdout(ident)), (0, '{"id":"x"}'))

    def test_a_failing_hook_fails_start(self):
        ident = self.agent.create(self.plan(shell('echo ran'), hooks=[('/bin/false',)]))
        self.ids.append(ident)
        self.refused(5, "error running startContainer hook #0: '/bin/false': exit status 1", self.agent.request,
                     ap.START, ident)

    def test_a_failing_hook_is_heard(self):
        hook = ('/bin/sh', '-c', 'echo this is why >&2; exit 3')
        ident = self.agent.create(self.plan(shell('echo ran'), hooks=[hook]))
        self.ids.append(ident)
        self.refused(5, "error running startContainer hook #0: '/bin/sh': exit status 3, "
                        'output: this is why', self.agent.request, ap.START, ident)

    def test_a_hook_may_write_more_than_a_pipe_holds(self):
        hook = ('/bin/sh', '-c', 'head -c 300000 /dev/zero; exit 0')
        _, status = self.run_to_end(shell('exit 4'), hooks=[hook])
        self.assertEqual(status, 4)

    def test_a_request_that_nobody_knows_is_refused(self):
        with self.assertRaises(AgentError):
            self.agent.request(63)


class Exec(AgentTest):
    def setUp(self):
        super().setUp()
        self.main = self.start(process(['sleep', '1000'], env=['PATH=/bin', 'X=main']), hostname='boxed')

    def test_runs_beside_the_init_process(self):
        ident = self.agent.exec(self.name, shell('hostname; ps; echo $X; exit 3', env=['PATH=/bin', 'X=exec']))
        self.assertEqual(self.agent.wait(ident), 3)
        out = self.agent.stdout(ident)
        self.assertIn('boxed\n', out)
        self.assertIn('sleep 1000', out)
        self.assertIn('exec\n', out)
        self.assertNotIn('agent', out)

    def test_failures_are_in_runcs_words(self):
        self.refused(2, 'exec: "nope": executable file not found in $PATH', self.agent.exec, self.name,
                     process(['nope']))
        self.refused(13, 'exec: "/etc/passwd": permission denied', self.agent.exec, self.name,
                     process(['/etc/passwd']))

    def test_into_a_dead_container_is_refused(self):
        self.agent.signal(self.main, signal.SIGKILL)
        self.agent.wait(self.main)
        self.refused(3, 'container not running', self.agent.exec, self.name, process(['true']))

    def test_dies_with_the_container(self):
        ident = self.agent.exec(self.name, process(['sleep', '500']))
        self.agent.signal(self.main, signal.SIGKILL)
        self.assertEqual(self.agent.wait(ident), -signal.SIGKILL)

    def test_other_user_directory_and_groups(self):
        ident = self.agent.exec(self.name, shell('id; pwd; echo $HOME', uid=1000, gid=1000, gids=[5, 7], cwd='/tmp',
                                                 flags=0))
        self.assertEqual(self.agent.wait(ident), 0, self.agent.stderr(ident))
        self.assertEqual(self.agent.stdout(ident),
                         'uid=1000(me) gid=1000 groups=1000,5,7\n/tmp\n/home/me\n'.replace(
                             'groups=1000,5,7', 'groups=5,7'))

    def test_background_processes_do_not_delay_the_exit(self):
        ident = self.agent.exec(self.name, shell('(sleep 2; echo late) & echo early'))
        self.assertEqual(self.agent.wait(ident), 0)
        self.assertEqual(self.agent.stdout(ident), 'early\n')
        self.agent.wait_output(ident, b'late')

    def test_pause_stops_and_resume_continues(self):
        self.agent.request(ap.PAUSE, self.main)
        self.refused(16, 'cannot exec in a paused container', self.agent.exec, self.name, process(['true']))
        self.agent.request(ap.RESUME, self.main)
        self.assertEqual(self.agent.wait(self.agent.exec(self.name, process(['true']))), 0)

    def test_a_paused_container_can_be_deleted(self):
        self.agent.request(ap.PAUSE, self.main)
        self.agent.delete(self.main)

    def test_ps_and_stats_tell_of_the_container(self):
        ident = self.agent.exec(self.name, process(['sleep', '77']))
        rows = ap.fields(self.agent.request(ap.PS, self.main)).get(1, [])
        commands = {ap.fields(r)[8][0].decode(): ap.fields(r) for r in rows}
        self.assertEqual(set(commands), {'sleep 1000', 'sleep 77'})
        self.assertEqual(ap.number(commands['sleep 1000'][1][0]), 1)
        self.assertEqual(ap.number(commands['sleep 77'][4][0]), ident)
        stats = ap.fields(self.agent.request(ap.STATS, self.main))
        self.assertGreater(ap.number(stats[1][0]), 0)


class Streams(AgentTest):
    def test_stdin_arrives_and_its_end_too(self):
        ident = self.start(process(['cat'], flags=ap.STDIN))
        self.agent.send(ap.DATA, ident, 0, b'hello')
        self.agent.send(ap.EOF, ident, 0)
        self.assertEqual(self.agent.wait(ident), 0)
        self.assertEqual(self.agent.stdout(ident), 'hello')
        self.assertEqual(self.agent.credit[(ident, 0)], 5)

    def test_megabytes_go_through_unharmed(self):
        ident = self.start(process(['cat'], flags=ap.STDIN))
        data = os.urandom(3 << 20)
        sent = 0
        while sent < len(data):
            self.agent.pump(lambda: sent - self.agent.credit.get((ident, 0), 0) <= ap.STREAM_WINDOW - (32 << 10))
            self.agent.send(ap.DATA, ident, 0, data[sent:sent + (32 << 10)])
            sent += 32 << 10
        self.agent.send(ap.EOF, ident, 0)
        self.assertEqual(self.agent.wait(ident), 0)
        self.assertEqual(self.agent.out[(ident, 1)], data)

    def test_without_credit_a_stream_stops_at_its_window_and_nothing_else_does(self):
        ident = self.agent.create(self.plan(process(['yes'])))
        self.ids.append(ident)
        self.agent.hold.add(ident)
        self.agent.request(ap.START, ident)
        self.agent.pump(lambda: len(self.agent.out.get((ident, 1), b'')) >= ap.STREAM_WINDOW)
        other, status = self.run_to_end(shell('echo free'))
        self.assertEqual((status, self.agent.stdout(other)), (0, 'free\n'))
        self.assertEqual(len(self.agent.out[(ident, 1)]), ap.STREAM_WINDOW)
        self.agent.signal(ident, signal.SIGKILL)

    def test_a_death_is_told_at_once_with_the_bytes_that_follow(self):
        left = 40000
        ident = self.agent.create(self.plan(shell(
            f'head -c {ap.STREAM_WINDOW + left} /dev/zero; echo all >&2; sleep 1000')))
        self.ids.append(ident)
        self.agent.hold.add(ident)
        self.agent.request(ap.START, ident)
        self.agent.wait_output(ident, b'all', 2)
        self.agent.pump(lambda: len(self.agent.out.get((ident, 1), b'')) >= ap.STREAM_WINDOW)
        self.agent.signal(ident, signal.SIGKILL)
        self.agent.pump(lambda: ident in self.agent.exited)
        self.assertEqual(self.agent.due[(ident, 1)], ap.STREAM_WINDOW + left)
        self.agent.send(ap.CREDIT, ident, 1, left.to_bytes(4, 'little'))
        self.agent.pump(lambda: len(self.agent.out[(ident, 1)]) == ap.STREAM_WINDOW + left)

    def test_a_closed_reader_gives_sigpipe(self):
        ident = self.agent.create(self.plan(process(['yes'])))
        self.ids.append(ident)
        self.agent.hold.add(ident)
        self.agent.request(ap.START, ident)
        self.agent.send(ap.CLOSE, ident, 1)
        # pid 1 of a namespace is shielded from SIGPIPE: it sees EPIPE and exits by itself
        self.assertIn(self.agent.wait(ident), (1, -signal.SIGPIPE))

    def test_a_reader_of_stdin_that_goes_is_told(self):
        ident = self.start(shell('exec <&-; sleep 1000', flags=ap.STDIN | ap.CAPS))
        self.agent.pump(lambda: (ident, 0) in self.agent.closed)

    def test_without_stdin_it_is_dev_null(self):
        self.assertEqual(self.output('readlink /proc/self/fd/0; cat'), '/dev/null\n')

    def test_a_user_may_reopen_its_stdout(self):
        self.assertEqual(self.output('echo x > /dev/stdout', uid=1000, gid=1000, flags=0), 'x\n')


class Terminal(AgentTest):
    def terminal(self, script, **more):
        return self.start(shell(script, flags=ap.TERMINAL | ap.STDIN | ap.CAPS, rows=30, cols=100, **more))

    def test_is_stdio_and_has_its_size(self):
        ident = self.terminal('tty; stty size; ls /dev/console; echo err >&2')
        self.assertEqual(self.agent.wait(ident), 0)
        self.assertEqual(self.agent.stdout(ident), '/dev/pts/0\r\n30 100\r\n/dev/console\r\nerr\r\n')

    def test_resize_signals_the_foreground(self):
        ident = self.terminal('trap "stty size; exit 5" WINCH; echo ready; while :; do sleep 0.1; done')
        self.agent.wait_output(ident, b'ready')
        self.agent.request(ap.RESIZE, ident, ap.num(1, 50) + ap.num(2, 132))
        self.assertEqual(self.agent.wait(ident), 5)
        self.assertIn('50 132', self.agent.stdout(ident))

    def test_control_c_interrupts(self):
        ident = self.terminal('trap "echo got; exit 4" INT; echo ready; while :; do sleep 0.1; done')
        self.agent.wait_output(ident, b'ready')
        self.agent.send(ap.DATA, ident, 0, b'\x03')
        self.assertEqual(self.agent.wait(ident), 4)

    def test_a_shell_has_job_control(self):
        ident = self.start(process(['sh', '-i'], flags=ap.TERMINAL | ap.STDIN))
        self.agent.wait_output(ident, b'# ')   # before, ^Z would take away what is typed
        self.agent.send(ap.DATA, ident, 0, b'sleep 1000\n')
        # No event tells that the shell has put it in the foreground: until then ^Z stops nothing.
        self.agent.repeat_until(ident, b'\x1a', b'Stopped')
        self.agent.send(ap.DATA, ident, 0, b'kill %1; wait %1; exit 9\nexit 9\n')
        self.assertEqual(self.agent.wait(ident), 9)
        self.assertNotIn('job control turned off', self.agent.stdout(ident))

    def test_in_exec(self):
        main = self.start(process(['sleep', '1000']))
        ident = self.agent.exec(self.name, shell('tty; stty size', flags=ap.TERMINAL | ap.CAPS, rows=20, cols=60))
        self.assertEqual(self.agent.wait(ident), 0)
        self.assertEqual(self.agent.stdout(ident), '/dev/pts/0\r\n20 60\r\n')
        self.agent.signal(main, signal.SIGKILL)


class Isolation(AgentTest):
    def test_only_its_own_processes_are_visible(self):
        out = self.output('echo $$; ls /proc | grep -c "^[0-9]"')
        self.assertEqual(out.split()[0], '1')
        self.assertLessEqual(int(out.split()[1]), 3)

    def test_nothing_of_the_agent_is_inherited(self):
        self.start(process(['sleep', '1000']))
        ident = self.agent.exec(self.name, shell('ls /proc/1/fd'))
        self.assertEqual(self.agent.wait(ident), 0)
        self.assertEqual(self.agent.stdout(ident).split(), ['0', '1', '2'])
        self.assertEqual(self.output('cat /proc/1/environ | tr "\\0" "\\n"', env=['PATH=/bin', 'A=b']),
                         'PATH=/bin\nA=b\nHOME=/root\n')

    def test_the_old_root_is_gone(self):
        out = self.output('cat /proc/self/mountinfo')
        self.assertEqual([l.split()[4] for l in out.splitlines()],
                         ['/', '/proc', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue'])

    def test_capabilities_are_exactly_the_plans(self):
        caps = 1 << 0 | 1 << 10
        out = self.output('grep Cap /proc/self/status', caps=(caps, caps, caps, 0, 0))
        self.assertEqual(out.split(), ['CapInh:', '0' * 16, 'CapPrm:', f'{caps:016x}', 'CapEff:', f'{caps:016x}',
                                       'CapBnd:', f'{caps:016x}', 'CapAmb:', '0' * 16])

    def test_ambient_capabilities_reach_another_user(self):
        caps = 1 << 10
        out = self.output('grep -E "CapEff|Uid" /proc/self/status', uid=1000, gid=1000, caps=(caps,) * 5)
        self.assertIn(f'CapEff:\t{caps:016x}', out)
        self.assertIn('Uid:\t1000\t1000\t1000\t1000', out)

    def test_no_new_privs_limits_umask_and_oom_score(self):
        out = self.output('grep NoNewPrivs /proc/self/status; grep "open files" /proc/self/limits; umask; '
                          'cat /proc/self/oom_score_adj', flags=ap.CAPS | ap.NNP | ap.OOMSCORE, umask=0o27,
                          rlimits=[(7, 100, 200)], oom=321)
        self.assertEqual(out.split(), ['NoNewPrivs:', '1', 'Max', 'open', 'files', '100', '200', 'files', '0027', '321'])

    def filter_mkdir(self):
        import struct
        errno = 0x00050000 | 38
        return b''.join(struct.pack('<HBBI', *i) for i in (
            (0x20, 0, 0, 0), (0x15, 0, 1, 83), (0x06, 0, 0, errno), (0x06, 0, 0, 0x7fff0000)))

    def test_a_seccomp_filter_is_enforced(self):
        for flags in (ap.CAPS, ap.CAPS | ap.NNP):
            ident, status = self.run_to_end(shell('mkdir /tmp/x', flags=flags, seccomp=self.filter_mkdir(),
                                                  caps=(0,) * 5, uid=1000, gid=1000))
            self.assertEqual(status, 1)
            self.assertIn('Function not implemented', self.agent.stderr(ident))

    def test_masked_paths_are_empty_and_read_only_paths_stay(self):
        out = self.output('cat /proc/kcore | wc -c; ls /proc/irq | wc -l; echo x > /proc/sys/kernel/domainname 2>&1 '
                          '|| echo refused', masked=['/proc/kcore', '/proc/irq', '/proc/absent'],
                          readonly=['/proc/sys', '/nothing'])
        self.assertEqual(out.split()[:2], ['0', '0'])
        self.assertIn('refused', out)

    def test_proc_and_sys_look_as_crun_shows_them(self):
        mounts = ap.STANDARD_MOUNTS + (
            ap.mount(ap.FS, '/sys', 'sysfs', 'sysfs', None, ap.RDONLY | ap.NOSUID | ap.NODEV | ap.NOEXEC),
            ap.mount(ap.CGROUP, '/sys/fs/cgroup', 'cgroup', ms=ap.RDONLY | ap.NOSUID | ap.NODEV | ap.NOEXEC))
        out = self.output('cat /proc/self/mountinfo', mounts=mounts, ns=(1, 1, 1, 1, 1, 1, 0),
                          masked=['/proc/keys', '/proc/bus'], readonly=['/proc/sys'])
        seen = {l.split()[4]: ' '.join(l.split()[3:4] + l.split()[5:]) for l in out.splitlines()}
        self.assertEqual(seen['/sys'], '/ ro,nosuid,nodev,noexec,relatime - sysfs sysfs rw')
        self.assertRegex(seen['/sys/fs/cgroup'], '.* ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup2 rw')
        self.assertRegex(seen['/proc/keys'], '/null ro,.*')
        self.assertRegex(seen['/proc/bus'], '^/ ro,relatime - tmpfs tmpfs r[ow],size=0k(,nr_inodes=1)?(,inode64)?$')
        self.assertEqual(seen['/proc/sys'], '/sys ro,relatime - proc proc rw')

    def test_dev_holds_the_standard_nodes_and_links(self):
        out = self.output('cd /dev; for f in *; do echo "$f $(readlink $f)"; done')
        self.assertEqual([l.strip() for l in out.splitlines()], [
            'core /proc/kcore', 'fd /proc/self/fd', 'full', 'mqueue', 'null', 'ptmx pts/ptmx', 'pts', 'random', 'shm',
            'stderr /proc/self/fd/2', 'stdin /proc/self/fd/0', 'stdout /proc/self/fd/1', 'tty', 'urandom', 'zero'])

    def test_a_network_namespace_has_only_lo_and_it_is_up(self):
        out = self.output('cat /proc/net/dev | tail -n +3 | cut -d: -f1; ifconfig lo | grep -o "UP LOOPBACK RUNNING"',
                          ns=(1, 1, 1, 1, 1, 1, 0))
        self.assertEqual(out.split(), ['lo', 'UP', 'LOOPBACK', 'RUNNING'])

    def test_a_read_only_root_is(self):
        ident, status = self.run_to_end(shell('touch /tmp/x'), flags=1)
        self.assertEqual(status, 1)
        self.assertIn('Read-only file system', self.agent.stderr(ident))

    def test_symlinks_of_the_root_do_not_lead_out(self):
        root = rig.root('evil')
        outside = tempfile.mkdtemp(dir=rig.share)
        os.symlink('/../../../' + outside, root + '/proc')
        os.symlink(outside, root + '/dev')
        with self.assertRaises(AgentError):
            self.agent.create(self.plan(process(['true']), rootfs='evil'))
        self.assertEqual(os.listdir(outside), [])

    def test_what_a_link_of_the_image_misses_is_made_where_it_leads(self):
        root = rig.root('links')
        os.symlink('../run/stub/resolv.conf', root + '/etc/resolv.conf')
        os.symlink('/data/deep', root + '/srv')
        os.symlink('ring2', root + '/ring1')
        os.symlink('ring1', root + '/ring2')
        with open(rig.share + '/file', 'w') as f:
            f.write('shared')
        file = 2
        mounts = ap.STANDARD_MOUNTS + (ap.mount(ap.SHARE, '/etc/resolv.conf', 'file', flags=file),
                                       ap.mount(ap.SHARE, '/srv/sub/f', 'file', flags=file))
        out = self.output('cat /run/stub/resolv.conf /data/deep/sub/f', rootfs='links', mounts=mounts)
        self.assertEqual(out, 'sharedshared')
        with self.assertRaises(AgentError) as e:
            self.agent.create(self.plan(process(['true']), rootfs='links',
                                        mounts=(ap.mount(ap.SHARE, '/ring1/f', 'file', flags=file),)))
        self.assertEqual(e.exception.code, errno.ELOOP)

    def test_paths_out_of_the_share_are_refused(self):
        for path in ('../../etc', '/etc', 'c/../../..'):
            with self.assertRaises(AgentError):
                self.agent.create(self.plan(process(['true']), rootfs=path))

    def test_devices_that_no_rule_allows_cannot_be_opened(self):
        rules = ap.cgroup(rules=[(0, 'a', -1, -1, 7)])
        ident, status = self.run_to_end(
            shell('echo a > /dev/null && mknod /tmp/kmsg c 1 11 && cat /tmp/kmsg'), cgroup=rules,
            mounts=ap.STANDARD_MOUNTS + (ap.mount(ap.FS, '/tmp', 'tmpfs', 'tmpfs'),))
        self.assertEqual(status, 1)
        self.assertIn('Operation not permitted', self.agent.stderr(ident))

    def test_a_user_namespace_maps_ids(self):
        os.chown(rig.root('mapped'), 100000, 100000)
        out = self.output('id -u; cat /proc/self/uid_map; echo ok > /dev/null; echo x > /dev/stdout',
                          rootfs='mapped', ns=(1, 0, 1, 1, 1, 1, 1), uid_map=[(0, 100000, 65536)],
                          gid_map=[(0, 100000, 65536)])
        self.assertEqual(out.split(), ['0', '0', '100000', '65536', 'x'])

    def test_a_user_namespace_sees_what_the_machines_namespaces_show(self):
        """proc, sysfs and mqueue of namespaces that belong to the machine, which it may not mount."""
        mounts = ap.STANDARD_MOUNTS + (
            ap.mount(ap.FS, '/sys', 'sysfs', 'sysfs', None, ap.RDONLY | ap.NOSUID | ap.NODEV | ap.NOEXEC),)
        os.makedirs(rig.root('lent') + '/sys')
        os.chown(rig.share + '/lent', 100000, 100000)
        out = self.output('mount | grep -E " /(sys|proc|dev/mqueue) " | cut -d" " -f3; ls /sys/class/net; '
                          'grep " /sys " /proc/self/mounts | grep -c "ro,nosuid,nodev,noexec"; '
                          'echo 1 > /sys/kernel/x; true', rootfs='lent', mounts=mounts, ns=(0, 0, 0, 1, 1, 1, 1),
                          uid_map=[(0, 100000, 65536)], gid_map=[(0, 100000, 65536)])
        self.assertEqual(sorted(out.split()), ['/dev/mqueue', '/proc', '/sys', '1', 'lo'])


class Mounts(AgentTest):
    def test_binds_of_folders_and_single_files(self):
        os.makedirs(rig.share + '/vol', exist_ok=True)
        with open(rig.share + '/vol/file', 'w') as f:
            f.write('content')
        out = self.output('cat /data/file /etc/resolv.conf; touch /data/x 2>&1 || true', mounts=ap.STANDARD_MOUNTS + (
            ap.mount(ap.SHARE, '/data', 'vol', ms=ap.RDONLY | ap.NOSUID),
            ap.mount(ap.SHARE, '/etc/resolv.conf', 'vol/file', flags=2)))
        self.assertTrue(out.startswith('contentcontent'), out)
        self.assertIn('Read-only file system', out)

    def test_writes_reach_the_host_before_the_exit_is_told(self):
        os.makedirs(rig.share + '/w', exist_ok=True)
        self.output('seq 1000 > /w/out', mounts=ap.STANDARD_MOUNTS + (ap.mount(ap.SHARE, '/w', 'w'),))
        with open(rig.share + '/w/out') as f:
            self.assertEqual(len(f.readlines()), 1000)

    def test_tmpcopyup_keeps_the_content(self):
        out = self.output('cat /etc/passwd | wc -l; grep " /etc " /proc/mounts', mounts=ap.STANDARD_MOUNTS + (
            ap.mount(ap.FS, '/etc', 'tmpfs', 'tmpfs', flags=1),))
        self.assertTrue(out.startswith('2\n'), out)
        self.assertIn('tmpfs', out)

    def test_shared_memory_is_one_for_all_that_name_it(self):
        shm = (ap.mount(ap.SHM, '/shared', 'one', data='size=1m,mode=1777'),)
        first = self.start(shell('echo from-first > /shared/x; sleep 1000'), mounts=ap.STANDARD_MOUNTS + shm)
        out = self.output('while [ ! -s /shared/x ]; do sleep 0.1; done; cat /shared/x',
                          mounts=ap.STANDARD_MOUNTS + shm)
        self.assertEqual(out, 'from-first\n')
        self.agent.delete(first)

    def test_the_cgroup_is_its_own_root(self):
        out = self.output('grep 0:: /proc/self/cgroup; ls /sys/fs/cgroup | grep -c cgroup.procs; '
                          'mkdir /sys/fs/cgroup/x 2>&1 || true',
                          mounts=ap.STANDARD_MOUNTS + (ap.mount(ap.CGROUP, '/sys/fs/cgroup', ms=ap.RDONLY),))
        self.assertTrue(out.startswith('0::/\n1\n'), out)
        self.assertIn('Read-only', out)

    def test_sysctl_and_hostname_are_the_containers(self):
        out = self.output('hostname; cat /proc/sys/kernel/msgmax', hostname='inside',
                          sysctl=[('kernel.msgmax', '4096')])
        self.assertEqual(out, 'inside\n4096\n')


class Pod(AgentTest):
    def test_members_share_the_namespaces_that_they_join(self):
        self.start(process(['sleep', '1000']), hostname='pause')
        pause = self.name
        out = self.output('hostname; ps', ns=(2, 0, 2, 2, 1, 1, 0), join=(pause, None, pause, pause) + (None,) * 3)
        self.assertIn('pause\n', out)
        self.assertIn('sleep 1000', out)

    def test_without_a_pid_namespace_the_rest_dies_with_the_init(self):
        self.start(process(['sleep', '1000']))
        pause = self.name
        ident = self.start(shell('sleep 900 & exit 0'), ns=(2, 0, 1, 1, 1, 1, 0), join=(pause,) + (None,) * 6)
        self.assertEqual(self.agent.wait(ident), 0)
        self.agent.delete(ident)
        self.assertNotIn('sleep 900', str(self.agent.request(ap.PS, self.ids[0])))


@unittest.skipUnless(MODE == 'host', "the agent's children are processes of this host there")
class TheProcessThatWaits(unittest.TestCase):
    """An agent of its own, for it is the first container that gets it."""

    def setUp(self):
        self.rig = Rig()
        pid = children(self.rig.process.pid)[0]
        self.waits = children(pid)
        self.agent_pid = pid
        if not self.waits:
            self.skipTest('without cgroup v2 none is made')

    def tearDown(self):
        self.assertEqual(self.rig.stop(), 0)

    def test_becomes_the_first_containers_and_nobody_forks(self):
        self.rig.agent.run(container('first', 'c', process(['sleep', '1000'])))
        self.assertEqual(children(self.agent_pid), self.waits)

    def test_is_gone_where_it_has_the_wrong_namespaces(self):
        self.rig.agent.run(container('first', 'c', process(['sleep', '1000']), ns=(0, 0, 1, 1, 1, 1, 0)))
        self.assertEqual(len(children(self.agent_pid)), 1)
        self.assertNotEqual(children(self.agent_pid), self.waits)

    def test_is_done_without_when_it_has_been_killed(self):
        pidfd = os.pidfd_open(self.waits[0])
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        self.assertTrue(select.select([pidfd], [], [], PROBE)[0])
        os.close(pidfd)
        self.rig.agent.run(container('first', 'c', process(['sleep', '1000'])))
        self.assertEqual(len(children(self.agent_pid)), 1)


@unittest.skipUnless(MODE == 'vm', 'limits need the controllers of a machine of its own')
class Limits(AgentTest):
    def test_memory_beyond_the_limit_is_killed_and_told(self):
        limit = ap.cgroup([('memory.max', '33554432')])
        ident = self.start(shell('dd if=/dev/zero of=/dev/null bs=200M count=1'), cgroup=limit)
        self.assertIn(self.agent.wait(ident), (137, -9))
        self.assertIn(ident, self.agent.oom)

    def test_limits_and_statistics(self):
        ident = self.start(process(['sleep', '1000']), cgroup=ap.cgroup([('memory.max', '67108864'),
                                                                         ('pids.max', '10')]))
        stats = ap.fields(self.agent.request(ap.STATS, ident))
        self.assertEqual(ap.number(stats[9][0]), 67108864)
        self.assertEqual(ap.number(stats[20][0]), 10)
        self.agent.request(ap.UPDATE, ident, ap.cgroup([('pids.max', '20')]))
        self.assertEqual(ap.number(ap.fields(self.agent.request(ap.STATS, ident))[20][0]), 20)

    def test_an_impossible_limit_fails_create(self):
        with self.assertRaises(AgentError) as caught:
            self.agent.create(self.plan(process(['true']), cgroup=ap.cgroup([('memory.nonsense', '1')])))
        self.assertIn('memory.nonsense', caught.exception.text)


@unittest.skipUnless(MODE == 'vm', "a host's clock is nothing to play with")
class Clock(AgentTest):
    def shift(self, ns):
        return ap.number(ap.fields(self.agent.request(ap.CLOCK, 0, ap.num(1, ns)))[2][0])

    def test_is_told_and_goes_where_the_host_wants_it(self):
        before, hour = self.shift(0), 3600 * 10**9
        self.assertLess(abs(self.shift(-hour) + hour - before), 60 * 10**9)
        after = self.shift(hour)
        self.assertTrue(before < after < before + 60 * 10**9, (before, after))
        soon = self.shift(10**8)    # goes there slowly
        self.assertLess(soon, after + 60 * 10**9)
        self.assertGreater(self.shift(0), soon)


@unittest.skipUnless(MODE == 'host', 'needs an agent that may be lost')
class Garbage(unittest.TestCase):
    def test_what_is_no_frame_ends_the_connection(self):
        for junk in (b'GET / HTTP/1.0' + b'x' * 20, b'\xa5\x56' + b'\xff' * 14,
                     b'\xa5\x56\x40\x00\xff\xff\xff\x7f' + b'\0' * 8):
            other = Rig()
            other.agent.sock.sendall(junk)
            with self.assertRaises((EOFError, ConnectionError)):
                other.agent.pump(lambda: False)
            self.assertEqual(other.process.wait(10), 0)
            other.agent.sock.close()
            shutil.rmtree(other.share)

    def test_malformed_bodies_are_refused_and_the_agent_lives(self):
        for kind in range(ap.SETUP, ap.PING):
            if kind != ap.POWEROFF:
                with self.assertRaises(AgentError, msg=kind):
                    rig.agent.request(kind, 12345, b'\x01\x00\x00\x00\xff\xff\xff\xffabc')
        rig.agent.request(ap.PING)

    def test_more_data_than_credit_ends_the_connection(self):
        other = Rig()
        ident = other.agent.create(container('x', 'c', process(['cat'], flags=ap.STDIN)))
        with self.assertRaises((EOFError, ConnectionError)):
            for _ in range(100):
                other.agent.send(ap.DATA, ident, 0, b'x' * 32768)
            other.agent.pump(lambda: False)
        self.assertEqual(other.process.wait(10), 0)
        other.agent.sock.close()
        shutil.rmtree(other.share)


@unittest.skipUnless(MODE == 'vm', 'on a host the end of the channel is the end of the agent')
class Reconnect(AgentTest):
    def test_a_new_connection_gets_hello_and_what_it_missed(self):
        ident = self.start(shell('echo before; sleep 1; echo after; exit 5'))
        self.agent.wait_output(ident, b'before')
        self.agent.sock.close()
        rig.agent = self.agent = rig.connect()
        self.agent.next_id = ident
        self.agent.setup()
        self.assertEqual(self.agent.wait(ident), 5)
        self.assertEqual(self.agent.stdout(ident), 'after\n')


if __name__ == '__main__':
    if MODE not in ('host', 'vm'):
        sys.exit(__doc__)
    if os.geteuid() != 0:
        print('skipped: needs root')
        sys.exit(77)
    unittest.main(argv=[sys.argv[0]] + sys.argv[3:])
