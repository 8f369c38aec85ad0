/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/config_check.h"
#include "cli/inspect.h"

#define OPEN_MS 10000

bool config_word_at(const char *text, const char *word, unsigned from, unsigned *ret_line,
                    unsigned *ret_column)
{
    size_t len = strlen(word);
    unsigned line = 1;

    for (const char *p = text, *end; *p; p = *end ? end + 1 : end, line++) {
        const char *comment = strchr(p, '#');

        end = p + strcspn(p, "\n");
        if (line < from)
            continue;
        for (const char *w = strstr(p, word); w && w < end; w = strstr(w + 1, word)) {
            bool begins = w == p || strchr(" \t[,\"'", w[-1]);
            bool ends = w[len] == '\0' || strchr(" \t\r\n],\"'", w[len]);

            if (comment && w > comment)
                break;
            if (begins && ends) {
                *ret_line = line;
                *ret_column = (unsigned)(w - p) + 1;
                return true;
            }
        }
    }
    return false;
}

static void unknown(const struct config *c, const char *text, const char *where, unsigned from,
                    const char *name, const struct descriptor_list *l, struct strv *problems)
{
    const char **names = xcalloc(l->n + 1, sizeof(*names));
    unsigned line, column;
    const char *near;

    for (size_t i = 0; i < l->n; i++)
        names[i] = l->v[i].name;
    near = str_nearest(name, names, l->n);
    /* A word that is not in the file is a built-in default: not the author's mistake. */
    if (config_word_at(text, name, from, &line, &column))
        strv_addf(problems, "%s:%u:%u: %s: hypervisor '%s' has no descriptor in '%s'%s%s%s",
                  c->file, line, column, where, name, c->plugins_dir,
                  near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    free(names);
}

void config_check_names(const struct config *c, const char *text, const struct descriptor_list *l,
                        struct strv *problems)
{
    for (size_t i = 0; i < c->hypervisor.n; i++)
        if (!descriptor_find(l, c->hypervisor.v[i]))
            unknown(c, text, "defaults.hypervisor", 1, c->hypervisor.v[i], l, problems);
    for (size_t k = 0; k < c->n_classes; k++) {
        const struct config_class *cls = &c->classes[k];
        cleanup_free char *where = xasprintf("class '%s'", cls->name);

        for (size_t i = 0; i < cls->hypervisor.n; i++)
            if (!descriptor_find(l, cls->hypervisor.v[i]))
                unknown(c, text, where, cls->line, cls->hypervisor.v[i], l, problems);
    }
}

/* What only the plug-ins know: their keys. Nothing is probed, nothing on the host changes. */
static void check_plugins(const struct cli *cli, const struct descriptor_list *l,
                          struct strv *problems)
{
    for (size_t i = 0; i < l->n; i++) {
        cleanup_free char *guest_dir = NULL;
        struct err err = ERR_INIT;
        struct hvp_host host;

        choice_host(cli, l->v[i].arch, &host, &guest_dir);
        if (plugin_open_isolated(&l->v[i], &host, OPEN_MS, &err) < 0)
            strv_add(problems, err.msg);
    }
}

static bool has_plugins_dir(const struct config *c, const char *text, struct strv *problems)
{
    unsigned line, column;

    if (access(c->plugins_dir, F_OK) == 0)
        return true;
    if (text && config_word_at(text, "plugins_dir:", 1, &line, &column))
        strv_addf(problems, "%s:%u:%u: key 'plugins_dir': '%s': %s", c->file, line, column,
                  c->plugins_dir, strerror(errno));
    else
        strv_addf(problems, "plugins_dir '%s': %s", c->plugins_dir, strerror(errno));
    return false;
}

/* Everything that is wrong, as sentences; *ret_file is what was looked at. */
static void collect(const struct cli *cli, const char *file, char **ret_file, size_t *ret_n,
                    struct strv *problems)
{
    cleanup_call(config_done) struct config c = {0};
    cleanup_call(descriptor_list_done) struct descriptor_list l = {0};
    cleanup_free char *text = NULL;
    struct err err = ERR_INIT;

    if (config_load_default(file ? file : cli->config, cli->layout.etc_dir, &c, &err) < 0) {
        strv_add(problems, err.msg);
        return;
    }
    if (c.file && path_read(AT_FDCWD, c.file, CONFIG_FILE_MAX, &text, NULL, &err) < 0)
        strv_add(problems, err.msg);
    if (has_plugins_dir(&c, text, problems)) {
        inspect_descriptors(c.plugins_dir, cli->layout.backend_dir, &l, problems);
        check_plugins(cli, &l, problems);
    }
    /* A descriptor that cannot be read may be the one that is named. */
    if (text && problems->n == 0)
        config_check_names(&c, text, &l, problems);
    *ret_file = xstrdup(c.file ? c.file : "built-in configuration");
    *ret_n = l.n;
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    cleanup_call(strv_done) struct strv problems = {0};
    cleanup_free char *file = NULL;
    cleanup_free char *text = NULL;
    size_t n = 0;

    (void)options;
    collect(cli, argc > 0 ? argv[0] : NULL, &file, &n, &problems);
    for (size_t i = 0; i < problems.n; i++) {
        log_error("%s", problems.v[i]);
        fprintf(stderr, "anyvisor: %s\n", problems.v[i]);
    }
    if (problems.n)
        return 1;
    text = xasprintf("%s: good, %zu back-end descriptor%s", file, n, n == 1 ? "" : "s");
    return cli_print(text, err);
}

const struct verb verb_config = {
    .name = "config check",
    .arguments = "[FILE]",
    .summary = "check the configuration and the descriptors of back-ends",
    .max_args = 1,
    .run = run,
};
