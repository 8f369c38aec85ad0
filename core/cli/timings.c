/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdlib.h>
#include "base/cleanup.h"
#include "base/timing.h"
#include "cli/cli.h"
#include "cli/timings.h"

#define NS_PER_US 1000

struct timings_options {
    const char *format;
};

static const struct option_row rows[] = {
    {"format", 'f', OPTION_TEXT, offsetof(struct timings_options, format), "FORMAT",
     "table or json"},
};

/* In the order of time. */
static const struct {
    const char *name;
    size_t offset;
} phases[] = {
    {"plugin_loaded", offsetof(struct ipc_timings, plugin_loaded)},
    {"vm_created", offsetof(struct ipc_timings, vm_created)},
    {"vm_started", offsetof(struct ipc_timings, vm_started)},
    {"hello", offsetof(struct ipc_timings, hello)},
    {"setup", offsetof(struct ipc_timings, setup)},
    {"create_asked", offsetof(struct ipc_timings, create_asked)},
    {"created", offsetof(struct ipc_timings, created)},
    {"start_asked", offsetof(struct ipc_timings, start_asked)},
    {"started", offsetof(struct ipc_timings, started)},
    {"exited", offsetof(struct ipc_timings, exited)},
};

size_t timings_phases(const struct ipc_timings *t, struct timings_phase *ret)
{
    uint64_t before = t->begin;
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
        uint64_t at = *(const uint64_t *)((const char *)t + phases[i].offset);

        if (at < t->begin || at == 0)
            continue; /* not reached; or nonsense */
        ret[n].name = phases[i].name;
        ret[n].at_ns = at - t->begin;
        ret[n].took_ns = at > before ? at - before : 0;
        before = MAX(before, at);
        n++;
    }
    return n;
}

static int print_json(const char *id, const struct timings_phase *p, size_t n, struct err *err)
{
    json_object *root = json_object_new_object(), *list = json_object_new_array();
    int r;

    json_object_object_add(root, "id", json_object_new_string(id));
    json_object_object_add(root, "phases", list);
    for (size_t i = 0; i < n; i++) {
        json_object *o = json_object_new_object();

        json_object_object_add(o, "name", json_object_new_string(p[i].name));
        json_object_object_add(o, "at_us",
                               json_object_new_int64((int64_t)(p[i].at_ns / NS_PER_US)));
        json_object_object_add(o, "took_us",
                               json_object_new_int64((int64_t)(p[i].took_ns / NS_PER_US)));
        json_object_array_add(list, o);
    }
    r = cli_print(json_object_to_json_string_ext(root, JSON_C_TO_STRING_PRETTY), err);
    json_object_put(root);
    return r;
}

static int print_table(const struct timings_phase *p, size_t n, struct err *err)
{
    cleanup_free char *text = xstrdup("PHASE                AT        TOOK");
    const double ms = 1e6;

    for (size_t i = 0; i < n; i++) {
        cleanup_free char *old = text;

        text = xasprintf("%s\n%-14s%8.1f ms%8.1f ms", old, p[i].name, (double)p[i].at_ns / ms,
                         (double)p[i].took_ns / ms);
    }
    return cli_print(text, err);
}

static int ask(const struct cli *cli, const char *id, struct ipc_timings *ret, struct err *err)
{
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
    int r = container_open(cli, id, &c, err);

    if (r < 0 ||
        (r = container_request(cli, &c, IPC_TIMINGS, NULL, CLI_REQUEST_MS, &reply, err)) < 0)
        return r;
    if (ipc_timings_get(wire_over(reply.body, reply.body_len), ret) < 0)
        return err_set(err, EPROTO, "the monitor has sent malformed timings");
    return 0;
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct timings_options *o = options;
    struct timings_phase found[TIMINGS_PHASES];
    struct ipc_timings t = {0};
    bool json;
    size_t n;
    int r;

    (void)argc;
    if ((r = cli_format(o->format, &json, err)) < 0 || (r = ask(cli, argv[0], &t, err)) < 0)
        return r;
    n = timings_phases(&t, found);
    return json ? print_json(argv[0], found, n, err) : print_table(found, n, err);
}

const struct verb verb_timings = {
    .name = "timings",
    .arguments = "ID",
    .summary = "say where the time of a start went",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct timings_options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
