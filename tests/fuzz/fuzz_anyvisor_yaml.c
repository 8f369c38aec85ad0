/* SPDX-License-Identifier: Apache-2.0 */
/* link: av_policy av_config */
/*
 * Any bytes as anyvisor.yaml: either a sentence with a place, or a configuration that the policy
 * can decide with and `config check` can look at.
 */
#include <stdlib.h>
#include "policy/lint.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void add_mount(struct workload *w)
{
    struct workload_mount m = {xstrdup("/data"), xstrdup("bind"), xstrdup("/srv"), {0}};

    strv_add(&m.options, "ro");
    w->mounts = xmemdup(&m, sizeof(m));
    w->n_mounts = 1;
}

static void look(const struct config *c)
{
    struct strv problems = {0}, notes = {0};

    policy_lint(c, &problems, &notes);
    strv_done(&problems);
    strv_done(&notes);
}

static void decide(const struct config *c)
{
    static const struct policy_candidate kvm = {"kvm", "x86_64", true, NULL, true};
    struct workload w = {.user = xstrdup("0"), .pod_namespace = xstrdup("ci-1")};
    struct decision d;
    struct err err;

    kvs_add(&w.annotations, POLICY_ANNOTATION_CLASS, "a");
    kvs_add(&w.annotations, POLICY_ANNOTATION_MEMORY, "1GiB");
    kvs_add(&w.annotations, POLICY_ANNOTATION_KERNEL_ARGS, "debug");
    add_mount(&w);
    if (policy_choose(c, &w, &kvm, 1, 2, &d, &err) < 0 && !err.msg[0])
        abort();
    free(decision_explain_text(&d));
    decision_done(&d);
    workload_done(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct config c;
    struct err err = ERR_INIT;

    if (config_parse((const char *)data, len, "f.yaml", "/etc", &c, &err) < 0) {
        if (!str_starts_with(err.msg, "f.yaml:"))
            abort();
        return 0;
    }
    decide(&c);
    look(&c);
    config_done(&c);
    return 0;
}
