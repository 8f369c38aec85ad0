/* SPDX-License-Identifier: Apache-2.0 */
#include "config/match.h"
#include <stdlib.h>
#include <string.h>
#include "config/schema.h"

#define DEPTH_MAX 8 /* of all, any, not: more is a mistake, or an alias that holds itself */

static void term_done(struct config_term *t)
{
    free(t->key);
    free(t->pattern.text);
    for (size_t i = 0; i < t->n_sub; i++)
        config_match_done(&t->sub[i]);
    free(t->sub);
}

void config_match_done(struct config_match *m)
{
    for (size_t i = 0; i < m->n; i++)
        term_done(&m->v[i]);
    free(m->v);
    *m = (struct config_match){NULL, 0};
}

const char *config_match_text(const struct config_match *m, enum config_fact fact)
{
    for (size_t i = 0; i < m->n; i++)
        if (m->v[i].kind == TERM_FACT && m->v[i].fact == fact)
            return m->v[i].pattern.text;
    return NULL;
}

static struct config_pattern pattern_of(const char *text)
{
    struct config_pattern p = {xstrdup(text), strcspn(text, "*?[\\"), PATTERN_GLOB};

    if (!text[p.plain])
        p.kind = PATTERN_EXACT;
    else if (strcmp(text + p.plain, "*") == 0)
        p.kind = PATTERN_PREFIX;
    return p;
}

static struct config_term *add_term(struct config_match *m, enum config_term_kind kind)
{
    m->v = xreallocarray(m->v, m->n + 1, sizeof(*m->v));
    m->v[m->n] = (struct config_term){.kind = kind};
    return &m->v[m->n++];
}

static YAML_READER(read_fact)
{
    char *text = NULL;
    struct config_term *t;

    yaml_string(y, node, key, &text);
    if (!text)
        return;
    t = add_term(to, TERM_FACT);
    t->fact = (enum config_fact)key->id;
    t->pattern = pattern_of(text);
    free(text);
}

static void add_annotation(void *ctx, const char *key, const char *value, unsigned line,
                           unsigned column)
{
    struct config_term *t = add_term(ctx, TERM_ANNOTATION);

    (void)line, (void)column;
    t->key = xstrdup(key);
    t->pattern = pattern_of(value);
}

static YAML_READER(read_annotations)
{
    (void)key;
    yaml_pairs(y, node, add_annotation, to);
}

/* The mapping `node` as one more sub of the last term of m. */
static void add_sub(struct yaml_reader *y, yaml_node_t *node, const struct yaml_key *keys,
                    struct config_match *m)
{
    struct config_term *t = &m->v[m->n - 1];
    struct config_match sub = {NULL, 0};

    if (++y->depth > DEPTH_MAX)
        yaml_fail(y, node, "more than %d conditions within each other", DEPTH_MAX);
    else
        yaml_mapping(y, node, keys, &sub);
    y->depth--;
    if (y->code == 0 && sub.n == 0)
        yaml_fail(y, node, "there is no condition in it");
    t->sub = xreallocarray(t->sub, t->n_sub + 1, sizeof(*t->sub));
    t->sub[t->n_sub++] = sub;
}

/* all, any: a list of conditions; not: one. */
static YAML_READER(read_logic)
{
    struct config_match *m = to;
    yaml_node_t *item;

    add_term(m, (enum config_term_kind)key->id);
    if (key->id == TERM_NOT) {
        add_sub(y, node, match_keys, m);
        return;
    }
    for (size_t i = 0; (item = yaml_item(y, node, i)); i++)
        add_sub(y, item, match_keys, m);
    if (y->code == 0 && m->v[m->n - 1].n_sub == 0)
        yaml_fail(y, node, "the list is empty");
}

/* Each entry asks for a mount of its own; they may be the same. */
static YAML_READER(read_mounts)
{
    struct config_match *m = to;
    yaml_node_t *item;
    size_t i;

    for (i = 0; (item = yaml_item(y, node, i)); i++) {
        add_term(m, TERM_MOUNT);
        add_sub(y, item, key->sub, m);
    }
    if (y->code == 0 && i == 0)
        yaml_fail(y, node, "the list is empty");
}

static const struct yaml_key mount_keys[] = {
    {"destination", read_fact, .id = FACT_MOUNT_DESTINATION},
    {"type", read_fact, .id = FACT_MOUNT_TYPE},
    {"source", read_fact, .id = FACT_MOUNT_SOURCE},
    {"options", read_fact, .id = FACT_MOUNT_OPTIONS},
    {NULL},
};

const struct yaml_key match_keys[] = {
    {"pod_namespace", read_fact, .id = FACT_POD_NAMESPACE},
    {"pod_name", read_fact, .id = FACT_POD_NAME},
    {"container_name", read_fact, .id = FACT_CONTAINER_NAME},
    {"image", read_fact, .id = FACT_IMAGE},
    {"user", read_fact, .id = FACT_USER},
    {"runtime", read_fact, .id = FACT_RUNTIME},
    {"arch", read_fact, .id = FACT_ARCH},
    {"platform", read_fact, .id = FACT_PLATFORM},
    {"cgroup", read_fact, .id = FACT_CGROUP},
    {"class", read_fact, .id = FACT_CLASS},
    {"annotations", read_annotations},
    {"mounts", read_mounts, .sub = mount_keys},
    {"all", read_logic, .id = TERM_ALL},
    {"any", read_logic, .id = TERM_ANY},
    {"not", read_logic, .id = TERM_NOT},
    {NULL},
};

const char *config_fact_name(enum config_fact fact)
{
    const struct yaml_key *keys = fact < FACT_MOUNT_DESTINATION ? match_keys : mount_keys;

    while (keys->name && (keys->read != read_fact || keys->id != (int)fact))
        keys++;
    return keys->name ? keys->name : "unknown";
}
