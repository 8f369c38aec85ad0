/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fixture.h - descriptors for the plug-ins of this folder, and a VM specification that fits them.
 * For the tests of tests/abi only.
 */
#ifndef ABI_FIXTURE_H
#define ABI_FIXTURE_H
#include "plugin/plugin.h"

struct fixture {
    char dir[64];        /* temporary: the descriptor's file is there */
    struct descriptor d; /* for PLUG_DIR/<so>.so */
    struct hvp_host host;
};

/* so: name of a plug-in built here; keys: "key=value", NULL-terminated, on lines 7, 8, ... */
void fixture_init(struct fixture *f, const char *so, const char *const *keys);
void fixture_done(struct fixture *f);

struct plugin *fixture_open(struct fixture *f); /* fails the test with the sentence */
struct plugin *fixture_probed(struct fixture *f);
void fixture_refused(struct fixture *f, int want, const char *sentence); /* by plugin_open */

void fixture_spec(struct hvp_vm_spec *ret);
struct plugin_vm *fixture_vm(struct plugin *p);

bool is_mapped(const char *so); /* is this file mapped into the test program? */

#endif
