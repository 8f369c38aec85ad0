/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `view diff`: does a container see the same in two classes? */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "base/macros.h"
#include "base/path.h"
#include "cli/view/bundle.h"
#include "cli/view/facts.h"
#include "oci/oci.h"

#define RULES_MAX MIB

struct view_options {
    const char *format;
    bool all;
};

static const struct option_row rows[] = {
    {"format", 'f', OPTION_TEXT, offsetof(struct view_options, format), "FORMAT", "text or json"},
    {"all", 'a', OPTION_FLAG, offsetof(struct view_options, all), NULL,
     "also what may differ, with the reason"},
};

static int load_rules(const struct cli *cli, struct view_permitted *ret, struct err *err)
{
    cleanup_free char *path = path_join(cli->layout.guest_dir, "view.permitted");
    cleanup_free char *text = NULL;
    int r = path_read(AT_FDCWD, path, RULES_MAX, &text, NULL, err);

    return r < 0 ? r : view_permitted_parse(text, path, ret, err);
}

static char *in_words(const struct view_result *r, char *const classes[2], bool all)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (!f)
        return xstrdup("");
    for (size_t i = 0; i < r->n; i++) {
        const struct view_difference *d = &r->v[i];

        if (!d->reason)
            fprintf(f, "%s: %s\n", classes[d->side], d->fact);
        else if (all)
            fprintf(f, "%s: %s  (may differ: %s)\n", classes[d->side], d->fact, d->reason);
    }
    fprintf(f, "%zu facts are the same, %zu differ, %zu differ as they may%s\n", r->same,
            r->unexplained, r->n - r->unexplained,
            !all && r->n > r->unexplained ? " (--all shows them)" : "");
    fclose(f);
    return text;
}

static json_object *difference_json(const struct view_difference *d, char *const classes[2])
{
    json_object *o = json_object_new_object();

    json_object_object_add(o, "class", json_object_new_string(classes[d->side]));
    json_object_object_add(o, "fact", json_object_new_string(d->fact));
    json_object_object_add(o, "permitted", d->reason ? json_object_new_string(d->reason) : NULL);
    return o;
}

static char *in_json(const struct view_result *r, char *const classes[2])
{
    json_object *o = json_object_new_object(), *list = json_object_new_array(),
                *names = json_object_new_array();
    char *text;

    for (size_t i = 0; i < 2; i++)
        json_object_array_add(names, json_object_new_string(classes[i]));
    for (size_t i = 0; i < r->n; i++)
        json_object_array_add(list, difference_json(&r->v[i], classes));
    json_object_object_add(o, "ok", json_object_new_boolean(r->unexplained == 0));
    json_object_object_add(o, "classes", names);
    json_object_object_add(o, "same", json_object_new_uint64(r->same));
    json_object_object_add(o, "differences", list);
    text = xstrdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
                                                         JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(o);
    return text;
}

/* A bundle that is none shall be told of before a VM boots. */
static int check_bundle(const char *bundle, struct err *err)
{
    struct oci_spec *spec = NULL;
    int r = bundle ? oci_bundle_load(bundle, &spec, err) : 0;

    oci_spec_free(spec);
    return r;
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct view_options *o = options;
    const char *bundle = argc > 2 ? argv[2] : NULL;
    cleanup_call(view_permitted_done) struct view_permitted rules = {0};
    cleanup_call(view_result_done) struct view_result result = {0};
    cleanup_free char *a = NULL, *b = NULL, *text = NULL;
    bool json;
    int r;

    if ((r = cli_format(o->format, &json, err)) < 0 || (r = load_rules(cli, &rules, err)) < 0 ||
        (r = check_bundle(bundle, err)) < 0)
        return r;
    signal(SIGINT, SIG_IGN); /* the container's `run` ends by it, and then this verb by itself */
    if ((r = view_dump(cli, argv[0], bundle, &a, err)) < 0 ||
        (r = view_dump(cli, argv[1], bundle, &b, err)) < 0)
        return r;
    view_compare(a, b, VIEW_PROBE_AT, &rules, &result);
    text = json ? in_json(&result, argv) : in_words(&result, argv, o->all);
    if ((r = cli_print(text, err)) < 0)
        return r;
    return result.unexplained > 0;
}

const struct verb verb_view = {
    .name = "view diff",
    .arguments = "CLASS-A CLASS-B [BUNDLE]",
    .summary = "compare what a container sees in two classes",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct view_options),
    .min_args = 2,
    .max_args = 3,
    .failure = 2, /* as diff(1) */
    .run = run,
};
