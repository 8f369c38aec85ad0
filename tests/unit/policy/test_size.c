/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes of the VM. */
#include <errno.h>
#include "rig.h"
#include "base/cleanup.h"

TEST(memory_is_limit_overhead_and_page_structs_rounded_up_to_whole_mib)
{
    static const struct {
        uint64_t limit, overhead, want;
    } t[] = {
        {0, 64 * MIB, 2 * GIB},
        {64 * MIB, 64 * MIB, 129 * MIB},
        {1, 64 * MIB, 128 * MIB},
        {256 * MIB + 1, 64 * MIB, 325 * MIB},
        {256 * MIB, 0, 260 * MIB},
        {16 * GIB, 128 * MIB, 16 * GIB + 384 * MIB},
        {UINT64_MAX, 64 * MIB, UINT64_MAX - UINT64_MAX % MIB},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        CHECK_U64_EQ(policy_vm_memory(t[i].limit, t[i].overhead), t[i].want);
}

TEST(vcpus_are_the_quota_rounded_up_or_the_host_up_to_four)
{
    static const struct {
        uint64_t quota, period;
        uint32_t host, want;
    } t[] = {
        {0, 0, 2, 2},           {0, 100000, 16, 4},     {0, 0, 0, 1},
        {100000, 100000, 8, 1}, {100001, 100000, 8, 2}, {50000, 100000, 8, 1},
        {800000, 100000, 2, 2}, {1, 0, 2, 2},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        CHECK_INT_EQ(policy_vm_vcpus(t[i].quota, t[i].period, t[i].host), t[i].want);
}

static const struct policy_candidate kvm = {"kvm", "x86_64", true, NULL, true};

static struct decision decide(const char *config, struct workload *w)
{
    struct config c = rig_config(config);
    struct decision d;
    struct err err = ERR_INIT;

    CHECK_OK(policy_choose(&c, w, &kvm, 1, 8, &d, &err), err);
    config_done(&c);
    return d;
}

TEST(a_class_outweighs_the_defaults_and_auto_takes_them_back)
{
    struct workload w = {.user = xstrdup("0"), .memory_limit = 192 * MIB};
    struct decision d = decide("defaults: {vm: {memory: 1GiB, vcpus: 3, memory_overhead: 10MiB}}\n"
                               "classes: [{name: c, match: {user: '0'}, vm: {memory: auto}}]\n",
                               &w);

    CHECK_U64_EQ(d.size.memory, 205 * MIB);
    CHECK_STR_EQ(d.size.memory_why, "limit 192 MiB + overhead 10 MiB + page structs 3 MiB");
    CHECK_U64_EQ(d.size.overhead, 10 * MIB);
    CHECK_INT_EQ(d.size.vcpus, 3);
    CHECK_STR_EQ(d.size.vcpus_why, "set by defaults");
    decision_done(&d);
    d = decide("classes: [{name: c, match: {user: '0'}, vm: {memory: 100MiB}}]\n", &w);
    CHECK_U64_EQ(d.size.memory, 100 * MIB);
    CHECK_STR_EQ(d.size.memory_why, "set by class 'c'");
    decision_done(&d);
    workload_done(&w);
}

TEST(a_vm_grows_as_far_as_the_configuration_says)
{
    struct workload w = {.user = xstrdup("0")};
    struct decision d = decide("", &w);

    CHECK_U64_EQ(d.size.memory_max, d.size.memory);
    CHECK(!d.size.memory_max_why);
    decision_done(&d);
    d = decide("defaults: {vm: {memory_max: 3GiB}}\n", &w);
    CHECK_U64_EQ(d.size.memory, 2 * GIB);
    CHECK_U64_EQ(d.size.memory_max, 3 * GIB);
    CHECK_STR_EQ(d.size.memory_max_why, "set by defaults");
    decision_done(&d);
    d = decide("defaults: {vm: {memory_max: 3GiB}}\n"
               "classes: [{name: c, match: {user: '0'}, vm: {memory_max: 1GiB}}]\n",
               &w);
    CHECK_U64_EQ(d.size.memory_max, 2 * GIB); /* which is what it has */
    CHECK(!d.size.memory_max_why);
    decision_done(&d);
    workload_done(&w);
}

TEST(a_vm_gets_processors_as_far_as_configuration_and_back_end_say)
{
    struct workload w = {.user = xstrdup("0"), .cpu_quota = 200000, .cpu_period = 100000};
    struct decision d = decide("", &w);
    struct policy_candidate small = kvm;
    cleanup_free char *text = NULL;
    struct err err = ERR_INIT;
    struct config c;

    small.vcpus_max = 255;
    CHECK_INT_EQ(d.size.vcpus_max, 2);
    CHECK(!d.size.vcpus_max_why);
    decision_done(&d);
    d = decide("defaults: {vm: {vcpus_max: 6}}\n", &w);
    CHECK_INT_EQ(d.size.vcpus, 2);
    CHECK_INT_EQ(d.size.vcpus_max, 6);
    text = decision_explain_text(&d);
    CHECK_CONTAINS(text, "vcpus max:   6 (set by defaults)\n");
    decision_done(&d);
    d = decide("defaults: {vm: {vcpus_max: 6}}\n"
               "classes: [{name: c, match: {user: '0'}, vm: {vcpus: 3, vcpus_max: 2}}]\n",
               &w);
    CHECK_INT_EQ(d.size.vcpus_max, 3); /* which is what it has */
    CHECK(!d.size.vcpus_max_why);
    decision_done(&d);
    c = rig_config("defaults: {vm: {vcpus_max: 1000}}\n");
    CHECK_OK(policy_choose(&c, &w, &small, 1, 8, &d, &err), err);
    CHECK_INT_EQ(d.size.vcpus_max, 255);
    decision_done(&d);
    config_done(&c);
    workload_done(&w);
}

TEST(a_workloads_wish_counts_only_when_allowed)
{
    struct workload w = {0};
    struct decision d;

    rig_annotate(&w, POLICY_ANNOTATION_MEMORY, "256MiB");
    rig_annotate(&w, POLICY_ANNOTATION_VCPUS, "7");
    d = decide("", &w);
    CHECK_U64_EQ(d.size.memory, 2 * GIB);
    CHECK_INT_EQ(d.notes.n, 2);
    CHECK_CONTAINS(d.notes.v[0], "not in annotations.allow, ignoring");
    decision_done(&d);
    d = decide("annotations: {allow: [org.anyvisor.vm.*]}\n", &w);
    CHECK_U64_EQ(d.size.memory, 256 * MIB);
    CHECK_INT_EQ(d.size.vcpus, 7);
    CHECK_CONTAINS(d.size.memory_why, "annotation");
    decision_done(&d);
    workload_done(&w);
}

TEST(a_class_allows_what_the_file_does_not_and_the_reverse)
{
    static const char open_class[] =
        "classes: [{name: c, match: {user: '0'}, annotations: {allow: [org.anyvisor.*]}}]\n";
    static const char closed_class[] =
        "annotations: {allow: [org.anyvisor.*]}\n"
        "classes: [{name: c, match: {user: '0'}, annotations: {allow: []}}]\n";
    struct workload w = {.user = xstrdup("0")};
    struct decision d;

    rig_annotate(&w, POLICY_ANNOTATION_MEMORY, "256MiB");
    rig_annotate(&w, POLICY_ANNOTATION_KERNEL_ARGS, "quiet");
    rig_annotate(&w, POLICY_ANNOTATION_PORT, "p");
    d = decide(open_class, &w);
    CHECK_U64_EQ(d.size.memory, 256 * MIB);
    CHECK_STR_EQ(d.kernel_args, "quiet");
    CHECK_INT_EQ(d.granted.n, 3);
    decision_done(&d);
    d = decide(closed_class, &w);
    CHECK_U64_EQ(d.size.memory, 2 * GIB);
    CHECK_INT_EQ(d.granted.n, 0);
    decision_done(&d);
    workload_done(&w);
}

TEST(wishes_are_bounded_and_out_of_bounds_is_refused)
{
    static const struct {
        const char *allow, *key, *value, *want;
    } t[] = {
        {"{key: org.anyvisor.vm.*, min: 256MiB, max: 4GiB}", POLICY_ANNOTATION_MEMORY, "4GiB",
         NULL},
        {"{key: org.anyvisor.vm.*, max: 4GiB}", POLICY_ANNOTATION_MEMORY, "5GiB",
         "'5GiB' is more than the 4294967296"},
        {"{key: org.anyvisor.vm.*, min: 256MiB}", POLICY_ANNOTATION_MEMORY, "255MiB",
         "'255MiB' is less than the 268435456"},
        {"{key: '*.vcpus', max: 4}", POLICY_ANNOTATION_VCPUS, "4", NULL},
        {"{key: '*.vcpus', max: 4}", POLICY_ANNOTATION_VCPUS, "5", "'5' is more than the 4"},
        {"{key: '*', values: [debug, 'loglevel=?']}", POLICY_ANNOTATION_KERNEL_ARGS, "loglevel=7",
         NULL},
        {"{key: '*', values: [debug, 'loglevel=?']}", POLICY_ANNOTATION_KERNEL_ARGS, "init=/bin/sh",
         "'init=/bin/sh' is none of the values"},
        {"{key: '*.vcpus', max: 4}, '*'", POLICY_ANNOTATION_VCPUS, "5", "'5' is more than the 4"},
        {"'*', {key: '*.vcpus', max: 4}", POLICY_ANNOTATION_VCPUS, "5", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *text = xasprintf("annotations: {allow: [%s]}\n", t[i].allow);
        struct config c = rig_config(text);
        struct workload w = {0};
        struct decision d;
        struct err err = ERR_INIT;

        rig_annotate(&w, t[i].key, t[i].value);
        CHECK_ERR(policy_choose(&c, &w, &kvm, 1, 8, &d, &err), t[i].want ? -EPERM : 0);
        if (t[i].want)
            CHECK_CONTAINS(err.msg, t[i].want);
        decision_done(&d);
        workload_done(&w);
        config_done(&c);
    }
}

TEST(a_wish_that_makes_no_sense_is_refused)
{
    static const struct {
        const char *key, *value, *want;
    } t[] = {{POLICY_ANNOTATION_MEMORY, "much", "expected a size or a number, not 'much'"},
             {POLICY_ANNOTATION_MEMORY, "1MiB", "at least 128MiB"},
             {POLICY_ANNOTATION_VCPUS, "0", "from 1 to 1024"}};
    struct config c = rig_config("annotations: {allow: ['*']}\n");

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct workload w = {0};
        struct decision d;
        struct err err = ERR_INIT;

        rig_annotate(&w, t[i].key, t[i].value);
        CHECK_ERR(policy_choose(&c, &w, &kvm, 1, 8, &d, &err), -EINVAL);
        CHECK_CONTAINS(err.msg, t[i].want);
        decision_done(&d);
        workload_done(&w);
    }
    config_done(&c);
}

TEST(the_reason_for_a_size_is_told)
{
    static const struct {
        uint64_t limit, quota;
        const char *memory, *vcpus;
    } t[] = {
        {0, 0, "the workload has no memory limit", "no quota, host has 8"},
        {1, 150000, "the least that boots a guest", "quota 150000 of period 100000, host has 8"},
        {256 * MIB, 0, "limit 256 MiB + overhead 64 MiB + page structs 4 MiB",
         "no quota, host has 8"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct workload w = {
            .memory_limit = t[i].limit, .cpu_quota = t[i].quota, .cpu_period = 100000};
        struct decision d = decide("defaults: {vm: {memory_overhead: 64MiB}}\n", &w);

        CHECK_STR_EQ(d.size.memory_why, t[i].memory);
        CHECK_STR_EQ(d.size.vcpus_why, t[i].vcpus);
        decision_done(&d);
        workload_done(&w);
    }
}

TEST(a_workloads_kernel_arguments_come_after_the_operators)
{
    struct workload w = {0};
    struct decision d;

    rig_annotate(&w, POLICY_ANNOTATION_KERNEL_ARGS, "debug");
    d = decide("defaults: {vm: {kernel_args: quiet}}\n"
               "annotations: {allow: [org.anyvisor.vm.kernel_args]}\n",
               &w);
    CHECK_STR_EQ(d.kernel_args, "quiet debug");
    decision_done(&d);
    workload_done(&w);
}
