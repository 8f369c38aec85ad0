/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs `template build`, `template list` and `template remove`. */
#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <sys/file.h>
#include "base/cleanup.h"
#include "base/timing.h"
#include "cli/creation/from_template.h"

#define LIST_LOCK_MS 200    /* one that is locked for longer is at work */
#define REMOVE_LOCK_MS 5000 /* for clones to have started */

static int build(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    cleanup_call(creation_done) struct creation c = CREATION_INIT;
    int r;

    (void)options;
    (void)argc;
    c.cli = cli;
    c.id = "template";
    c.bundle = argv[0];
    if ((r = creation_prepare(&c, err)) < 0)
        return r;
    if (c.member)
        return err_set_phase(err, PHASE_POLICY, EINVAL,
                             "'%s' joins the VM of another container, which is the one to clone",
                             argv[0]);
    if (!c.choice.decision.template_scope)
        return err_set_phase(err, PHASE_POLICY, EINVAL, "class '%s' has no templates: %s",
                             c.choice.decision.cls, c.choice.decision.template_why);
    /* It is for VMs that have what a start gives them. */
    if ((r = network_prepare_alone(c.choice.decision.size.vcpus, &c.nics, err)) < 0 ||
        (r = interrupt_begin(&c.interrupt, err)) < 0 || (r = from_template_find(&c, err)) < 0)
        return r;
    return r > 0 ? cli_print(c.template.name, err) : -err->code;
}

struct list_options {
    const char *format;
};

static const struct option_row list_rows[] = {
    {"format", 'f', OPTION_TEXT, offsetof(struct list_options, format), "FORMAT", "table or json"},
};

static const char *fact(const struct template *t, const char *name)
{
    const char *value = kvs_get(&t->facts, name);

    return value ? value : "";
}

/* What a start would find: one whose facts have changed it would not even look at. */
static const char *state_word(struct template *t, const struct template_limits *limits)
{
    enum template_state state = template_look(t, limits);

    if ((state == TEMPLATE_READY || state == TEMPLATE_EXPIRED) && !template_facts_hold(&t->facts))
        return "stale";
    return template_state_name(state);
}

static uint64_t age(const struct template *t)
{
    uint64_t now = realtime_s();

    return t->made && now > t->made ? now - t->made : 0;
}

static void add_json(json_object *list, const struct template *t, const char *state)
{
    json_object *o = json_object_new_object(), *facts = json_object_new_object();

    json_object_object_add(o, "name", json_object_new_string(t->name));
    json_object_object_add(o, "state", json_object_new_string(state));
    json_object_object_add(o, "age_s", json_object_new_uint64(age(t)));
    json_object_object_add(o, "uses", json_object_new_uint64(t->uses));
    json_object_object_add(o, "size", json_object_new_uint64(t->size));
    if (t->reason)
        json_object_object_add(o, "reason", json_object_new_string(t->reason));
    for (size_t i = 0; i < t->facts.n; i++)
        json_object_object_add(facts, t->facts.v[i].key,
                               json_object_new_string(t->facts.v[i].value));
    json_object_object_add(o, "facts", facts);
    json_object_array_add(list, o);
}

static void print_row(const struct template *t, const char *state)
{
    uint64_t memory = 0;

    (void)str_to_u64(fact(t, "memory"), 0, UINT64_MAX, &memory);
    printf("%s %-8s %8" PRIu64 "s %6" PRIu64 " %5" PRIu64 "M %-12s %s vCPU %" PRIu64 "M  %s\n",
           t->name, state, age(t), t->uses, t->size / MIB, fact(t, "hypervisor"), fact(t, "vcpus"),
           memory / MIB, t->reason ? t->reason : fact(t, "scope"));
}

static void show(const struct config *k, const char *name, json_object *list)
{
    const struct template_limits limits = {k->templates.max_age_s, k->templates.max_uses,
                                           k->templates.max_size};
    cleanup_call(template_close) struct template t = TEMPLATE_INIT;
    const char *state;
    int r =
        template_open_name(k->templates.dir, name, LOCK_SH, deadline_in_ms(LIST_LOCK_MS), &t, NULL);

    if (r < 0 && r != -ETIMEDOUT)
        return; /* gone meanwhile */
    if (r < 0)
        (void)snprintf(t.name, sizeof(t.name), "%s", name);
    state = r < 0 ? "busy" : state_word(&t, &limits);
    if (list)
        add_json(list, &t, state);
    else
        print_row(&t, state);
}

static int list(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct list_options *o = options;
    cleanup_call(choice_done) struct choice c = {0};
    cleanup_call(strv_done) struct strv names = {0};
    json_object *root = NULL;
    bool json;
    int r;

    (void)argc;
    (void)argv;
    if ((r = cli_format(o->format, &json, err)) < 0 || (r = choice_load(cli, &c, err)) < 0 ||
        (r = template_list(c.config.templates.dir, &names, err)) < 0)
        return r;
    if (json)
        root = json_object_new_array();
    else
        printf("%-32s %-8s %9s %6s %6s %-12s %s\n", "NAME", "STATE", "AGE", "USES", "SIZE",
               "HYPERVISOR", "VM, SCOPE");
    for (size_t i = 0; i < names.n; i++)
        show(&c.config, names.v[i], root);
    return cli_print_json(root, err);
}

struct remove_options {
    bool all;
};

static const struct option_row remove_rows[] = {
    {"all", 'a', OPTION_FLAG, offsetof(struct remove_options, all), NULL, "every template"},
};

static int remove_one(const char *dir, const char *name, struct err *err)
{
    cleanup_call(template_close) struct template t = TEMPLATE_INIT;
    int r = str_check_id(name, err);

    if (r == 0)
        r = template_open_name(dir, name, LOCK_EX, deadline_in_ms(REMOVE_LOCK_MS), &t, err);
    return r < 0 ? r : template_remove(&t, err);
}

static int remove_some(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct remove_options *o = options;
    cleanup_call(choice_done) struct choice c = {0};
    cleanup_call(strv_done) struct strv names = {0};
    int r, failed = 0;

    if (o->all == (argc > 0))
        return cli_usage(&verb_template_remove, err);
    if ((r = choice_load(cli, &c, err)) < 0 ||
        (o->all && (r = template_list(c.config.templates.dir, &names, err)) < 0))
        return r;
    for (int i = 0; i < argc; i++)
        strv_add(&names, argv[i]);
    for (size_t i = 0; i < names.n; i++)
        if ((r = remove_one(c.config.templates.dir, names.v[i], err)) < 0)
            failed = r;
    return failed;
}

const struct verb verb_template_build = {
    .name = "template build",
    .arguments = "BUNDLE",
    .summary = "save a VM like that of a bundle, to clone later ones from",
    .min_args = 1,
    .max_args = 1,
    .run = build,
};

const struct verb verb_template_list = {
    .name = "template list",
    .arguments = "",
    .summary = "list the saved VMs that others are cloned from",
    .options = {list_rows, ARRAY_SIZE(list_rows)},
    .size = sizeof(struct list_options),
    .run = list,
};

const struct verb verb_template_remove = {
    .name = "template remove",
    .arguments = "NAME...",
    .summary = "remove saved VMs; clones that run are not touched",
    .options = {remove_rows, ARRAY_SIZE(remove_rows)},
    .size = sizeof(struct remove_options),
    .max_args = -1,
    .run = remove_some,
};
