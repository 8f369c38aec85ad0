/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "cli/check/config_check.h"
#include "cli/disks/disks.h"
#include "storage/uri.h"

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

static size_t file_index(const struct config *c, const char *file)
{
    size_t i = 0;

    while (i < c->files.n && strcmp(c->files.v[i], file) != 0)
        i++;
    return i;
}

/* What is known of a list of hypervisors: who says it, in which file, from which line on. */
struct named_list {
    const struct strv *names;
    const char *file;
    unsigned line;
    char *where;
};

static void named_list_done(struct named_list *l)
{
    free(l->where);
}

/* File and line of a place, FILE:LINE:COLUMN; NULL = no file says it. */
static const char *place_of(const struct config *c, const char *key, unsigned *ret_line)
{
    const char *place = kvs_get(&c->places, key);

    for (size_t i = 0; place && i < c->files.n; i++) {
        size_t len = strlen(c->files.v[i]);

        if (strncmp(place, c->files.v[i], len) == 0 && place[len] == ':') {
            *ret_line = (unsigned)strtoul(place + len + 1, NULL, 10);
            return c->files.v[i];
        }
    }
    return NULL;
}

/* List number `index` of all: that of the defaults, then those of classes; names NULL: not said. */
static struct named_list list_of(const struct config *c, size_t index)
{
    struct named_list l = {NULL, NULL, 1, NULL};

    if (index == 0) {
        l.file = place_of(c, "defaults.hypervisor", &l.line);
        l.where = xstrdup("defaults.hypervisor");
        l.names = &c->hypervisor;
    } else {
        const struct config_class *cls = &c->classes[index - 1];

        l.file = cls->file;
        l.line = cls->line;
        l.where = xasprintf("class '%s'", cls->name);
        l.names = cls->hypervisor.n > 0 ? &cls->hypervisor : NULL;
    }
    return l;
}

static void unknown(const struct config *c, const struct strv *texts, const struct named_list *from,
                    const char *name, const struct descriptor_list *l, struct strv *problems)
{
    size_t file = file_index(c, from->file);
    const char **names = xcalloc(l->n + 1, sizeof(*names));
    unsigned line, column;
    const char *near;

    for (size_t i = 0; i < l->n; i++)
        names[i] = l->v[i].name;
    near = str_nearest(name, names, l->n);
    if (file < texts->n && config_word_at(texts->v[file], name, from->line, &line, &column))
        strv_addf(problems, "%s:%u:%u: %s: hypervisor '%s' has no descriptor in '%s'%s%s%s",
                  from->file, line, column, from->where, name, c->plugins_dir,
                  near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    free(names);
}

void config_check_names(const struct config *c, const struct strv *texts,
                        const struct descriptor_list *l, struct strv *problems)
{
    for (size_t k = 0; k <= c->n_classes; k++) {
        cleanup_call(named_list_done) struct named_list from = list_of(c, k);

        /* Without a file it is a built-in default: nobody's mistake. */
        for (size_t i = 0; from.file && from.names && i < from.names->n; i++)
            if (!descriptor_find(l, from.names->v[i]))
                unknown(c, texts, &from, from.names->v[i], l, problems);
    }
}

void config_check_loadable(const struct config *c, const struct descriptor_list *l,
                           char *const *why_not, struct strv *problems)
{
    for (size_t k = 0; k <= c->n_classes; k++) {
        cleanup_call(named_list_done) struct named_list from = list_of(c, k);
        size_t there = 0, broken = 0;
        const char *why = NULL;

        for (size_t i = 0; from.names && i < from.names->n; i++) {
            const struct descriptor *d = descriptor_find(l, from.names->v[i]);

            if (!d)
                continue;
            there++;
            if (why_not[d - l->v]) {
                why = why_not[d - l->v];
                broken++;
            }
        }
        if (broken > 0 && broken == there)
            strv_addf(problems, "%s%s%s: none of its hypervisors can be loaded: %s",
                      from.file ? from.file : "", from.file ? ": " : "", from.where, why);
    }
}

/* A rule for one architecture and hypervisors for others: its workloads never start. */
void config_check_arch(const struct config *c, const struct descriptor_list *l,
                       struct strv *problems)
{
    for (size_t k = 0; k < c->n_classes; k++) {
        const struct config_class *cls = &c->classes[k];
        const struct strv *names = cls->hypervisor.n > 0 ? &cls->hypervisor : &c->hypervisor;
        const char *arch = config_match_text(&cls->match, FACT_ARCH);
        size_t there = 0, fit = 0;

        for (size_t i = 0; arch && i < names->n; i++) {
            const struct descriptor *d = descriptor_find(l, names->v[i]);

            there += d != NULL;
            fit += d && fnmatch(arch, d->arch, 0) == 0;
        }
        if (there > 0 && fit == 0)
            strv_addf(problems,
                      "%s:%u:%u: class '%s' matches the architecture '%s', which none of its "
                      "hypervisors has",
                      cls->file, cls->line, cls->column, cls->name, arch);
    }
}

static void check_asset(const char *where, const char *key, const char *path, struct strv *problems)
{
    if (path && access(path, R_OK) < 0)
        strv_addf(problems, "%s: key '%s': '%s': %s", where, key, path, strerror(errno));
}

/* Whoever reads a secret can be the host to the storage. */
static void check_secret(const char *where, const char *path, struct strv *problems)
{
    struct stat st;

    if (path && stat(path, &st) < 0)
        strv_addf(problems, "%s: secret '%s': %s", where, path, strerror(errno));
    else if (path && (st.st_mode & 077))
        strv_addf(problems,
                  "%s: secret '%s' can be read by others (mode %03o), use chmod go=", where, path,
                  st.st_mode & 0777);
}

static int check_options(const struct config_volume *v, const struct storage_uri *uri,
                         struct err *err)
{
    cleanup_call(disk_words_done) struct disk_words words = {0};
    cleanup_free char *data = NULL;

    return uri->protocol == STORAGE_NFS ? disk_nfs_words(&v->options, &data, err)
                                        : disk_words_parse(&v->options, &words, err);
}

static void check_volume(const char *where, const struct config_volume *v, struct strv *problems)
{
    cleanup_call(storage_uri_done) struct storage_uri uri = {0};
    struct err err = ERR_INIT;

    check_secret(where, v->secret, problems);
    if (storage_uri_parse(v->source, &uri, &err) < 0 || check_options(v, &uri, &err) < 0)
        strv_addf(problems, "%s: volume for '%s': %s", where, v->destination, err.msg);
    else if (uri.needs_secret && !v->secret)
        strv_addf(problems, "%s: volume for '%s': '%s' needs a secret", where, v->destination,
                  uri.shown);
}

void config_check_files(const struct config *c, struct strv *problems)
{
    unsigned line = 1;
    const char *file = place_of(c, "defaults.vm.kernel", &line);
    cleanup_free char *defaults = xasprintf("%s:%u", file ? file : "defaults", line);

    check_asset(defaults, "defaults.vm.kernel", c->vm.kernel, problems);
    check_asset(defaults, "defaults.vm.image", c->vm.image, problems);
    for (size_t k = 0; k < c->n_classes; k++) {
        const struct config_class *cls = &c->classes[k];
        cleanup_free char *where =
            xasprintf("%s:%u:%u: class '%s'", cls->file, cls->line, cls->column, cls->name);

        check_asset(where, "vm.kernel", cls->vm.kernel, problems);
        check_asset(where, "vm.image", cls->vm.image, problems);
        for (size_t i = 0; i < cls->n_volumes; i++)
            check_volume(where, &cls->volumes[i], problems);
    }
}
