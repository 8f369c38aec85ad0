/* SPDX-License-Identifier: Apache-2.0 */
/* Which class matches. */
#include <errno.h>
#include <stdio.h>
#include <time.h>
#include "rig.h"
#include "base/cleanup.h"

static void add_mount(struct workload *w, const char *destination, const char *type,
                      const char *source, const char *option)
{
    struct workload_mount *m;

    w->mounts = xreallocarray(w->mounts, w->n_mounts + 1, sizeof(*w->mounts));
    m = &w->mounts[w->n_mounts++];
    *m = (struct workload_mount){xstrdup(destination), xstrdup(type), xstrdup(source), {0}};
    if (option)
        strv_add(&m->options, option);
}

static struct workload example(void)
{
    struct workload w = {
        .pod_namespace = xstrdup("ci-1"),
        .pod_name = xstrdup("job-7"),
        .container_name = xstrdup("main"),
        .image = xstrdup("docker.io/busybox:1"),
        .runtime = xstrdup("anyvisor"),
        .arch = xstrdup("x86_64"),
        .platform = xstrdup("linux/amd64"),
        .cgroup = xstrdup("/kubepods/pod1/c1"),
        .user = xstrdup("0"),
    };

    rig_annotate(&w, "a", "1");
    rig_annotate(&w, "b", "22");
    add_mount(&w, "/proc", "proc", NULL, NULL);
    add_mount(&w, "/data", "bind", "/dev/mapper/vg-data", "rbind");
    add_mount(&w, "/ro", "bind", "/srv", "ro");
    return w;
}

/* Members of a class's `match` against that workload. */
TEST(each_condition_is_compared_with_its_fact)
{
    static const struct {
        const char *match;
        int want;
    } t[] = {
        {"pod_namespace: ci-*", 0},
        {"pod_namespace: ci-1", 0},
        {"pod_namespace: prod", -1},
        {"pod_namespace: ci-", -1},
        {"pod_name: 'job-?'", 0},
        {"pod_name: 'jab-?'", -1},
        {"container_name: main", 0},
        {"container_name: side", -1},
        {"image: '*busybox*'", 0},
        {"user: '0'", 0},
        {"user: '[1-9]*'", -1},
        {"runtime: any*", 0},
        {"runtime: runc", -1},
        {"arch: x86_64", 0},
        {"arch: s390x", -1},
        {"platform: linux/amd64", 0},
        {"platform: '*/s390x'", -1},
        {"cgroup: /kubepods/*", 0},
        {"cgroup: /system/*", -1},
        {"annotations: {a: '*'}", 0},
        {"annotations: {a: 1, b: 2*}", 0},
        {"annotations: {a: 1, b: 3}", -1},
        {"annotations: {missing: '*'}", -1},
        {"pod_namespace: ci-*, user: '1'", -1},
        {"mounts: [{destination: /data}]", 0},
        {"mounts: [{destination: /data, type: tmpfs}]", -1},
        {"mounts: [{source: /dev/mapper/*, options: rbind}]", 0},
        {"mounts: [{source: /dev/mapper/*, options: ro}]", -1},
        {"mounts: [{source: '*', destination: /proc}]", -1},
        {"mounts: [{type: proc}, {options: r?}]", 0},
        {"mounts: [{type: proc}, {type: sysfs}]", -1},
        {"all: [{user: '0'}, {arch: x86_64}]", 0},
        {"all: [{user: '0'}, {arch: s390x}]", -1},
        {"any: [{user: '1'}, {arch: x86_64}]", 0},
        {"any: [{user: '1'}, {arch: s390x}]", -1},
        {"not: {user: '1'}", 0},
        {"not: {user: '0', arch: x86_64}", -1},
        {"not: {user: '0', arch: s390x}", 0},
        {"any: [{not: {user: '0'}}, {all: [{any: [{image: docker.io/*}]}]}]", 0},
        {"user: '0', not: {mounts: [{source: /dev/*}]}", -1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *text = xasprintf("classes: [{name: c, match: {%s}}]\n", t[i].match);
        struct config c = rig_config(text);
        struct workload w = example();
        struct err err = ERR_INIT;
        int index = 99;

        CHECK_OK(policy_class(&c, &w, &index, &err), err);
        if (index != t[i].want)
            TEST_FAIL("{%s}: class %d, want %d", t[i].match, index, t[i].want);
        workload_done(&w);
        config_done(&c);
    }
}

TEST(what_is_unknown_is_not_what_a_pattern_says)
{
    struct config c = rig_config("classes: [{name: c, match: {not: {pod_name: '*'}}}]\n");
    struct workload w = {0};
    struct err err = ERR_INIT;
    int index = 99;

    CHECK_OK(policy_class(&c, &w, &index, &err), err);
    CHECK_INT_EQ(index, 0);
    config_done(&c);
}

TEST(the_caller_names_any_class_and_no_rule_is_asked)
{
    struct config c = rig_config("classes: [{name: first, match: {user: '*'}},\n"
                                 "          {name: second, match: {user: never}}]\n");
    struct workload w = {.user = xstrdup("0")};
    struct err err = ERR_INIT;
    int index = 99;

    w.chosen = (char *)"second";
    rig_annotate(&w, POLICY_ANNOTATION_CLASS, "first");
    CHECK_OK(policy_class(&c, &w, &index, &err), err);
    CHECK_INT_EQ(index, 1);
    w.chosen = (char *)"default";
    CHECK_OK(policy_class(&c, &w, &index, &err), err);
    CHECK_INT_EQ(index, -1);
    w.chosen = (char *)"secnd";
    CHECK_ERR(policy_class(&c, &w, &index, &err), -ENOENT);
    CHECK_CONTAINS(err.msg, "no class 'secnd' in the configuration, did you mean 'second'?");
    w.chosen = NULL;
    workload_done(&w);
    config_done(&c);
}

/* Two in three rules share their beginning with the facts; none of them matches. */
static char *many_rules(size_t n)
{
    static const char *const forms[] = {
        "pod_namespace: ci-1, image: 'docker.io/busy%zu*'",
        "any: [{pod_name: 'job-*%zu'}, {annotations: {b: '2%zu'}}]",
        "not: {pod_namespace: ci-*}, user: '%zu'",
        "mounts: [{destination: /data, source: '/dev/*/%zu'}]",
    };
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    fputs("classes:\n", f);
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "- {name: c%zu, match: {", i);
        /* NOLINTNEXTLINE: the formats are the table's */
        fprintf(f, forms[i % ARRAY_SIZE(forms)], i + 100, i + 100);
        fputs("}}\n", f);
    }
    fclose(f);
    return text;
}

static double cpu_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Measured: 0.7 ms. */
TEST(ten_thousand_rules_cost_a_few_milliseconds)
{
    cleanup_free char *text = many_rules(10000);
    struct config c = rig_config(text);
    struct workload w = example();
    struct err err = ERR_INIT;
    double best = 1e9;
    int index = 99;

    CHECK_INT_EQ(c.n_classes, 10000);
    for (int i = 0; i < 5; i++) {
        double begin = cpu_ms();

        CHECK_OK(policy_class(&c, &w, &index, &err), err);
        best = MIN(best, cpu_ms() - begin);
    }
    CHECK_INT_EQ(index, -1);
    printf("10000 rules: %.2f ms\n", best);
    CHECK(best < 5);
    workload_done(&w);
    config_done(&c);
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
