/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "cli/disks/disks.h"
#include "cli/creation/preview.h"

#define EXPLAIN_ID "ID" /* of a container that nobody has named yet */

struct explain_options {
    const char *format, *cls;
};

static const struct option_row rows[] = {
    {"format", 'f', OPTION_TEXT, offsetof(struct explain_options, format), "FORMAT",
     "text or json"},
    {"class", 0, OPTION_TEXT, offsetof(struct explain_options, cls), "CLASS",
     "decide as if the workload were of this class; 'default' for none"},
};

static void free_spec(struct oci_spec **spec)
{
    oci_spec_free(*spec);
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct explain_options *o = options;
    cleanup_call(choice_done) struct choice c = {0};
    cleanup_call(free_spec) struct oci_spec *spec = NULL;
    cleanup_call(disks_done) struct disks disks = {0};
    struct preview preview = {.cli = cli, .choice = &c, .disks = &disks, .id = EXPLAIN_ID};
    struct err print_err = ERR_INIT;
    bool json;
    int r, shown;

    (void)argc;
    if ((r = cli_format(o->format, &json, err)) < 0 ||
        (r = oci_bundle_load(argv[0], &spec, err)) < 0 || (r = choice_load(cli, &c, err)) < 0)
        return r;
    c.look_only = true;
    preview.spec = spec;
    preview.json = json;
    if (o->cls)
        cli->cls = o->cls;
    r = choice_make(cli, &c, spec, true, err);
    if (r == 0)
        r = disks_add_volumes(spec, &c, err);
    if (r == 0)
        r = disks_choose(EXPLAIN_ID, spec, &c, &disks, err);
    if (r < 0 && !json && !c.decision.cls)
        return r;
    preview.failure = r < 0 ? err->msg : NULL;
    shown = preview_print(&preview, &print_err);
    if (r == 0 && shown < 0) {
        *err = print_err;
        r = shown;
    }
    return r;
}

const struct verb verb_explain = {
    .name = "explain",
    .arguments = "BUNDLE",
    .summary = "say which hypervisor a bundle would get, and why",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct explain_options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
