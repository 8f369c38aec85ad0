/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/lint.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "policy/internal.h"

/* The ways into a class: its rule, and its name where a workload may ask for it. */
struct ways {
    struct config_term by_name;
    struct config_match v[2];
    size_t n;
};

static void ways_into(const struct config_class *c, struct ways *ret)
{
    ret->n = 0;
    ret->by_name = (struct config_term){
        .kind = TERM_FACT,
        .fact = FACT_CLASS,
        .pattern = {c->name, strlen(c->name), PATTERN_EXACT},
    };
    if (c->match.n > 0)
        ret->v[ret->n++] = c->match;
    if (c->selectable)
        ret->v[ret->n++] = (struct config_match){&ret->by_name, 1};
}

static bool takes_all(const struct config_class *outer, const struct config_match *way)
{
    struct ways w;

    ways_into(outer, &w);
    for (size_t i = 0; i < w.n; i++)
        if (policy_covers(&w.v[i], way))
            return true;
    return false;
}

/* The class before number `index` that takes all of a way into it. */
static const struct config_class *taker(const struct config *c, size_t index,
                                        const struct config_match *way)
{
    for (size_t i = 0; i < index; i++)
        if (takes_all(&c->classes[i], way))
            return &c->classes[i];
    return NULL;
}

static void lint_shadow(const struct config *c, size_t index, struct strv *problems)
{
    const struct config_class *self = &c->classes[index], *by = NULL;
    struct ways w;
    size_t taken = 0;

    ways_into(self, &w);
    for (size_t i = 0; i < w.n; i++) {
        const struct config_class *t = taker(c, index, &w.v[i]);

        by = t ? t : by;
        taken += t != NULL;
    }
    if (taken == 0)
        return;
    strv_addf(problems,
              "%s:%u:%u: class '%s' %s: class '%s' (%s:%u) comes before it and matches all that "
              "it does; put the narrower one first",
              self->file, self->line, self->column, self->name,
              taken == w.n ? "is never chosen" : "is chosen only in a part of its ways", by->name,
              by->file, by->line);
}

static void lint_class(const struct config *c, size_t index, struct strv *problems)
{
    const struct config_class *self = &c->classes[index];

    if (policy_contradicts(&self->match))
        strv_addf(problems,
                  "%s:%u:%u: class '%s': no workload can match, its conditions exclude "
                  "each other",
                  self->file, self->line, self->column, self->name);
    else
        lint_shadow(c, index, problems);
}

/* Memory that the VM has for certain: none where it follows the workload. */
static void lint_sizes(const struct config *c, const struct config_class *cls,
                       struct strv *problems)
{
    uint64_t memory = cls->vm.memory == CONFIG_UNSET ? c->vm.memory : cls->vm.memory;
    const struct config_sized *const sized[] = {&cls->storage.tmp, &cls->storage.scratch};
    const struct config_sized *const defaults[] = {&c->storage.tmp, &c->storage.scratch};
    static const char *const names[] = {"tmp", "scratch"};

    for (size_t i = 0; memory != CONFIG_AUTO && i < ARRAY_SIZE(sized); i++) {
        const char *kind = sized[i]->kind ? sized[i]->kind : defaults[i]->kind;
        uint64_t size = sized[i]->size == CONFIG_UNSET ? defaults[i]->size : sized[i]->size;

        if (strcmp(kind, "tmpfs") == 0 && size != CONFIG_AUTO && size >= memory)
            strv_addf(problems,
                      "%s:%u:%u: class '%s': storage.%s is a tmpfs of %" PRIu64
                      " MiB in a VM of %" PRIu64 " MiB",
                      cls->file, cls->line, cls->column, cls->name, names[i], size / MIB,
                      memory / MIB);
    }
}

static void lint_pool(const struct config *c, const struct config_class *cls, struct strv *problems)
{
    uint64_t size = cls->pool.size == CONFIG_UNSET ? c->pool.size : cls->pool.size;
    uint64_t min_free = cls->pool.min_free;

    if (min_free != CONFIG_UNSET && min_free != CONFIG_AUTO && min_free > size)
        strv_addf(problems,
                  "%s:%u:%u: class '%s': pool.min_free is %" PRIu64
                  ", which is more than the %" PRIu64 " VMs of pool.size",
                  cls->file, cls->line, cls->column, cls->name, min_free, size);
}

static void lint_allow(const char *file, const struct config_allow_list *l, struct strv *problems)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct config_allow *a = &l->v[i];
        const char *near = policy_annotation_nearest(a->key);
        bool amount, text;

        policy_annotation_kinds(a->key, &amount, &text);
        if (!amount && !text)
            strv_addf(problems,
                      "%s:%u:%u: annotations.allow: no annotation that a workload can set fits "
                      "'%s'%s%s%s",
                      file, a->line, a->column, a->key, near ? ", did you mean '" : "",
                      near ? near : "", near ? "'?" : "");
        else if (!amount && (a->min != CONFIG_UNSET || a->max != CONFIG_UNSET))
            strv_addf(problems,
                      "%s:%u:%u: annotations.allow: '%s' is a text: use values, not min "
                      "and max",
                      file, a->line, a->column, a->key);
        else if (!text && a->values.n > 0)
            strv_addf(problems,
                      "%s:%u:%u: annotations.allow: '%s' is a size or a number: use min "
                      "and max, not values",
                      file, a->line, a->column, a->key);
    }
}

/* The file of a key outside of the classes, from its place FILE:LINE:COL. */
static char *file_of(const struct config *c, const char *key)
{
    const char *place = kvs_get(&c->places, key), *end;

    if (!place)
        return xstrdup(c->file ? c->file : "configuration");
    end = strrchr(place, ':');
    while (end > place && *--end != ':')
        ;
    return xstrndup(place, (size_t)(end - place));
}

void policy_lint(const struct config *c, struct strv *problems, struct strv *notes)
{
    cleanup_free char *allow_file = file_of(c, "annotations.allow");

    for (size_t i = 0; i < c->overrides.n; i++)
        strv_add(notes, c->overrides.v[i]);
    lint_allow(allow_file, &c->allow, problems);
    for (size_t i = 0; i < c->n_classes; i++) {
        const struct config_class *cls = &c->classes[i];

        lint_class(c, i, problems);
        lint_sizes(c, cls, problems);
        lint_pool(c, cls, problems);
        lint_allow(cls->file, &cls->allow, problems);
    }
}
