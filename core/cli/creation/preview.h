/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preview.h - what `create` would make of a bundle, in words or JSON: the decision and the plan.
 * For `explain` and `create --dry-run`; nothing on the host changes.
 */
#ifndef CLI_PREVIEW_H
#define CLI_PREVIEW_H
#include "cli/creation/choice.h"
#include "cli/cli.h"
#include "cli/disks/disks.h"
#include "plan/build.h"

struct preview {
    const struct cli *cli;
    struct choice *choice;         /* of a VM of its own; the decision may have failed */
    const struct container *owner; /* whose VM it joins; NULL = none */
    struct oci_spec *spec;
    const struct disks *disks; /* chosen */
    const char *id;
    const char *failure; /* why there is no VM: then there is no plan */
    bool json;
};

/* What the plan says; empty where there is none. */
struct planned {
    struct plan_container plan;
    struct plan_shares shares;
    struct boot_files boot;
};

/* The root file system as a mount of the plan; strings borrowed. */
struct plan_mount preview_root(const struct plan_container *c);
/* One mount of the plan: "share", "tmpfs", ...; "ro,nosuid" (caller frees); a host path, or NULL.
 */
const char *preview_kind(const struct plan_mount *m);
char *preview_options(const struct plan_mount *m);
const char *preview_source(const struct plan_shares *s, const struct plan_mount *m);

/* preview_json.c; caller frees. d NULL: no plan. */
char *preview_json(const struct preview *p, const struct planned *d);

/* Print it. A bundle that cannot be planned is an error, told after what could be decided. */
int preview_print(struct preview *p, struct err *err);

#endif
