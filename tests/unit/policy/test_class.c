/* SPDX-License-Identifier: Apache-2.0 */
/* Which class matches. */
#include <errno.h>
#include "rig.h"
#include "base/cleanup.h"

/* Members of a class's `match` against a fixed workload. */
TEST(each_pattern_is_compared_with_its_fact)
{
    static const struct {
        const char *match;
        int want;
    } t[] = {
        {"pod_namespace: ci-*", 0},
        {"pod_namespace: prod", -1},
        {"pod_name: 'job-?'", 0},
        {"image: '*busybox*'", 0},
        {"user: '0'", 0},
        {"user: '[1-9]*'", -1},
        {"runtime: any*", 0},
        {"arch: x86_64", 0},
        {"arch: s390x", -1},
        {"annotations: {a: '*'}", 0},
        {"annotations: {a: 1, b: 2*}", 0},
        {"annotations: {a: 1, b: 3}", -1},
        {"annotations: {missing: '*'}", -1},
        {"pod_namespace: ci-*, user: '1'", -1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *text = xasprintf("classes: [{name: c, match: {%s}}]\n", t[i].match);
        struct config c = rig_config(text);
        struct workload w = {
            xstrdup("ci-1"),     xstrdup("job-7"),  NULL,        xstrdup("docker.io/busybox:1"),
            xstrdup("anyvisor"), xstrdup("x86_64"), xstrdup("0")};
        struct err err = ERR_INIT;
        int index = 99;

        rig_annotate(&w, "a", "1");
        rig_annotate(&w, "b", "22");
        CHECK_OK(policy_class(&c, &w, &index, &err), err);
        if (index != t[i].want)
            TEST_FAIL("{%s}: class %d, want %d", t[i].match, index, t[i].want);
        workload_done(&w);
        config_done(&c);
    }
}

TEST(an_unknown_fact_matches_no_pattern)
{
    struct config c = rig_config("classes: [{name: c, match: {pod_name: '*'}}]\n");
    struct workload w = {0};
    struct err err = ERR_INIT;
    int index = 99;

    CHECK_OK(policy_class(&c, &w, &index, &err), err);
    CHECK_INT_EQ(index, -1);
    config_done(&c);
}

TEST(the_first_match_wins)
{
    struct config c = rig_config("classes: [{name: a, match: {user: '1'}}, "
                                 "{name: b, match: {user: '0'}}, {name: c, match: {user: '*'}}]\n");
    struct workload w = {.user = xstrdup("0")};
    struct err err = ERR_INIT;
    int index = 99;

    CHECK_OK(policy_class(&c, &w, &index, &err), err);
    CHECK_INT_EQ(index, 1);
    workload_done(&w);
    config_done(&c);
}

TEST(a_workload_may_ask_for_selectable_classes_only)
{
    static const struct {
        const char *asked;
        int code, want;
        const char *text;
    } t[] = {
        {"fast", 0, 1, NULL},
        {"tiny-3", 0, 2, NULL},
        {"secret", -EACCES, 0, "'secret', which is not selectable"},
        {"moon", -ENOENT, 0, "'moon', which does not exist"},
    };
    struct config c = rig_config("classes:\n"
                                 "- {name: secret, match: {user: '7'}}\n"
                                 "- {name: fast, selectable: true}\n"
                                 "- {name: tiny, selectable: true, match: {class: tiny-*}}\n");

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct workload w = {.user = xstrdup("0")};
        struct err err = ERR_INIT;
        int index = 99;

        rig_annotate(&w, POLICY_ANNOTATION_CLASS, t[i].asked);
        CHECK_ERR(policy_class(&c, &w, &index, &err), t[i].code);
        if (t[i].code == 0)
            CHECK_INT_EQ(index, t[i].want);
        else
            CHECK_CONTAINS(err.msg, t[i].text);
        workload_done(&w);
    }
    config_done(&c);
}

TEST(asking_does_not_lead_out_of_a_class_that_the_operator_chose)
{
    struct config c = rig_config("classes:\n"
                                 "- {name: locked, match: {user: '7'}}\n"
                                 "- {name: fast, selectable: true}\n");
    struct workload w = {.user = xstrdup("7")};
    struct err err = ERR_INIT;
    int index = 99;

    rig_annotate(&w, POLICY_ANNOTATION_CLASS, "fast");
    CHECK_OK(policy_class(&c, &w, &index, &err), err);
    CHECK_INT_EQ(index, 0);
    workload_done(&w);
    config_done(&c);
}
