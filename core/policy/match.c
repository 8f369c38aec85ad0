/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a workload is what a `match` describes. Thousands of these are asked for each start. */
#include <fnmatch.h>
#include <string.h>
#include "policy/internal.h"

/* No pattern matches what is unknown. Most rules end at the first byte that differs. */
bool match_pattern_fits(const struct config_pattern *p, const char *value)
{
    if (!value)
        return false;
    if (p->kind == PATTERN_EXACT)
        return strcmp(p->text, value) == 0;
    if (strncmp(p->text, value, p->plain) != 0)
        return false;
    return p->kind == PATTERN_PREFIX || fnmatch(p->text, value, 0) == 0;
}

void match_facts_of(const struct workload *w, struct match_facts *ret)
{
    *ret = (struct match_facts){
        .v =
            {
                [FACT_POD_NAMESPACE] = w->pod_namespace,
                [FACT_POD_NAME] = w->pod_name,
                [FACT_CONTAINER_NAME] = w->container_name,
                [FACT_IMAGE] = w->image,
                [FACT_USER] = w->user,
                [FACT_RUNTIME] = w->runtime,
                [FACT_ARCH] = w->arch,
                [FACT_PLATFORM] = w->platform,
                [FACT_CGROUP] = w->cgroup,
                [FACT_CLASS] = kvs_get(&w->annotations, POLICY_ANNOTATION_CLASS),
            },
        .w = w,
    };
}

static bool one_option_fits(const struct config_pattern *p, const struct strv *options)
{
    for (size_t i = 0; i < options->n; i++)
        if (match_pattern_fits(p, options->v[i]))
            return true;
    return false;
}

static bool mount_fits(const struct config_match *m, const struct workload_mount *mount)
{
    for (size_t i = 0; i < m->n; i++) {
        const struct config_pattern *p = &m->v[i].pattern;
        bool fits = m->v[i].fact == FACT_MOUNT_DESTINATION
                        ? match_pattern_fits(p, mount->destination)
                    : m->v[i].fact == FACT_MOUNT_TYPE   ? match_pattern_fits(p, mount->type)
                    : m->v[i].fact == FACT_MOUNT_SOURCE ? match_pattern_fits(p, mount->source)
                                                        : one_option_fits(p, &mount->options);

        if (!fits)
            return false;
    }
    return true;
}

static bool some_mount_fits(const struct config_match *m, const struct workload *w)
{
    for (size_t i = 0; i < w->n_mounts; i++)
        if (mount_fits(m, &w->mounts[i]))
            return true;
    return false;
}

static bool some_sub_holds(const struct config_term *t, const struct match_facts *facts, bool want)
{
    for (size_t i = 0; i < t->n_sub; i++)
        if (match_holds(&t->sub[i], facts) == want)
            return true;
    return false;
}

static bool term_holds(const struct config_term *t, const struct match_facts *facts)
{
    switch (t->kind) {
    case TERM_FACT:
        return match_pattern_fits(&t->pattern, facts->v[t->fact]);
    case TERM_ANNOTATION:
        return match_pattern_fits(&t->pattern, kvs_get(&facts->w->annotations, t->key));
    case TERM_MOUNT:
        return some_mount_fits(&t->sub[0], facts->w);
    case TERM_ALL:
        return !some_sub_holds(t, facts, false);
    case TERM_ANY:
        return some_sub_holds(t, facts, true);
    case TERM_NOT:
        return !match_holds(&t->sub[0], facts);
    }
    return false;
}

bool match_holds(const struct config_match *m, const struct match_facts *facts)
{
    for (size_t i = 0; i < m->n; i++)
        if (!term_holds(&m->v[i], facts))
            return false;
    return true;
}
