/* SPDX-License-Identifier: Apache-2.0 */
/* Which hypervisor, and why not the others. */
#include <errno.h>
#include "rig.h"
#include "base/cleanup.h"

static const struct policy_candidate all[] = {
    {"good", "x86_64", true, "TCG: no VMX", true},
    {"absent", "x86_64", false, "module xen-privcmd is not there", true},
    {"big", "s390x", true, NULL, true},
    {"plain", "x86_64", true, NULL, false},
    {"small", "x86_64", true, NULL, true, false, false, 1, 256 * MIB},
    {"other", "x86_64", true, NULL, true},
};

struct job {
    struct config c;
    struct workload w;
    struct decision d;
    struct err err;
    int r;
};

static struct job run(const char *config)
{
    struct job j = {rig_config(config)};

    j.w.arch = xstrdup("x86_64");
    j.w.user = xstrdup("0");
    j.r = policy_choose(&j.c, &j.w, all, ARRAY_SIZE(all), 2, &j.d, &j.err);
    return j;
}

static void done(struct job *j)
{
    decision_done(&j->d);
    workload_done(&j->w);
    config_done(&j->c);
}

static const struct policy_option *option(const struct job *j, const char *name)
{
    for (size_t i = 0; i < j->d.n_options; i++)
        if (strcmp(j->d.options[i].name, name) == 0)
            return &j->d.options[i];
    TEST_FAIL("no option '%s'", name);
}

TEST(the_first_usable_of_the_list_is_chosen_and_all_others_have_a_reason)
{
    struct job j =
        run("defaults: {hypervisor: [nowhere, absent, big, plain, small, good, other]}\n");
    static const struct {
        const char *name;
        enum policy_verdict verdict;
        const char *reason;
    } t[] = {
        {"nowhere", POLICY_RULED_OUT, "no descriptor of this name in /etc/av/plugins.d"},
        {"absent", POLICY_RULED_OUT, "not usable: module xen-privcmd is not there"},
        {"big", POLICY_RULED_OUT, "its guests are s390x, the workload is x86_64"},
        {"plain", POLICY_RULED_OUT, "cannot share a directory over 9p"},
        {"small", POLICY_RULED_OUT, "can give 256 MiB of memory, the workload needs 2048 MiB"},
        {"good", POLICY_CHOSEN, "TCG: no VMX"},
        {"other", POLICY_SPARE, "'good' comes before it"},
    };

    CHECK_OK(j.r, j.err);
    CHECK_INT_EQ(j.d.chosen, 0);
    CHECK_STR_EQ(j.d.cls, "default");
    CHECK_INT_EQ(j.d.n_options, 7);
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        CHECK_STR_EQ(j.d.options[i].name, t[i].name);
        CHECK_INT_EQ(j.d.options[i].verdict, t[i].verdict);
        CHECK_CONTAINS(j.d.options[i].reason, t[i].reason);
    }
    done(&j);
}

TEST(a_class_gets_one_of_its_own_list_or_none)
{
    struct job j = run("defaults: {hypervisor: [good]}\n"
                       "classes: [{name: c, match: {user: '0'}, hypervisor: [absent, nowhere]}]\n");

    CHECK_ERR(j.r, -ENODEV);
    CHECK_INT_EQ(j.d.chosen, -1);
    CHECK_INT_EQ(j.err.phase, PHASE_POLICY);
    CHECK_CONTAINS(j.err.msg, "no hypervisor for class 'c': absent: not usable: module");
    CHECK_CONTAINS(j.err.msg, "; nowhere: there is no descriptor");
    CHECK_INT_EQ(option(&j, "good")->verdict, POLICY_UNLISTED);
    CHECK_CONTAINS(option(&j, "good")->reason, "class 'c' does not list it");
    CHECK_CONTAINS(j.d.rule, "classes[0] 'c' (f.yaml:3)");
    done(&j);
}

TEST(an_automatic_vcpu_count_bends_to_the_back_end_a_given_one_does_not)
{
    struct job j = run("defaults: {hypervisor: [small], vm: {memory: 256MiB}}\n");

    CHECK_OK(j.r, j.err);
    CHECK_INT_EQ(j.d.size.vcpus, 1);
    done(&j);
    j = run("defaults: {hypervisor: [small], vm: {memory: 256MiB, vcpus: 2}}\n");
    CHECK_ERR(j.r, -ENODEV);
    CHECK_CONTAINS(j.err.msg, "can give 1 vCPUs, the workload needs 2");
    done(&j);
}

TEST(the_first_storage_of_each_kind_is_shown)
{
    struct job j = run("defaults: {hypervisor: [good], storage: {volumes: [network, 9pfs]}}\n");

    CHECK_OK(j.r, j.err);
    CHECK_STR_EQ(j.d.rootfs_storage, "9pfs");
    CHECK_STR_EQ(j.d.volume_storage, "network");
    CHECK_INT_EQ(j.d.notes.n, 0);
    done(&j);
}

TEST(assets_come_from_the_class_then_the_defaults)
{
    struct job j =
        run("defaults: {hypervisor: [good], boot_timeout: 9, vm: {kernel: /k, image: /i}}\n"
            "classes: [{name: c, match: {user: '0'}, vm: {kernel: /ck}}]\n");

    CHECK_OK(j.r, j.err);
    CHECK_STR_EQ(j.d.kernel, "/ck");
    CHECK_STR_EQ(j.d.image, "/i");
    CHECK(!j.d.kernel_args);
    CHECK_U64_EQ(j.d.boot_timeout_s, 9);
    done(&j);
}

TEST(a_pool_is_as_large_as_the_class_says)
{
    struct job j = run("defaults: {hypervisor: [good]}\n");

    CHECK_U64_EQ(j.d.pool.size, 0);
    CHECK_CONTAINS(j.d.pool_why, "off");
    done(&j);
    j = run("defaults: {hypervisor: [good], pool: {size: 4, max_age: 60}}\n");
    CHECK_U64_EQ(j.d.pool.size, 4);
    CHECK_U64_EQ(j.d.pool.min_free, 4);
    CHECK_U64_EQ(j.d.pool.max_age_s, 60);
    done(&j);
    j = run("defaults: {hypervisor: [good], pool: {size: 4, min_free: 0}}\n");
    CHECK_U64_EQ(j.d.pool.min_free, 0);
    CHECK_CONTAINS(j.d.pool_why, "by 'anyvisor pool fill' alone");
    done(&j);
    j = run("defaults: {hypervisor: [good], pool: {size: 4, min_free: 3, max_age: 60}}\n"
            "classes: [{name: c, match: {user: '0'}, pool: {size: 2, max_age: 5m}}]\n");
    CHECK_U64_EQ(j.d.pool.size, 2);
    CHECK_U64_EQ(j.d.pool.min_free, 2);
    CHECK_U64_EQ(j.d.pool.max_age_s, 300);
    CHECK_CONTAINS(j.d.pool_why, "up to 2");
    done(&j);
}

TEST(ways_to_interfaces_are_those_of_the_class_if_it_has_some)
{
    struct job j = run("defaults: {hypervisor: [good]}\n");

    CHECK_INT_EQ(j.r, 0);
    CHECK_STR_EQ(j.d.attach->v[0], "redirect");
    done(&j);
    j = run("defaults: {hypervisor: [good], network: {attach: [macvtap]}}\n"
            "classes: [{name: c, match: {user: '0'}, network: {attach: [direct, redirect]}}]\n");
    CHECK_INT_EQ(j.d.attach->n, 2);
    CHECK_STR_EQ(j.d.attach->v[0], "direct");
    done(&j);
}

TEST(a_template_is_shared_by_whom_the_class_says)
{
    struct job j = run("defaults: {hypervisor: [good]}\n");

    CHECK_OK(j.r, j.err);
    CHECK_STR_EQ(j.d.template_scope, NULL);
    CHECK_CONTAINS(j.d.template_why, "off");
    done(&j);
    j = run("defaults: {hypervisor: [good], template: shared}\n");
    CHECK_STR_EQ(j.d.template_scope, "shared");
    done(&j);
    j = run("defaults: {hypervisor: [good], template: shared}\n"
            "classes: [{name: c, match: {user: '0'}, template: off}]\n");
    CHECK_STR_EQ(j.d.template_scope, NULL);
    done(&j);
}

TEST(a_tenant_is_a_namespace_of_pods)
{
    struct job j = run("defaults: {hypervisor: [good], template: tenant}\n");

    decision_done(&j.d);
    free(j.w.pod_namespace);
    j.w.pod_namespace = xstrdup("blue");
    CHECK_OK(policy_choose(&j.c, &j.w, all, 1, 1, &j.d, &j.err), j.err);
    CHECK_STR_EQ(j.d.template_scope, "tenant blue");
    CHECK_CONTAINS(j.d.template_why, "pod namespace 'blue'");
    done(&j);
}

TEST(a_workload_of_no_tenant_shares_with_nobody)
{
    struct job j = run("defaults: {hypervisor: [good], template: tenant}\n");

    CHECK_OK(j.r, j.err);
    CHECK_STR_EQ(j.d.template_scope, NULL);
    CHECK_CONTAINS(j.d.template_why, "no pod namespace");
    done(&j);
}

TEST(a_class_changes_single_words_of_storage_and_machine)
{
    struct job j =
        run("defaults: {hypervisor: [good], storage: {9pfs: {msize: 8KiB}, tmp: {size: 2MiB}},\n"
            "           vm: {machine: q35, options: {a: '1', b: '2'}}}\n"
            "classes: [{name: c, match: {user: '0'}, vm: {cpu_model: max, options: {b: '3'}},\n"
            "           storage: {9pfs: {cache: none}, tmp: {kind: tmpfs}}}]\n");

    CHECK_OK(j.r, j.err);
    CHECK_STR_EQ(j.d.machine, "q35");
    CHECK_STR_EQ(j.d.cpu_model, "max");
    CHECK_STR_EQ(kvs_get(&j.d.vm_options, "a"), "1");
    CHECK_STR_EQ(kvs_get(&j.d.vm_options, "b"), "3");
    CHECK_U64_EQ(j.d.storage.msize, 8 * KIB);
    CHECK_STR_EQ(j.d.storage.cache, "none");
    CHECK(!j.d.storage.security_model);
    CHECK_STR_EQ(j.d.storage.tmp.kind, "tmpfs");
    CHECK_U64_EQ(j.d.storage.tmp.size, 2 * MIB);
    CHECK_STR_EQ(j.d.storage.scratch.kind, "disk");
    done(&j);
}

TEST(a_class_brings_its_volumes)
{
    struct job j = run("defaults: {hypervisor: [good]}\n"
                       "classes: [{name: c, match: {user: '0'},\n"
                       "           volumes: [{destination: /d, source: 'nbd://h/e'}]}]\n");

    CHECK_OK(j.r, j.err);
    CHECK_INT_EQ(j.d.storage.n_extra, 1);
    CHECK_STR_EQ(j.d.storage.extra[0].source, "nbd://h/e");
    done(&j);
}

TEST(explain_tells_rule_sizes_and_every_alternative)
{
    struct job j = run("defaults: {hypervisor: [absent, good]}\n");
    cleanup_free char *text = decision_explain_text(&j.d);

    CHECK_CONTAINS(text, "class:       default\n");
    CHECK_CONTAINS(text, "rule:        no class matched: defaults");
    CHECK_CONTAINS(text, "storage:     rootfs 9pfs, volumes 9pfs\n");
    CHECK_CONTAINS(text, "network:     attach by redirect\n");
    CHECK_CONTAINS(text, "vcpus:       2 (no quota, host has 2)\n");
    CHECK_CONTAINS(text, "memory:      2048 MiB (the workload has no memory limit)\n");
    CHECK_CONTAINS(text, "absent           ruled out  not usable: module xen-privcmd");
    CHECK_CONTAINS(text, "good             chosen     TCG: no VMX");
    CHECK_CONTAINS(text, "big              unlisted   class 'default' does not list it");
    done(&j);
}

TEST(a_refused_class_still_leaves_a_decision_that_can_be_freed)
{
    struct config c = rig_config("");
    struct workload w = {0};
    struct decision d;
    struct err err = ERR_INIT;
    cleanup_free char *text = NULL;

    rig_annotate(&w, POLICY_ANNOTATION_CLASS, "x");
    CHECK_ERR(policy_choose(&c, &w, all, 1, 1, &d, &err), -ENOENT);
    text = decision_explain_text(&d);
    CHECK_STR_EQ(text, "");
    decision_done(&d);
    workload_done(&w);
    config_done(&c);
}

TEST(annotations_of_ours_that_nobody_knows_are_noted)
{
    struct job j = run("defaults: {hypervisor: [good]}\n");
    cleanup_free char *text = NULL;

    decision_done(&j.d);
    rig_annotate(&j.w, "org.anyvisor.moon", "1");
    rig_annotate(&j.w, "org.other", "1");
    CHECK_OK(policy_choose(&j.c, &j.w, all, 1, 1, &j.d, &j.err), j.err);
    CHECK_INT_EQ(j.d.notes.n, 1);
    CHECK_CONTAINS(j.d.notes.v[0], "org.anyvisor.moon is unknown, ignoring");
    text = decision_explain_text(&j.d);
    CHECK_CONTAINS(text, "note:        annotation org.anyvisor.moon is unknown, ignoring\n");
    done(&j);
}

TEST(a_class_that_another_word_outweighs_is_noted)
{
    static const struct {
        const char *user, *chosen, *note; /* NULL: none */
    } t[] = {
        {"0", NULL, "the workload asks for class 'mine', an earlier rule decided"},
        {"1", "first", "the workload asks for class 'mine', --class decided"},
        {"1", NULL, NULL},
    };
    struct config c = rig_config("defaults: {hypervisor: [good]}\nclasses:\n"
                                 "- {name: first, match: {user: '0'}}\n"
                                 "- {name: mine, selectable: true, match: {class: mine}}\n");

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct workload w = {.user = xstrdup(t[i].user),
                             .chosen = t[i].chosen ? xstrdup(t[i].chosen) : NULL};
        struct err err = ERR_INIT;
        struct decision d;

        rig_annotate(&w, POLICY_ANNOTATION_CLASS, "mine");
        CHECK_OK(policy_choose(&c, &w, all, 1, 1, &d, &err), err);
        CHECK_STR_EQ(d.cls, t[i].note ? "first" : "mine");
        CHECK_INT_EQ(d.notes.n, t[i].note != NULL);
        if (t[i].note && d.notes.n)
            CHECK_STR_EQ(d.notes.v[0], t[i].note);
        decision_done(&d);
        workload_done(&w);
    }
    config_done(&c);
}

TEST(a_member_has_the_storage_of_its_vms_class)
{
    static const struct {
        const char *cls, *rootfs; /* NULL: the class is gone */
    } t[] = {{"disks", "block"}, {POLICY_CLASS_DEFAULT, "9pfs"}, {"gone", NULL}};
    struct config c = rig_config("classes: [{name: disks, match: {user: '7'}, "
                                 "storage: {rootfs: [block]}}]\n");

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct workload w = {0};
        struct err err = ERR_INIT;
        struct decision d;
        int r = policy_storage(&c, t[i].cls, &w, &d, &err);

        CHECK_INT_EQ(r, t[i].rootfs ? 0 : -ENOENT);
        if (r == 0)
            CHECK_STR_EQ(d.storage.rootfs->v[0], t[i].rootfs);
        else
            CHECK_CONTAINS(err.msg, "'gone'");
        decision_done(&d);
        workload_done(&w);
    }
    config_done(&c);
}
