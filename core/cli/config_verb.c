/* SPDX-License-Identifier: Apache-2.0 */
/* The verb `config check`: everything that is wrong at once, and what is merely worth knowing. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/check/config_check.h"
#include "cli/inspect.h"
#include "policy/lint.h"

#define OPEN_MS 10000

struct found {
    struct strv problems, notes;
};

static void found_done(struct found *f)
{
    strv_done(&f->problems);
    strv_done(&f->notes);
}

/*
 * What only the plug-ins know: their keys and words. Nothing is probed, nothing on the host
 * changes. A plug-in that is not there matters to those who need it; a wrong key is a mistake in
 * any case.
 */
static void check_plugins(const struct cli *cli, const struct config *c,
                          const struct descriptor_list *l, struct found *f)
{
    char **why_not = xcalloc(l->n + 1, sizeof(*why_not));

    for (size_t i = 0; i < l->n; i++) {
        cleanup_free char *guest_dir = NULL;
        struct err err = ERR_INIT;
        struct hvp_host host;
        int r;

        choice_host(cli, l->v[i].arch, &host, &guest_dir);
        r = plugin_open_isolated(&l->v[i], &host, OPEN_MS, &err);
        if (r == -EINVAL)
            strv_add(&f->problems, err.msg);
        else if (r < 0) {
            why_not[i] = xstrdup(err.msg);
            strv_addf(&f->notes, "%s: %s", l->v[i].file, err.msg);
        }
    }
    config_check_loadable(c, l, why_not, &f->problems);
    config_check_words(cli, c, l, why_not, &f->problems);
    for (size_t i = 0; i < l->n; i++)
        free(why_not[i]);
    free(why_not);
}

static bool has_plugins_dir(const struct config *c, struct strv *problems)
{
    const char *place = kvs_get(&c->places, "plugins_dir");

    if (access(c->plugins_dir, F_OK) == 0)
        return true;
    if (place)
        strv_addf(problems, "%s: key 'plugins_dir': '%s': %s", place, c->plugins_dir,
                  strerror(errno));
    else
        strv_addf(problems, "plugins_dir '%s': %s", c->plugins_dir, strerror(errno));
    return false;
}

static void read_texts(const struct config *c, struct strv *ret, struct strv *problems)
{
    for (size_t i = 0; i < c->files.n; i++) {
        cleanup_free char *text = NULL;
        struct err err = ERR_INIT;

        if (path_read(AT_FDCWD, c->files.v[i], CONFIG_FILE_MAX, &text, NULL, &err) < 0)
            strv_add(problems, err.msg);
        strv_add(ret, text ? text : "");
    }
}

/* *ret_file is what was looked at, *ret_n the number of descriptors. */
static void collect(const struct cli *cli, const char *file, char **ret_file, size_t *ret_n,
                    struct found *f)
{
    cleanup_call(config_done) struct config c = {0};
    cleanup_call(descriptor_list_done) struct descriptor_list l = {0};
    cleanup_call(strv_done) struct strv texts = {0};
    struct err err = ERR_INIT;

    if (config_load_default(file ? file : cli->config, cli->layout.etc_dir, &c, &err) < 0) {
        strv_add(&f->problems, err.msg);
        return;
    }
    policy_lint(&c, &f->problems, &f->notes);
    config_check_files(&c, &f->problems);
    read_texts(&c, &texts, &f->problems);
    if (has_plugins_dir(&c, &f->problems)) {
        size_t before = f->problems.n;

        inspect_descriptors(c.plugins_dir, cli->layout.backend_dir, &l, &f->problems);
        /* A descriptor that cannot be read may be the one that is named. */
        if (f->problems.n == before) {
            config_check_names(&c, &texts, &l, &f->problems);
            config_check_arch(&c, &l, &f->problems);
        }
        check_plugins(cli, &c, &l, f);
    }
    *ret_file = xstrdup(c.file ? c.file : "built-in configuration");
    *ret_n = l.n;
}

static json_object *sentences(const struct strv *s)
{
    json_object *list = json_object_new_array();

    for (size_t i = 0; i < s->n; i++)
        json_object_array_add(list, json_object_new_string(s->v[i]));
    return list;
}

static int print_json(const char *file, const struct found *f, struct err *err)
{
    json_object *o = json_object_new_object();
    int r;

    json_object_object_add(o, "ok", json_object_new_boolean(f->problems.n == 0));
    json_object_object_add(o, "file", file ? json_object_new_string(file) : NULL);
    json_object_object_add(o, "problems", sentences(&f->problems));
    json_object_object_add(o, "notes", sentences(&f->notes));
    r = cli_print_json(o, err);
    return r < 0 ? r : f->problems.n > 0;
}

/* People read standard error; a log of its own gets the sentence as well. */
static void tell(const struct cli *cli, enum log_level level, const char *prefix, const char *text)
{
    if (cli->log)
        log_line(level, "%s", text);
    fprintf(stderr, "anyvisor: %s%s\n", prefix, text);
}

static int print_words(const struct cli *cli, const char *file, size_t n, const struct found *f,
                       struct err *err)
{
    cleanup_free char *text = NULL;

    for (size_t i = 0; i < f->problems.n; i++)
        tell(cli, LOG_L_ERROR, "", f->problems.v[i]);
    for (size_t i = 0; i < f->notes.n; i++)
        tell(cli, LOG_L_WARN, "note: ", f->notes.v[i]);
    if (f->problems.n)
        return 1;
    text = xasprintf("%s: good, %zu back-end descriptor%s", file, n, n == 1 ? "" : "s");
    return cli_print(text, err);
}

struct check_options {
    const char *format;
};

static const struct option_row rows[] = {
    {"format", 'f', OPTION_TEXT, offsetof(struct check_options, format), "FORMAT", "text or json"},
};

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct check_options *o = options;
    cleanup_call(found_done) struct found f = {{0}, {0}};
    cleanup_free char *file = NULL;
    size_t n = 0;
    bool json;
    int r = cli_format(o->format, &json, err);

    if (r < 0)
        return r;
    collect(cli, argc > 0 ? argv[0] : NULL, &file, &n, &f);
    return json ? print_json(file, &f, err) : print_words(cli, file, n, &f, err);
}

const struct verb verb_config = {
    .name = "config check",
    .arguments = "[FILE]",
    .summary = "check the configuration and the descriptors of back-ends",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct check_options),
    .max_args = 1,
    .run = run,
};
