#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares manifest.json with what the image holds: manifest.py RECIPE_DIR AGENT IMAGE_DIR.

Reads the archive with a parser of its own, not with the code that wrote it."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

RECIPE, AGENT, IMAGE = sys.argv[1:4]


def read(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def cpio_entries(data):
    """{name: (mode, uid, gid, mtime, rdev, content)} of a newc archive."""
    entries, at = {}, 0
    while True:
        assert data[at:at + 6] == b"070701", "no newc header at %d" % at
        f = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        name = data[at + 110:at + 110 + f[11] - 1].decode()
        body = (at + 110 + f[11] + 3) & ~3
        if name == "TRAILER!!!":
            return entries
        assert name not in entries, name + " occurs twice"
        entries[name] = (f[1], f[2], f[3], f[5], (f[9], f[10]), data[body:body + f[6]])
        at = (body + f[6] + 3) & ~3


class Manifest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.manifest = json.loads(read(IMAGE, "manifest.json"))
        cls.entries = cpio_entries(read(IMAGE, "initramfs.cpio"))

    def test_digests_and_sizes_are_those_of_the_files(self):
        self.assertEqual(set(self.manifest["files"]), {"vmlinux", "initramfs.cpio", "small/initramfs.cpio"})
        for name, want in self.manifest["files"].items():
            data = read(IMAGE, name)
            self.assertEqual((sha256(data), len(data)), (want["sha256"], want["size"]), name)

    def test_init_is_the_agent(self):
        self.assertEqual(self.entries["init"][0], 0o100755)
        self.assertEqual(self.entries["init"][5], read(AGENT))
        self.assertEqual(self.manifest["agent"]["sha256"], sha256(read(AGENT)))

    def test_image_of_the_small_kernel_is_the_same_without_modules(self):
        small = cpio_entries(read(IMAGE, "small", "initramfs.cpio"))
        want = {n: e for n, e in self.entries.items()
                if not n.endswith(".ko") and n not in ("etc/anyvisor/modules", "sbin/modprobe")}
        self.assertEqual(small, want)

    def test_listed_modules_are_the_modules_of_the_archive(self):
        lines = [line for line in self.entries["etc/anyvisor/modules"][5].decode().splitlines()
                 if not line.startswith("alias ")]
        mods = self.manifest["modules"]
        listed = ["boot " + m for m in mods["boot"]]
        listed += ["late %s %s" % (g, m) for g, ms in mods["late"].items() for m in ms]
        self.assertEqual(sorted(lines), sorted(listed))
        held = {os.path.basename(n) for n in self.entries if n.endswith(".ko")}
        self.assertEqual(held, {line.split()[-1] for line in lines})

    def test_what_the_kernel_asks_for_is_a_group(self):
        aliases = [line.split() for line in self.entries["etc/anyvisor/modules"][5].decode().splitlines()
                   if line.startswith("alias ")]
        self.assertIn(["alias", "rtnl-link-bridge", "bridge"], aliases)
        self.assertLessEqual({a[2] for a in aliases}, set(self.manifest["modules"]["late"]))
        self.assertEqual(self.entries["sbin/modprobe"][5], b"/init")

    def test_modules_come_after_what_they_need(self):
        order = self.manifest["modules"]["boot"]
        for first, then in (("virtio.ko", "virtio_pci.ko"), ("9pnet.ko", "9pnet_virtio.ko"),
                            ("netfs.ko", "9p.ko"), ("virtio_ring.ko", "virtio_console.ko")):
            self.assertLess(order.index(first), order.index(then))
        ext4 = self.manifest["modules"]["late"]["ext4"]
        self.assertLess(ext4.index("crc32c_generic.ko"), ext4.index("ext4.ko"))

    def test_modules_belong_to_the_kernel(self):
        release = self.manifest["kernel"]["release"].encode()
        self.assertIn(b"Linux version " + release + b" ", read(IMAGE, "vmlinux"))
        for name, entry in self.entries.items():
            if name.endswith(".ko"):
                self.assertIn(b"vermagic=" + release + b" ", entry[5], name)

    def test_entries_belong_to_root_and_have_no_build_time(self):
        for name, (_, uid, gid, mtime, _, _) in self.entries.items():
            self.assertEqual((uid, gid), (0, 0), name)
            self.assertEqual(mtime, int(os.environ.get("SOURCE_DATE_EPOCH", "0")), name)

    def test_console_and_null_are_devices(self):
        self.assertEqual((self.entries["dev/console"][0], self.entries["dev/console"][4]), (0o20600, (5, 1)))
        self.assertEqual((self.entries["dev/null"][0], self.entries["dev/null"][4]), (0o20666, (1, 3)))

    def test_directories_come_before_their_contents(self):
        seen = set()
        for name in self.entries:
            parent = os.path.dirname(name)
            self.assertTrue(parent == "" or parent in seen, name)
            seen.add(name)


class Refusals(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.tmp)

    def build(self, agent, *more):
        return subprocess.run([os.path.join(RECIPE, "build.sh"), "--arch", "x86_64", "--agent", agent,
                               "--output", self.tmp + "/out", "--cache", self.tmp + "/cache", *more],
                              stderr=subprocess.PIPE, text=True)

    def test_dynamic_agent_is_refused(self):
        r = self.build("/bin/ls")
        self.assertEqual(r.returncode, 1)
        self.assertIn("dynamically linked", r.stderr)

    def test_script_as_agent_is_refused(self):
        r = self.build(os.path.join(RECIPE, "build.sh"))
        self.assertEqual(r.returncode, 1)
        self.assertIn("not an ELF program", r.stderr)

    def test_unknown_architecture_is_refused_by_name(self):
        r = self.build(AGENT, "--arch", "vax")
        self.assertEqual(r.returncode, 1)
        self.assertIn("'vax'", r.stderr)

    def test_kernel_without_elf_inside_is_refused(self):
        with open(self.tmp + "/vmlinuz", "wb") as f:
            f.write(b"\xfd7zXZ\0 not a stream \x1f\x8b\x08 neither")
        r = subprocess.run([os.path.join(RECIPE, "vmlinux.py"), self.tmp + "/vmlinuz", self.tmp + "/out"],
                           stderr=subprocess.PIPE, text=True)
        self.assertEqual(r.returncode, 1)
        self.assertIn("no XZ or gzip compressed ELF kernel", r.stderr)
        self.assertFalse(os.path.exists(self.tmp + "/out"))

    def test_damaged_image_is_not_up_to_date(self):
        inputs = json.loads(read(IMAGE, "manifest.json"))["inputs"]
        check = [os.path.join(RECIPE, "manifest.py"), "check", "--inputs", inputs]
        os.mkdir(self.tmp + "/small")
        for name in ("manifest.json", "vmlinux", "initramfs.cpio", "small/initramfs.cpio"):
            shutil.copy(os.path.join(IMAGE, name), os.path.join(self.tmp, name))
        self.assertEqual(subprocess.call([*check, self.tmp]), 0)
        with open(self.tmp + "/initramfs.cpio", "ab") as f:
            f.write(b"\0")
        self.assertEqual(subprocess.call([*check, self.tmp]), 1)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
