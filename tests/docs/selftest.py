#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""docs.selftest: the checks find wrong pages, so that their silence means something."""
import unittest

import caps
import keys
import links
import options
import pages

TOP = """usage: anyvisor [options] VERB
Verbs:
  run           create and start
  config check  check the configuration
Options:
      --root DIR   state
  -h, --help       this
"""
RUN = "usage: anyvisor run ID\n\n  -b, --bundle DIR  the bundle\n      --keep        keep it\n"
CHECK = "usage: anyvisor config check\n\n  -h, --help  this\n"
PAGE_TOP = "# GLOBAL OPTIONS\n\n*--root* _DIR_\n\tx\n\n*-h*, *--help*\n\tx\n\n# FILES\n\n*--no*\n"
PAGE_RUN = "# SYNOPSIS\n\n*--no*\n\n# OPTIONS\n\n*-b*, *--bundle* _DIR_\n\tx\n\n*--keep*\n\tx\n"
PAGE_CHECK = "# OPTIONS\n\n*-h*, *--help*\n\tx\n"


class Options(unittest.TestCase):
    def check(self, **changed):
        texts = {"top": TOP, "run": RUN, "config check": CHECK, "page": PAGE_TOP,
                 "page_run": PAGE_RUN, **changed}
        have = {"anyvisor.1.scd": texts["page"], "anyvisor-run.1.scd": texts["page_run"],
                "anyvisor-config-check.1.scd": PAGE_CHECK, "anyvisor.yaml.5.scd": "",
                **changed.get("more", {})}
        return options.check(lambda *v: texts[" ".join(v) or "top"], have)[0]

    def test_pages_that_agree_pass(self):
        self.assertEqual(self.check(), [])

    def test_a_page_of_a_sub_verb_is_that_of_its_verb(self):
        short = TOP.replace("config check  check", "config        check")
        self.assertEqual(self.check(top=short, **{"config": CHECK}), [])
        self.assertTrue(self.check(top=short, **{"config": CHECK + "  --new  x\n"}))

    def test_a_verb_without_page_is_found(self):
        self.assertIn("verb 'stop'", str(self.check(top=TOP + "  stop  x\n")))

    def test_a_page_without_verb_is_found(self):
        self.assertIn("verb 'nope'", str(self.check(more={"anyvisor-nope.1.scd": ""})))

    def test_an_undocumented_option_is_found(self):
        for line in ("      --new  x\n", "  -n, --new N  x\n", "  -n  x\n", "  --new=N  x\n",
                     "  --new, -n N  x\n"):
            self.assertEqual(len(self.check(run=RUN + line)), line.count("-n"), line)

    def test_a_documented_option_that_is_gone_is_found(self):
        self.assertIn("'--old'", str(self.check(page_run=PAGE_RUN + "\n*--old*\n\tx\n")))
        self.assertIn("'-o'", str(self.check(page=PAGE_TOP.replace("*-h*", "*-o*"))))

    def test_no_verbs_at_all_is_found(self):
        self.assertTrue(self.check(top=""))


class Keys(unittest.TestCase):
    KNOWN = {"version", "defaults.vm.memory", "classes[].name", "defaults", "classes[]"}
    PAGE = "# KEYS\n\n*version*\n\tx\n\n*defaults.vm.memory*\n\n*classes*\n\n*classes[].name*\n"
    YAML = ("version: 1\ndefaults:\n  vm: {memory: auto}   # note: free words\n"
            "classes: []\n#  - name: x\n")

    def check(self, page=PAGE, example=YAML, known=None):
        return keys.check("f", known or self.KNOWN, "page", page, "example", example)

    def test_agreement_passes(self):
        self.assertEqual(self.check(), [])

    def test_a_key_without_page_is_found(self):
        self.assertTrue(self.check(known=self.KNOWN | {"defaults.vm.cpus"}))
        self.assertTrue(self.check(page=self.PAGE.replace("*version*", "")))

    def test_an_unknown_key_of_the_page_is_found(self):
        self.assertTrue(self.check(page=self.PAGE + "\n*defaults.vm.nope*\n"))

    def test_the_example_is_compared_both_ways(self):
        self.assertTrue(self.check(example=self.YAML.replace("memory", "")))
        self.assertTrue(self.check(example=self.YAML + "nope: 1\n"))
        self.assertTrue(self.check(example=self.YAML + "  #  - nope: 1\n"))
        self.assertTrue(self.check(example=self.YAML + "version: {nope: 1}\n"))

    def test_comments_of_the_example_explain_keys(self):
        short = self.YAML.replace("- name: x", "")
        self.assertTrue(self.check(example=short))
        self.assertEqual(self.check(example=short + "#   name, other   words\n"), [])
        self.assertEqual(self.check(example=self.YAML + "# none: a sentence of words\n"), [])


class Caps(unittest.TestCase):
    HEADER = ("#define HVP_CAP_A (1)\n#define HVP_CAP_B_C (2)\nstruct hvp_plugin {\n"
              "    int (*load)(void);\n    int (*vm_pause)(void *vm);\n};\n")
    NAMES = 'caps[] = {"a", "b-c"};'
    MANUAL = "HVP_CAP_A `load` HVP_CAP_B_C `vm_pause`"

    def check(self, header=HEADER, names=NAMES, manual=MANUAL):
        return caps.check(header, names, manual)[0]

    def test_agreement_passes(self):
        self.assertEqual(self.check(), [])

    def test_differences_are_found(self):
        for changed in ({"manual": self.MANUAL.replace("HVP_CAP_A", "")},
                        {"manual": self.MANUAL + " HVP_CAP_X"},
                        {"manual": self.MANUAL.replace("`load`", "")},
                        {"manual": self.MANUAL + " `vm_nope`"},
                        {"header": "#define HVP_CAP_D (4)\n" + self.HEADER},
                        {"names": 'caps[] = {"a"};'}, {"names": 'caps[] = {"a", "x"};'},
                        {"header": ""}):
            self.assertTrue(self.check(**changed), changed)


class Links(unittest.TestCase):
    def test_only_broken_links_are_found(self):
        text = ("[a](b.md) [w](https://x/y) [s](#here) `[c](code)`\n```\n[d](block)\n```\n"
                "[e](../r.md#part)\n[gone](gone.md)\n")
        have = {"docs/b.md", "r.md"}
        self.assertEqual(pages.broken_links("docs/a.md", text, have.__contains__),
                         ["docs/a.md:6: 'gone.md' leads nowhere"])

    def test_missing_pages_are_found(self):
        have = ["anyvisor.1.scd"]
        self.assertEqual(links.missing_pages("x", "*anyvisor*(1) *runc*(8)", have), [])
        self.assertTrue(links.missing_pages("x", "*anyvisor.yaml*(5)", have))


if __name__ == "__main__":
    unittest.main()
