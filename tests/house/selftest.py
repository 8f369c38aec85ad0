#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""house.selftest: the checks find what they are there for, so that their silence means something."""
import unittest

import arrows
import banned
import sources


class Arrows(unittest.TestCase):
    def wrong(self, path, line):
        return bool(arrows.check_file(path, f"#include {line}\n"))

    def test_forbidden_arrows_are_found(self):
        for path, line in (("core/base/a.c", '"oci/spec.h"'), ("core/base/a.c", "<json-c/json.h>"),
                           ("core/oci/a.c", '"config/config.h"'), ("core/cli/a.c", '"monitor/x.h"'),
                           ("core/monitor/a.c", '"cli/cli.h"'), ("core/state/a.c", '"plan/plan.h"'),
                           ("core/proxy/a.c", '"oci/spec.h"'), ("core/new/a.c", '"base/err.h"'),
                           ("core/cli/a.c", "<dlfcn.h>"), ("core/cli/a.c", "<anyvisor/hvp.h>"),
                           ("backends/kvm/a.c", '"base/err.h"'), ("backends/kvm/a.c", '"xen/x.h"'),
                           ("backends/xen/a.c", "<libvirt/libvirt.h>"),
                           ("guest/agent/a.c", '"oci/oci.h"'),
                           ("guest/proto/a.c", '"agent/a.h"'), ("guest/agent/a.c", "<yaml.h>"),
                           ("core/cli/a.c", "<curl/curl.h>")):
            self.assertTrue(self.wrong(path, line), f"{path} {line}")

    def test_allowed_arrows_pass(self):
        for path, line in (("core/base/a.c", '"base/err.h"'), ("core/base/a.c", "<linux/fs.h>"),
                           ("core/oci/a.c", "<json-c/json.h>"), ("core/cli/a.c", '"monitor/ipc.h"'),
                           ("core/proxy/a.c", '"proto/frame.h"'), ("core/plan/a.c", "<seccomp.h>"),
                           ("core/monitor/a.c", "<anyvisor/hvp.h>"),
                           ("core/channel/a.c", '"proto/frame.h"'),
                           ("backends/kvm/a.c", "<anyvisor/hvp.h>"),
                           ("backends/kvm/a.c", '"common/json.h"'), ("backends/kvm/a.c", '"qmp.h"'),
                           ("guest/agent/a.c", '"proto/frame.h"')):
            self.assertFalse(self.wrong(path, line), f"{path} {line}")

    def test_comments_are_no_includes(self):
        self.assertEqual(arrows.check_file("core/base/a.c", '/*\n#include "cli/x.h"\n*/\n'), [])


class Banned(unittest.TestCase):
    def test_calls_are_found_with_their_line(self):
        self.assertEqual(banned.check_file("a.c", "int x;\n  system (cmd);\n"),
                         ["a.c:2: system() is banned"])
        for call in ("strcpy", "strcat", "sprintf", "vsprintf", "strtok", "atoi", "popen", "gets"):
            self.assertTrue(banned.check_file("a.c", f"{call}(x)"), call)

    def test_relatives_comments_and_strings_pass(self):
        text = 'fgets(x); snprintf(x); strtok_r(x); /* system( */ // atoi(\n puts("gets(");\n'
        self.assertEqual(banned.check_file("a.c", text), [])


class Strip(unittest.TestCase):
    def test_line_numbers_are_kept(self):
        self.assertEqual(sources.strip("/* a\n b */ c\n").count("\n"), 2)


if __name__ == "__main__":
    unittest.main()
