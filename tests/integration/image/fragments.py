#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The fragments of the small guest kernel without the kernel's source: fragments.py REPOSITORY.

What only the source's Kconfig can tell is checked when the kernel is built (guest/kernel/kconfig.py),
and that this check finds what it should is checked here."""
import glob
import os
import subprocess
import sys
import tempfile
import unittest

TOP = sys.argv[1]
KERNEL = os.path.join(TOP, "guest", "kernel")
sys.path.insert(0, KERNEL)
sys.dont_write_bytecode = True
import kconfig  # noqa: E402  the folder is given on the command line

# What the stock image loads as a module the small kernel has built in. Names differ where
# underscores and dashes were lost.
SYMBOLS = {
    "virtio_pci": "VIRTIO_PCI", "virtio_console": "VIRTIO_CONSOLE", "9pnet_virtio": "NET_9P_VIRTIO", "9p": "9P_FS",
    "virtio_net": "VIRTIO_NET", "virtio_blk": "VIRTIO_BLK", "crc32c_generic": "CRYPTO_CRC32C", "ext4": "EXT4_FS",
    "xfs": "XFS_FS", "overlay": "OVERLAY_FS", "vsock": "VSOCKETS", "vmw_vsock_virtio_transport": "VIRTIO_VSOCKETS",
    "virtio-rng": "HW_RANDOM_VIRTIO", "squashfs": "SQUASHFS", "erofs": "EROFS_FS", "tun": "TUN", "loop": "BLK_DEV_LOOP",
    "fuse": "FUSE_FS", "veth": "VETH", "virtio_balloon": "VIRTIO_BALLOON",
    "virtio_mem": "VIRTIO_MEM", "nfs": "NFS_FS", "nfsv3": "NFS_V3",
    "nfsv4": "NFS_V4", "9pnet_xen": "NET_9P_XEN", "xen-blkfront": "XEN_BLKDEV_FRONTEND",
    "xen-netfront": "XEN_NETDEV_FRONTEND",
    "bridge": "BRIDGE", "br_netfilter": "BRIDGE_NETFILTER", "macvlan": "MACVLAN", "8021q": "VLAN_8021Q",
    "nf_tables": "NF_TABLES", "nft_compat": "NFT_COMPAT", "nft_chain_nat": "NFT_NAT", "nft_ct": "NFT_CT",
    "nft_masq": "NFT_MASQ", "nft_nat": "NFT_NAT", "nft_reject_ipv4": "NFT_REJECT", "xt_MASQUERADE": "NETFILTER_XT_TARGET_MASQUERADE",
    "xt_addrtype": "NETFILTER_XT_MATCH_ADDRTYPE", "xt_conntrack": "NETFILTER_XT_MATCH_CONNTRACK",
    "xt_nat": "IP_NF_NAT", "xt_tcpudp": "NETFILTER_XTABLES",
}


def archs():
    return sorted(os.path.basename(p)[len("modules."):] for p in glob.glob(TOP + "/guest/image/modules.*")
                  if not p.endswith(".common"))


def fragments(arch):
    return [os.path.join(KERNEL, name + ".config") for name in ("common", arch)]


def modules(arch):
    names = set()
    for part in (arch, "common"):
        with open("%s/guest/image/modules.%s" % (TOP, part), encoding="utf-8") as f:
            for line in f:
                if line.strip() and not line.startswith("#"):
                    names.update(line.split()[1:])
    return names


class Fragments(unittest.TestCase):
    def test_each_architecture_has_one_and_no_symbol_twice(self):
        self.assertIn("x86_64", archs())
        for arch in archs():
            rows = [s for path in fragments(arch) for s, _, _ in kconfig.settings(path)]
            self.assertGreater(len(rows), 200, arch)
            self.assertEqual(sorted(rows), sorted(set(rows)), arch)

    def test_every_module_of_the_stock_image_is_built_in(self):
        for arch in archs():
            on = {s for path in fragments(arch) for s, v, _ in kconfig.settings(path) if v == "y"}
            for name in modules(arch):
                self.assertIn(name, SYMBOLS, "a new module: name its symbol here")
                self.assertIn(SYMBOLS[name], on, "module %s of %s" % (name, arch))


class Check(unittest.TestCase):
    """kconfig.py on a source and a configuration made up for it."""

    def run_it(self, fragment, config):
        with tempfile.TemporaryDirectory() as tmp:
            for name, text in (("Kconfig", "config KNOWN\n\tbool\nmenuconfig MENU\nconfig STRING\n"),
                               ("fragment", fragment), ("config", config)):
                with open(os.path.join(tmp, name), "w", encoding="utf-8") as f:
                    f.write(text)
            r = subprocess.run([sys.executable, os.path.join(KERNEL, "kconfig.py"), tmp, tmp + "/config",
                                tmp + "/fragment"], stderr=subprocess.PIPE, text=True)
            return r.returncode, r.stderr

    def test_what_became_as_wanted_is_good(self):
        text = 'CONFIG_KNOWN=y\nCONFIG_STRING="a b"\n'
        self.assertEqual(self.run_it("# why\n\n" + text, text + "# CONFIG_MENU is not set\n"), (0, ""))

    def test_what_was_dropped_is_named_with_its_line(self):
        status, said = self.run_it("CONFIG_KNOWN=y\nCONFIG_MENU=y\n", "CONFIG_KNOWN=y\n")
        self.assertEqual(status, 1)
        self.assertIn("fragment:2: CONFIG_MENU=y became n", said)

    def test_a_misspelt_symbol_is_unknown(self):
        status, said = self.run_it("CONFIG_KNOWM=y\n", "CONFIG_KNOWN=y\n")
        self.assertEqual(status, 1)
        self.assertIn("CONFIG_KNOWM is unknown", said)

    def test_a_module_is_not_what_was_wanted(self):
        self.assertIn("CONFIG_KNOWN=y became m", self.run_it("CONFIG_KNOWN=y\n", "CONFIG_KNOWN=m\n")[1])

    def test_twice_is_a_mistake(self):
        status, said = self.run_it("CONFIG_KNOWN=y\nCONFIG_KNOWN=y\n", "CONFIG_KNOWN=y\n")
        self.assertEqual(status, 1)
        self.assertIn("already set by fragment:1", said)

    def test_a_line_that_is_neither_is_refused(self):
        status, said = self.run_it("KNOWN=y\n", "")
        self.assertEqual(status, 1)
        self.assertIn("fragment:1: neither", said)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
