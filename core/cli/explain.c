/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "cli/disks.h"
#include "cli/inspect.h"

struct explain_options {
    const char *format, *cls;
};

static const struct option_row rows[] = {
    {"format", 'f', OPTION_TEXT, offsetof(struct explain_options, format), "FORMAT",
     "text or json"},
    {"class", 0, OPTION_TEXT, offsetof(struct explain_options, cls), "CLASS",
     "decide as if the workload were of this class; 'default' for none"},
};

static void set_text(json_object *o, const char *key, const char *value)
{
    json_object_object_add(o, key, value ? json_object_new_string(value) : NULL);
}

static json_object *options_json(const struct decision *d)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < d->n_options; i++) {
        json_object *o = json_object_new_object();

        set_text(o, "hypervisor", d->options[i].name);
        set_text(o, "verdict", policy_verdict_name(d->options[i].verdict));
        set_text(o, "reason", d->options[i].reason);
        json_object_array_add(list, o);
    }
    return list;
}

static json_object *size_json(const struct decision *d)
{
    json_object *o = json_object_new_object();

    json_object_object_add(o, "vcpus", json_object_new_int64(d->size.vcpus));
    json_object_object_add(o, "memory", json_object_new_uint64(d->size.memory));
    json_object_object_add(o, "overhead", json_object_new_uint64(d->size.overhead));
    set_text(o, "vcpus_why", d->size.vcpus_why);
    set_text(o, "memory_why", d->size.memory_why);
    set_text(o, "kernel", d->kernel);
    set_text(o, "image", d->image);
    set_text(o, "kernel_args", d->kernel_args);
    json_object_object_add(o, "boot_timeout_s", json_object_new_uint64(d->boot_timeout_s));
    return o;
}

static json_object *to_json(const struct choice *c, const char *failure)
{
    const struct decision *d = &c->decision;
    json_object *root = json_object_new_object(), *storage = json_object_new_object();
    json_object *notes = json_object_new_array();

    set_text(root, "class", d->cls);
    set_text(root, "rule", d->rule);
    set_text(root, "hypervisor", c->back_end ? c->back_end->name : NULL);
    set_text(root, "descriptor", c->back_end ? c->back_end->file : NULL);
    json_object_object_add(root, "options", options_json(d));
    json_object_object_add(root, "vm", size_json(d));
    set_text(storage, "rootfs", d->rootfs_storage);
    set_text(storage, "volumes", d->volume_storage);
    json_object_object_add(root, "storage", storage);
    for (size_t i = 0; i < d->notes.n; i++)
        json_object_array_add(notes, json_object_new_string(d->notes.v[i]));
    json_object_object_add(root, "notes", notes);
    set_text(root, "error", failure);
    return root;
}

static int print(const struct choice *c, bool json, const char *failure, struct err *err)
{
    cleanup_free char *text = NULL;
    json_object *o;
    int r;

    if (!json) {
        text = decision_explain_text(&c->decision);
        return cli_print(text, err);
    }
    o = to_json(c, failure);
    r = cli_print(
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE),
        err);
    json_object_put(o);
    return r;
}

static void free_spec(struct oci_spec **spec)
{
    oci_spec_free(*spec);
}

/* Which of its files come how; looked at, not opened. */
static int explain_storage(struct choice *c, const struct oci_spec *spec, struct err *err)
{
    cleanup_call(disks_done) struct disks disks = {0};
    int r = disks_choose("explain", spec, c, &disks, err);

    for (size_t i = 0; i < disks.why.n; i++)
        strv_add(&c->decision.notes, disks.why.v[i]);
    return r;
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct explain_options *o = options;
    cleanup_call(choice_done) struct choice c = {0};
    cleanup_call(free_spec) struct oci_spec *spec = NULL;
    struct err print_err = ERR_INIT;
    bool json;
    int r;

    (void)argc;
    if ((r = cli_format(o->format, &json, err)) < 0 ||
        (r = oci_bundle_load(argv[0], &spec, err)) < 0 || (r = choice_load(cli, &c, err)) < 0)
        return r;
    c.look_only = true;
    if (o->cls)
        cli->cls = o->cls;
    r = choice_make(cli, &c, spec, true, err);
    if (r == 0)
        r = explain_storage(&c, spec, err);
    if (r < 0 && !json && !c.decision.cls)
        return r;
    if (print(&c, json, r < 0 ? err->msg : NULL, &print_err) < 0 && r == 0) {
        *err = print_err;
        r = -err->code;
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
