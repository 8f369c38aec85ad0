/* SPDX-License-Identifier: Apache-2.0 */
/* Which class a workload is in: the operator's patterns in the order of the file. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include "policy/internal.h"

static bool answers_to(const struct config_class *c, const char *asked)
{
    const char *pattern = config_match_text(&c->match, FACT_CLASS);

    return strcmp(c->name, asked) == 0 || (pattern && fnmatch(pattern, asked, 0) == 0);
}

static int check_asked(const struct config *config, const char *asked, struct err *err)
{
    bool there = false;

    for (size_t i = 0; i < config->n_classes; i++) {
        if (!answers_to(&config->classes[i], asked))
            continue;
        if (config->classes[i].selectable)
            return 0;
        there = true;
    }
    if (there)
        return err_set_phase(err, PHASE_POLICY, EACCES,
                             "annotation %s asks for class '%s', which is not selectable",
                             POLICY_ANNOTATION_CLASS, asked);
    return err_set_phase(err, PHASE_POLICY, ENOENT,
                         "annotation %s asks for class '%s', which does not exist",
                         POLICY_ANNOTATION_CLASS, asked);
}

/* The caller's word counts before every rule. */
static int named_class(const struct config *config, const char *name, int *ret_index,
                       struct err *err)
{
    const char **names = xcalloc(config->n_classes + 1, sizeof(*names)), *near;
    int r = strcmp(name, POLICY_CLASS_DEFAULT) == 0 ? 0 : -ENOENT;

    for (size_t i = 0; i < config->n_classes; i++) {
        names[i] = config->classes[i].name;
        if (r < 0 && strcmp(names[i], name) == 0) {
            *ret_index = (int)i;
            free(names);
            return 0;
        }
    }
    near = str_nearest(name, names, config->n_classes);
    if (r == 0)
        *ret_index = -1;
    else
        err_set_phase(err, PHASE_POLICY, ENOENT, "no class '%s' in the configuration%s%s%s", name,
                      near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    free(names);
    return r;
}

int policy_class(const struct config *config, const struct workload *w, int *ret_index,
                 struct err *err)
{
    const char *asked = kvs_get(&w->annotations, POLICY_ANNOTATION_CLASS);
    struct match_facts facts;
    int r;

    if (w->chosen)
        return named_class(config, w->chosen, ret_index, err);
    match_facts_of(w, &facts);
    if (asked && (r = check_asked(config, asked, err)) < 0)
        return r;
    for (size_t i = 0; i < config->n_classes; i++) {
        const struct config_class *c = &config->classes[i];

        if ((c->match.n > 0 && match_holds(&c->match, &facts)) ||
            (asked && c->selectable && strcmp(c->name, asked) == 0)) {
            *ret_index = (int)i;
            return 0;
        }
    }
    *ret_index = -1;
    return 0;
}

const struct strv *policy_hypervisors(const struct config *config, int class_index)
{
    if (class_index >= 0 && config->classes[class_index].hypervisor.n > 0)
        return &config->classes[class_index].hypervisor;
    return &config->hypervisor;
}
