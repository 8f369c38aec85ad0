/* SPDX-License-Identifier: Apache-2.0 */
/* What a workload may say about itself: org.anyvisor.* annotations within the operator's bounds. */
#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>
#include "policy/internal.h"

#define OURS "org.anyvisor."

enum kind {
    ALWAYS, /* a fact that rules judge, no wish */
    AMOUNT, /* a size or count: min and max bound it */
    TEXT,   /* values bound it */
    SECRET, /* the same, but it may hold a password: never shown */
};

static const struct {
    const char *key; /* pattern */
    enum kind kind;
} known[] = {
    {POLICY_ANNOTATION_CLASS, ALWAYS}, {POLICY_ANNOTATION_ARCH, ALWAYS},
    {POLICY_ANNOTATION_PORT, ALWAYS},  {POLICY_ANNOTATION_MEMORY, AMOUNT},
    {POLICY_ANNOTATION_VCPUS, AMOUNT}, {POLICY_ANNOTATION_KERNEL_ARGS, TEXT},
    {POLICY_ANNOTATION_ROOTFS, TEXT},  {POLICY_ANNOTATION_CINDER "*", SECRET},
};

static const struct config_allow *allowed(const struct config_allow_list *l, const char *key)
{
    for (size_t i = 0; i < l->n; i++)
        if (fnmatch(l->v[i].key, key, 0) == 0)
            return &l->v[i];
    return NULL;
}

static int check_amount(const struct config_allow *a, const struct kv *wish, struct err *err)
{
    uint64_t value;

    if (str_to_size(wish->value, &value) < 0)
        return err_set_phase(err, PHASE_POLICY, EINVAL,
                             "annotation %s: expected a size or a number, not '%s'", wish->key,
                             wish->value);
    if (a->min != CONFIG_UNSET && value < a->min)
        return err_set_phase(err, PHASE_POLICY, EPERM,
                             "annotation %s: '%s' is less than the %" PRIu64
                             " that annotations.allow sets as min",
                             wish->key, wish->value, a->min);
    if (a->max != CONFIG_UNSET && value > a->max)
        return err_set_phase(err, PHASE_POLICY, EPERM,
                             "annotation %s: '%s' is more than the %" PRIu64
                             " that annotations.allow sets as max",
                             wish->key, wish->value, a->max);
    return 0;
}

static int check_text(const struct config_allow *a, const struct kv *wish, bool secret,
                      struct err *err)
{
    for (size_t i = 0; i < a->values.n; i++)
        if (fnmatch(a->values.v[i], wish->value, 0) == 0)
            return 0;
    if (a->values.n == 0)
        return 0;
    return err_set_phase(err, PHASE_POLICY, EPERM,
                         "annotation %s: %s%s%s is none of the values that annotations.allow lists",
                         wish->key, secret ? "it" : "'", secret ? "" : wish->value,
                         secret ? "" : "'");
}

static int grant(const struct config_allow_list *l, const struct kv *wish, enum kind kind,
                 struct decision *d, struct err *err)
{
    const struct config_allow *a = allowed(l, wish->key);
    int r;

    if (!a) {
        strv_addf(&d->notes, "annotation %s is not in annotations.allow, ignoring", wish->key);
        return 0;
    }
    r = kind == AMOUNT ? check_amount(a, wish, err) : check_text(a, wish, kind == SECRET, err);
    if (r == 0)
        kvs_add(&d->granted, wish->key, wish->value);
    return r;
}

int policy_grant(const struct config *config, const struct config_class *cls,
                 const struct workload *w, struct decision *d, struct err *err)
{
    const struct config_allow_list *l = cls && cls->allow.given ? &cls->allow : &config->allow;

    for (size_t i = 0; i < w->annotations.n; i++) {
        const struct kv *wish = &w->annotations.v[i];
        size_t k = 0;
        int r = 0;

        if (!str_starts_with(wish->key, OURS))
            continue;
        while (k < ARRAY_SIZE(known) && fnmatch(known[k].key, wish->key, 0) != 0)
            k++;
        if (k == ARRAY_SIZE(known))
            strv_addf(&d->notes, "annotation %s is unknown, ignoring", wish->key);
        else if (known[k].kind != ALWAYS)
            r = grant(l, wish, known[k].kind, d, err);
        else if (allowed(l, wish->key)) /* more than a fact, to who asks for what was granted */
            kvs_add(&d->granted, wish->key, wish->value);
        if (r < 0)
            return r;
    }
    return 0;
}

void policy_annotation_kinds(const char *pattern, bool *ret_amount, bool *ret_text)
{
    *ret_amount = *ret_text = false;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        bool fits =
            fnmatch(pattern, known[i].key, 0) == 0 || fnmatch(known[i].key, pattern, 0) == 0;

        *ret_amount |= fits && known[i].kind == AMOUNT;
        *ret_text |= fits && (known[i].kind == TEXT || known[i].kind == SECRET);
    }
}

const char *policy_annotation_nearest(const char *key)
{
    const char *names[ARRAY_SIZE(known)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (known[i].kind != ALWAYS)
            names[n++] = known[i].key;
    return str_nearest(key, names, n);
}
