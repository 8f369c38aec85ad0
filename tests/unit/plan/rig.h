/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rig.h - builds plans from snippets of config.json, with a made-up host behind the callbacks.
 * For the tests of this folder. One plan at a time; each build frees the one before.
 */
#ifndef PLAN_RIG_H
#define PLAN_RIG_H
#include "plan/build.h"

struct rig {
    struct oci_spec *spec;
    struct plan_input in;
    struct plan_container c;
    struct plan_shares shares;
    struct err err;
};
extern struct rig rig;

/* Disks that stand for parts of the bundles built from now on. */
void rig_disks(const struct plan_disk *disks, size_t n);
/* Their mounts of servers. */
void rig_nfs(const struct plan_nfs *nfs, size_t n);

/*
 * The minimal bundle with the given members added at the top level and in `linux` (both may be
 * NULL); answers what plan_build did.
 */
int rig_build(const char *top, const char *linux_part);
/* The same, but a failure fails the test. */
void rig_must(const char *top, const char *linux_part);
/* rig_must with one mount of the given JSON members; its plan. */
const struct plan_mount *rig_mount(const char *members);
void rig_load(const char *sample);      /* tests/data/oci/SAMPLE, built; fails the test */
bool rig_warned(const char *part);      /* one of the warnings contains it */
const char *rig_file(const char *name); /* what is written to the cgroup file; NULL = nothing */

#endif
