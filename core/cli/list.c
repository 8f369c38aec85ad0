/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"
#include "cli/cli.h"

struct list_options {
    const char *format;
    bool quiet;
};

#define O(member) offsetof(struct list_options, member)
static const struct option_row rows[] = {
    {"format", 'f', OPTION_TEXT, O(format), "FORMAT", "table or json"},
    {"quiet", 'q', OPTION_FLAG, O(quiet), NULL, "ids only"},
};

static void add_json(struct json_object *list, const struct container *c)
{
    cleanup_free char *text = state_oci_json(&c->state, c->status);
    struct json_object *o = json_tokener_parse(text);

    json_object_array_add(list, o);
}

static void print_row(const struct container *c)
{
    const struct state *s = &c->state;

    printf("%-24s %-9d %-9s %-40s %-31s %s\n", s->id,
           c->status == STATE_STOPPED ? 0 : (int)s->proxy.pid, state_status_name(c->status),
           s->bundle, s->created ? s->created : "", s->owner ? s->owner : "");
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct list_options *o = options;
    cleanup_call(strv_done) struct strv ids = {0};
    struct json_object *list = NULL;
    bool json;
    int r;

    (void)argc;
    (void)argv;
    if ((r = cli_format(o->format, &json, err)) < 0 || (r = state_list(cli->root, &ids, err)) < 0)
        return r;
    if (json)
        list = json_object_new_array();
    else if (!o->quiet)
        printf("%-24s %-9s %-9s %-40s %-31s %s\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED",
               "OWNER");
    for (size_t i = 0; i < ids.n; i++) {
        cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};

        /* Gone meanwhile, or left by a create that died at once: gc's business, not the list's. */
        if (container_open(cli, ids.v[i], &c, NULL) < 0)
            continue;
        if (o->quiet)
            printf("%s\n", ids.v[i]);
        else if (json)
            add_json(list, &c);
        else
            print_row(&c);
    }
    if (list && !o->quiet)
        r = cli_print(json_object_to_json_string_ext(list, JSON_C_TO_STRING_NOSLASHESCAPE), err);
    json_object_put(list);
    return r;
}

const struct verb verb_list = {
    .name = "list",
    .arguments = "",
    .summary = "list the containers of this root",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct list_options),
    .run = run,
};
