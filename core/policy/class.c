/* SPDX-License-Identifier: Apache-2.0 */
/* Which class a workload is in: the operator's patterns in the order of the file. */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include "policy/policy.h"

/* No pattern matches anything; a pattern never matches what is unknown. */
static bool fits(const char *pattern, const char *value)
{
    return !pattern || (value && fnmatch(pattern, value, 0) == 0);
}

static bool annotations_fit(const struct kvs *patterns, const struct kvs *annotations)
{
    for (size_t i = 0; i < patterns->n; i++)
        if (!fits(patterns->v[i].value, kvs_get(annotations, patterns->v[i].key)))
            return false;
    return true;
}

static bool has_pattern(const struct config_match *m)
{
    return m->pod_namespace || m->pod_name || m->image || m->user || m->runtime || m->arch ||
           m->cls || m->annotations.n > 0;
}

static bool match_holds(const struct config_match *m, const struct workload *w, const char *asked)
{
    return has_pattern(m) && fits(m->pod_namespace, w->pod_namespace) &&
           fits(m->pod_name, w->pod_name) && fits(m->image, w->image) && fits(m->user, w->user) &&
           fits(m->runtime, w->runtime) && fits(m->arch, w->arch) && fits(m->cls, asked) &&
           annotations_fit(&m->annotations, &w->annotations);
}

static bool answers_to(const struct config_class *c, const char *asked)
{
    return strcmp(c->name, asked) == 0 || (c->match.cls && fits(c->match.cls, asked));
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

int policy_class(const struct config *config, const struct workload *w, int *ret_index,
                 struct err *err)
{
    const char *asked = kvs_get(&w->annotations, POLICY_ANNOTATION_CLASS);
    int r;

    if (asked && (r = check_asked(config, asked, err)) < 0)
        return r;
    for (size_t i = 0; i < config->n_classes; i++) {
        const struct config_class *c = &config->classes[i];

        if (match_holds(&c->match, w, asked) ||
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
