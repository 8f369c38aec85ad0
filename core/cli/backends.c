/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "cli/inspect.h"
#include "cli/traits.h"

#define COLUMNS 7

struct backends_options {
    const char *format;
    bool verbose;
};

static const struct option_row rows[] = {
    {"format", 'f', OPTION_TEXT, offsetof(struct backends_options, format), "FORMAT",
     "table or json"},
    {"verbose", 'v', OPTION_FLAG, offsetof(struct backends_options, verbose), NULL,
     "capabilities, devices and disk protocols too"},
};

/* The masks of struct hvp_caps that people ask for. */
static const struct {
    const char *key;
    size_t offset;
    const char *(*name)(unsigned);
} masks[] = {
    {"coldplug", offsetof(struct hvp_caps, coldplug), plugin_device_name},
    {"hotplug", offsetof(struct hvp_caps, hotplug), plugin_device_name},
    {"unplug", offsetof(struct hvp_caps, unplug), plugin_device_name},
    {"disk_protocols", offsetof(struct hvp_caps, disk_protocols), plugin_protocol_name},
    {"disk_formats", offsetof(struct hvp_caps, disk_formats), plugin_format_name},
    {"disk_rw_only", offsetof(struct hvp_caps, disk_rw_only), plugin_protocol_name},
};

static uint32_t mask(const struct hvp_caps *c, size_t i)
{
    return *(const uint32_t *)((const char *)c + masks[i].offset);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void add_cells(struct strv *cells, const struct descriptor *d, const struct probed *p)
{
    const struct hvp_caps *c = &p->info.caps;

    strv_add(cells, d->name);
    strv_add(cells, base_name(d->so));
    strv_add(cells, d->arch);
    strv_add(cells, p->usable ? c->hypervisor : "-");
    strv_add(cells, p->usable && c->version[0] ? c->version : "-");
    strv_add(cells, p->usable ? c->accel : "-");
    if (p->usable)
        strv_add(cells, "usable");
    else
        strv_addf(cells, "no: %s", inspect_reason(d, p));
}

static void print_details(const struct choice *c, FILE *to)
{
    for (size_t i = 0; i < c->descriptors.n; i++) {
        const struct hvp_caps *caps = &c->probed[i].info.caps;
        cleanup_free char *words = mask_words(caps->flags, plugin_cap_name);

        if (!c->probed[i].usable)
            continue;
        fprintf(to, "\n%s (%s)\n", c->descriptors.v[i].name, c->descriptors.v[i].file);
        if (c->probed[i].reason)
            fprintf(to, "  note            %s\n", c->probed[i].reason);
        fprintf(to, "  machine         %s\n  capabilities    %s\n", caps->machine, words);
        for (size_t k = 0; k < ARRAY_SIZE(masks); k++) {
            cleanup_free char *list = mask_words(mask(caps, k), masks[k].name);

            fprintf(to, "  %-14s  %s\n", masks[k].key, list);
        }
        fprintf(to, "  hotplug_max     %u\n", caps->hotplug_max);
    }
}

static void print_table(const struct choice *c, const struct strv *problems, bool verbose, FILE *to)
{
    static const char *const head[COLUMNS] = {"NAME",    "LIBRARY", "ARCH",  "HYPERVISOR",
                                              "VERSION", "ACCEL",   "STATUS"};
    cleanup_call(strv_done) struct strv cells = {0};

    for (size_t i = 0; i < COLUMNS; i++)
        strv_add(&cells, head[i]);
    for (size_t i = 0; i < c->descriptors.n; i++)
        add_cells(&cells, &c->descriptors.v[i], &c->probed[i]);
    columns_print(&cells, COLUMNS, to);
    for (size_t i = 0; i < problems->n; i++)
        fprintf(to, "bad descriptor: %s\n", problems->v[i]);
    if (verbose)
        print_details(c, to);
}

static void set_text(json_object *o, const char *key, const char *value)
{
    json_object_object_add(o, key, value && *value ? json_object_new_string(value) : NULL);
}

static json_object *words_json(uint64_t bits, const char *(*name)(unsigned))
{
    json_object *list = json_object_new_array();

    for (unsigned bit = 0; bit < 64; bit++) {
        const char *word = name(bit);

        if (word && (bits & UINT64_C(1) << bit))
            json_object_array_add(list, json_object_new_string(word));
    }
    return list;
}

static json_object *list_json(const struct strv *words)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < words->n; i++)
        json_object_array_add(list, json_object_new_string(words->v[i]));
    return list;
}

/* Of this one, and of all that are usable: what the node as a whole can be asked for. */
static void add_traits_json(json_object *o, const struct descriptor *d, const struct plugin_info *i,
                            struct strv *all)
{
    cleanup_call(strv_done) struct strv own = {0};

    traits_add(d, &i->caps, &own);
    traits_add(d, &i->caps, all);
    json_object_object_add(o, "traits", list_json(&own));
}

static void add_probe_json(json_object *o, const struct plugin_info *info)
{
    const struct hvp_caps *c = &info->caps;

    set_text(o, "plugin", info->name);
    set_text(o, "plugin_version", info->version);
    set_text(o, "threads", plugin_thread_model_name(info->thread_model));
    set_text(o, "hypervisor", c->hypervisor);
    set_text(o, "version", c->version);
    set_text(o, "machine", c->machine);
    set_text(o, "accel", c->accel);
    json_object_object_add(o, "capabilities", words_json(c->flags, plugin_cap_name));
    for (size_t k = 0; k < ARRAY_SIZE(masks); k++)
        json_object_object_add(o, masks[k].key, words_json(mask(c, k), masks[k].name));
    json_object_object_add(o, "hotplug_max", json_object_new_int64(c->hotplug_max));
    json_object_object_add(o, "max_vcpus", json_object_new_int64(c->max_vcpus));
    json_object_object_add(o, "max_memory", json_object_new_uint64(c->max_memory));
}

static json_object *to_json(const struct choice *c, const struct strv *problems)
{
    json_object *root = json_object_new_object(), *list = json_object_new_array();
    cleanup_call(strv_done) struct strv traits = {0};

    json_object_object_add(root, "backends", list);
    json_object_object_add(root, "bad_descriptors", list_json(problems));
    for (size_t i = 0; i < c->descriptors.n; i++) {
        const struct descriptor *d = &c->descriptors.v[i];
        json_object *o = json_object_new_object();

        set_text(o, "name", d->name);
        set_text(o, "descriptor", d->file);
        set_text(o, "library", d->so);
        set_text(o, "arch", d->arch);
        json_object_object_add(o, "usable", json_object_new_boolean(c->probed[i].usable));
        set_text(o, c->probed[i].usable ? "note" : "reason", c->probed[i].reason);
        if (c->probed[i].usable) {
            add_probe_json(o, &c->probed[i].info);
            add_traits_json(o, d, &c->probed[i].info, &traits);
        }
        json_object_array_add(list, o);
    }
    json_object_object_add(root, "traits", list_json(&traits));
    return root;
}

static int print(const struct choice *c, const struct strv *problems, bool json, bool verbose,
                 struct err *err)
{
    cleanup_free char *text = NULL;
    size_t len;
    FILE *to;

    if (json)
        return cli_print_json(to_json(c, problems), err);
    to = open_memstream(&text, &len);
    if (!to)
        return err_set(err, errno, "make a text: %m");
    print_table(c, problems, verbose, to);
    fclose(to);
    return cli_print(text, err);
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct backends_options *o = options;
    cleanup_call(choice_done) struct choice c = {0};
    cleanup_call(strv_done) struct strv problems = {0};
    bool json;
    int r;

    (void)argc, (void)argv;
    if ((r = cli_format(o->format, &json, err)) < 0 ||
        (r = inspect_load(cli, &c, &problems, err)) < 0)
        return r;
    c.look_only = true;
    for (size_t i = 0; i < c.descriptors.n; i++)
        choice_probe(cli, &c, i);
    return print(&c, &problems, json, o->verbose, err);
}

const struct verb verb_backends = {
    .name = "backends",
    .arguments = "",
    .summary = "list the hypervisor plug-ins and what they can do here",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct backends_options),
    .run = run,
};
