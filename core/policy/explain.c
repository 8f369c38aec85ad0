/* SPDX-License-Identifier: Apache-2.0 */
/* The decision in words, as `anyvisor explain` prints it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "policy/policy.h"

const char *policy_verdict_name(enum policy_verdict v)
{
    static const char *const names[] = {
        [POLICY_CHOSEN] = "chosen",
        [POLICY_SPARE] = "spare",
        [POLICY_RULED_OUT] = "ruled out",
        [POLICY_UNLISTED] = "unlisted",
    };

    return (unsigned)v < ARRAY_SIZE(names) ? names[v] : "unknown";
}

static void print_vm(FILE *f, const struct decision *d)
{
    const struct policy_size *s = &d->size;

    if (!s->vcpus_why) /* the decision ended before */
        return;
    fprintf(f, "vcpus:       %u (%s)\n", s->vcpus, s->vcpus_why);
    if (s->vcpus_max_why)
        fprintf(f, "vcpus max:   %u (%s)\n", s->vcpus_max, s->vcpus_max_why);
    fprintf(f, "memory:      %" PRIu64 " MiB (%s)\n", s->memory / MIB, s->memory_why);
    if (s->memory_max_why)
        fprintf(f, "memory max:  %" PRIu64 " MiB (%s)\n", s->memory_max / MIB, s->memory_max_why);
}

static void print_network(FILE *f, const struct decision *d)
{
    for (size_t i = 0; d->attach && i < d->attach->n; i++)
        fprintf(f, "%s%s", i == 0 ? "network:     attach by " : ", else ", d->attach->v[i]);
    if (d->attach)
        fprintf(f, "\n");
}

static void print_options(FILE *f, const struct decision *d)
{
    if (d->n_options > 0)
        fprintf(f, "hypervisors:\n");
    for (size_t i = 0; i < d->n_options; i++) {
        const struct policy_option *o = &d->options[i];

        fprintf(f, "  %-16s %-10s %s\n", o->name, policy_verdict_name(o->verdict), o->reason);
    }
}

char *decision_explain_text(const struct decision *d)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (!f)
        return xstrdup("");
    if (d->cls)
        fprintf(f, "class:       %s\nrule:        %s\n", d->cls, d->rule);
    if (d->rootfs_storage && d->volume_storage)
        fprintf(f, "storage:     rootfs %s, volumes %s\n", d->rootfs_storage, d->volume_storage);
    print_vm(f, d);
    print_network(f, d);
    if (d->template_why)
        fprintf(f, "template:    %s\n", d->template_why);
    if (d->pool_why)
        fprintf(f, "pool:        %s\n", d->pool_why);
    print_options(f, d);
    for (size_t i = 0; i < d->notes.n; i++)
        fprintf(f, "note:        %s\n", d->notes.v[i]);
    fclose(f);
    return text;
}
