/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspect.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"

static int is_descriptor(const struct dirent *e)
{
    return e->d_name[0] != '.' && str_ends_with(e->d_name, ".yaml");
}

/* Take over *d unless its name is taken. */
static void add_descriptor(struct descriptor_list *l, struct descriptor *d, struct strv *problems)
{
    const struct descriptor *twin = descriptor_find(l, d->name);

    if (twin) {
        strv_addf(problems, "%s: name '%s' is taken by '%s'", d->file, d->name, twin->file);
        descriptor_done(d);
        return;
    }
    l->v = xreallocarray(l->v, l->n + 1, sizeof(*l->v));
    l->v[l->n++] = *d;
}

void inspect_descriptors(const char *dir, const char *backend_dir, struct descriptor_list *ret,
                         struct strv *problems)
{
    struct dirent **names = NULL;
    int n = scandir(dir, &names, is_descriptor, alphasort);

    if (n < 0)
        strv_addf(problems, "%s: %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        cleanup_free char *path = path_join(dir, names[i]->d_name);
        struct descriptor d = {0};
        struct err err = ERR_INIT;

        if (descriptor_load(path, backend_dir, &d, &err) < 0)
            strv_add(problems, err.msg);
        else
            add_descriptor(ret, &d, problems);
        free(names[i]);
    }
    free(names);
}

int inspect_load(const struct cli *cli, struct choice *ret, struct strv *problems, struct err *err)
{
    struct choice c = {0};
    int r = config_load_default(cli->config, cli->layout.etc_dir, &c.config, err);

    if (r < 0) {
        err_in_phase(err, PHASE_CONFIG);
        return r;
    }
    inspect_descriptors(c.config.plugins_dir, cli->layout.backend_dir, &c.descriptors, problems);
    c.probed = xcalloc(c.descriptors.n + 1, sizeof(*c.probed));
    *ret = c;
    return 0;
}

const char *inspect_reason(const struct descriptor *d, const struct probed *p)
{
    cleanup_free char *prefix = xasprintf("back-end '%s': ", d->name);

    if (!p->reason)
        return "unknown";
    return p->reason + (str_starts_with(p->reason, prefix) ? strlen(prefix) : 0);
}

void columns_print(const struct strv *cells, size_t n_columns, FILE *to)
{
    for (size_t i = 0; i < cells->n; i++) {
        size_t column = i % n_columns, width = 0;

        for (size_t k = column; k < cells->n; k += n_columns)
            width = MAX(width, strlen(cells->v[k]));
        if (column + 1 == n_columns)
            fprintf(to, "%s\n", cells->v[i]);
        else
            fprintf(to, "%-*s  ", (int)width, cells->v[i]);
    }
}

char *mask_words(uint64_t mask, const char *(*name)(unsigned))
{
    char *text = xstrdup("");

    for (unsigned bit = 0; bit < 64; bit++) {
        const char *word = name(bit);
        char *longer;

        if (!(mask & UINT64_C(1) << bit))
            continue;
        longer = word ? xasprintf("%s%s%s", text, *text ? " " : "", word)
                      : xasprintf("%s%sbit-%u", text, *text ? " " : "", bit);
        free(text);
        text = longer;
    }
    if (*text)
        return text;
    free(text);
    return xstrdup("-");
}
