/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When one rule takes everything that another one could get. Sound, not complete: "covers" is only
 * said where each condition of the outer rule follows from one of the inner rule.
 */
#include <fnmatch.h>
#include <string.h>
#include "policy/internal.h"
#include "policy/lint.h"

/* Lists in lists multiply; a rule that is not understood within this is taken for a good one. */
#define STEPS_MAX 5000u

static bool covers(const struct config_match *outer, const struct config_match *inner,
                   unsigned *steps);

/* Every text that fits `inner` fits `outer`. */
static bool pattern_covers(const struct config_pattern *outer, const struct config_pattern *inner)
{
    if (outer->kind == PATTERN_PREFIX)
        return inner->plain >= outer->plain && strncmp(inner->text, outer->text, outer->plain) == 0;
    if (inner->kind == PATTERN_EXACT)
        return match_pattern_fits(outer, inner->text);
    return strcmp(outer->text, inner->text) == 0;
}

/* "*" for something that every workload has. */
static bool always_holds(const struct config_term *t)
{
    bool known = t->fact == FACT_USER || t->fact == FACT_RUNTIME || t->fact == FACT_ARCH ||
                 t->fact == FACT_PLATFORM;

    return t->kind == TERM_FACT && known && strcmp(t->pattern.text, "*") == 0;
}

static bool same_kind_covers(const struct config_term *outer, const struct config_term *inner,
                             unsigned *steps)
{
    switch (outer->kind) {
    case TERM_FACT:
        return outer->fact == inner->fact && pattern_covers(&outer->pattern, &inner->pattern);
    case TERM_ANNOTATION:
        return strcmp(outer->key, inner->key) == 0 &&
               pattern_covers(&outer->pattern, &inner->pattern);
    case TERM_MOUNT:
        return covers(&outer->sub[0], &inner->sub[0], steps);
    case TERM_NOT: /* what is left out must be left out, too */
        return covers(&inner->sub[0], &outer->sub[0], steps);
    case TERM_ALL:
    case TERM_ANY:
        break;
    }
    return false;
}

static bool follows(const struct config_term *t, const struct config_match *inner, unsigned *steps);

/* One condition of the inner rule is enough for t. */
static bool follows_from(const struct config_term *t, const struct config_term *from,
                         unsigned *steps)
{
    size_t n = 0;

    if (from->kind != TERM_ALL && from->kind != TERM_ANY)
        return from->kind == t->kind && same_kind_covers(t, from, steps);
    for (size_t i = 0; i < from->n_sub; i++)
        n += follows(t, &from->sub[i], steps);
    return from->kind == TERM_ALL ? n > 0 : n == from->n_sub;
}

static bool follows(const struct config_term *t, const struct config_match *inner, unsigned *steps)
{
    size_t n = 0;

    if (always_holds(t))
        return true;
    if (t->kind == TERM_ALL || t->kind == TERM_ANY) {
        for (size_t i = 0; i < t->n_sub; i++)
            n += covers(&t->sub[i], inner, steps);
        if (t->kind == TERM_ALL ? n == t->n_sub : n > 0)
            return true;
    }
    for (size_t i = 0; i < inner->n; i++)
        if (++*steps < STEPS_MAX && follows_from(t, &inner->v[i], steps))
            return true;
    return false;
}

static bool covers(const struct config_match *outer, const struct config_match *inner,
                   unsigned *steps)
{
    for (size_t i = 0; i < outer->n; i++)
        if (++*steps >= STEPS_MAX || !follows(&outer->v[i], inner, steps))
            return false;
    return true;
}

bool policy_covers(const struct config_match *outer, const struct config_match *inner)
{
    unsigned steps = 0;

    return covers(outer, inner, &steps);
}

static bool patterns_exclude(const struct config_pattern *a, const struct config_pattern *b)
{
    if (strncmp(a->text, b->text, MIN(a->plain, b->plain)) != 0)
        return true;
    return (a->kind == PATTERN_EXACT && !match_pattern_fits(b, a->text)) ||
           (b->kind == PATTERN_EXACT && !match_pattern_fits(a, b->text));
}

/* Both conditions are about the same text, and no text can fit both. */
static bool terms_exclude(const struct config_term *a, const struct config_term *b)
{
    bool same = a->kind == b->kind && ((a->kind == TERM_FACT && a->fact == b->fact) ||
                                       (a->kind == TERM_ANNOTATION && strcmp(a->key, b->key) == 0));

    return same && patterns_exclude(&a->pattern, &b->pattern);
}

static bool excludes(const struct config_term *t, const struct config_match *m, unsigned *steps);

static bool excluded_by(const struct config_term *t, const struct config_term *other,
                        unsigned *steps)
{
    size_t n = 0;

    if (other->kind != TERM_ALL && other->kind != TERM_ANY)
        return terms_exclude(t, other);
    for (size_t i = 0; i < other->n_sub; i++)
        n += excludes(t, &other->sub[i], steps);
    return other->kind == TERM_ALL ? n > 0 : n == other->n_sub;
}

static bool excludes(const struct config_term *t, const struct config_match *m, unsigned *steps)
{
    for (size_t i = 0; i < m->n && ++*steps < STEPS_MAX; i++)
        if (excluded_by(t, &m->v[i], steps))
            return true;
    return false;
}

/* One condition of `all` against another one. */
static bool subs_exclude(const struct config_term *all, unsigned *steps)
{
    for (size_t i = 0; i < all->n_sub; i++)
        for (size_t k = 0; k < all->sub[i].n; k++)
            for (size_t other = i + 1; other < all->n_sub && *steps < STEPS_MAX; other++)
                if (excludes(&all->sub[i].v[k], &all->sub[other], steps))
                    return true;
    return false;
}

static bool contradicts(const struct config_match *m, unsigned *steps);

/* By itself, or by what its subs hold. */
static bool term_contradicts(const struct config_term *t, unsigned *steps)
{
    size_t n = 0;

    if (t->kind != TERM_ALL && t->kind != TERM_ANY)
        return false;
    for (size_t i = 0; i < t->n_sub && *steps < STEPS_MAX; i++)
        n += contradicts(&t->sub[i], steps);
    return t->kind == TERM_ANY ? n == t->n_sub : n > 0 || subs_exclude(t, steps);
}

static bool contradicts(const struct config_match *m, unsigned *steps)
{
    for (size_t i = 0; i < m->n && ++*steps < STEPS_MAX; i++) {
        const struct config_match before = {m->v, i}, behind = {m->v + i + 1, m->n - i - 1};
        const struct config_term *t = &m->v[i];

        if (term_contradicts(t, steps) || excludes(t, &before, steps) ||
            excludes(t, &behind, steps))
            return true;
        if (t->kind == TERM_NOT &&
            (covers(&t->sub[0], &before, steps) || covers(&t->sub[0], &behind, steps)))
            return true;
    }
    return false;
}

bool policy_contradicts(const struct config_match *m)
{
    unsigned steps = 0;

    return contradicts(m, &steps);
}
