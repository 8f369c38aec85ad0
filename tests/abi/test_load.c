/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include "base/cleanup.h"
#include "fixture.h"
#include "test.h"

/* Open must fail with errno and sentence. */
static void refused(const char *so, const char *const *keys, int want, const char *sentence)
{
    cleanup_call(fixture_done) struct fixture f;

    fixture_init(&f, so, keys);
    fixture_refused(&f, want, sentence);
}

TEST(a_plugin_is_loaded_and_asked)
{
    cleanup_call(fixture_done) struct fixture f;
    struct plugin *p;

    fixture_init(&f, "plug", NULL);
    p = fixture_probed(&f);
    CHECK_STR_EQ(plugin_instance(p), "plug");
    CHECK_STR_EQ(plugin_ops(p)->version, "1.0");
    CHECK_STR_EQ(plugin_caps(p)->arch, "x86_64");
    plugin_close(p);
}

TEST(a_plugin_of_the_first_abi_still_loads)
{
    cleanup_call(fixture_done) struct fixture f;
    struct plugin *p;

    fixture_init(&f, "abi-1", NULL);
    p = fixture_probed(&f);
    plugin_vm_close(fixture_vm(p));
    plugin_close(p);
}

TEST(a_newer_plugin_loads_and_its_unknown_members_are_ignored)
{
    cleanup_call(fixture_done) struct fixture f;
    struct plugin *p;

    fixture_init(&f, "too-new", NULL);
    p = fixture_probed(&f);
    CHECK_U64_EQ(plugin_ops(p)->struct_size, sizeof(struct hvp_plugin) + 8 * sizeof(void *));
    plugin_vm_close(fixture_vm(p));
    plugin_close(p);
}

TEST(an_unknown_thread_model_counts_as_serial)
{
    cleanup_call(fixture_done) struct fixture f;
    struct plugin *p;

    fixture_init(&f, "strange-model", NULL);
    p = fixture_open(&f);
    CHECK_INT_EQ(plugin_ops(p)->thread_model, HVP_THREADS_SERIAL);
    plugin_close(p);
}

TEST(a_table_that_ends_before_a_mandatory_op_is_refused)
{
    refused("too-small", NULL, ENOEXEC, "the mandatory 'vm_create' is missing (its table is too");
    refused("tiny", NULL, ENOEXEC, "too small to be one");
}

TEST(a_missing_mandatory_op_is_refused_by_name)
{
    refused("no-event-fd", NULL, ENOEXEC, "the mandatory 'event_fd' is missing");
}

TEST(a_wrong_major_version_is_refused_with_both_numbers)
{
    refused("abi-2", NULL, ENOEXEC, "of ABI version 2; this anyvisor speaks 1");
    refused("entry-v2", NULL, ENOEXEC, "for ABI version 2; this anyvisor speaks 1");
}

TEST(a_library_that_is_no_plugin_is_refused)
{
    refused("no-entry", NULL, ENOEXEC, "exports no symbol 'hvp_plugin_v1'");
    refused("no-table", NULL, ENOEXEC, "gave no table");
    refused("missing", NULL, ENOENT, "missing.so");
}

TEST(an_unknown_key_is_refused_with_place_and_nearest_key)
{
    const char *const keys[] = {"probe=ok", "anser=ok", NULL};

    refused("plug", keys, EINVAL, "plug.yaml:8:3: config key 'anser'");
    refused("plug", keys, EINVAL, "no key 'anser' here");
    refused("plug", keys, EINVAL, "did you mean 'answer'?");
}

TEST(a_plugin_without_keys_refuses_each)
{
    const char *const keys[] = {"probe=ok", NULL};

    refused("no-config", keys, EINVAL, "has no keys");
}

TEST(one_library_serves_two_instances_with_their_own_config)
{
    const char *const fails[] = {"probe=fail", NULL};
    cleanup_call(fixture_done) struct fixture a, b;
    struct plugin *one, *two;
    struct err err = ERR_INIT;

    fixture_init(&a, "plug", NULL);
    fixture_init(&b, "plug", fails);
    one = fixture_open(&a);
    two = fixture_open(&b);
    CHECK_OK(plugin_probe(one, 1000, NULL, &err), err);
    CHECK_ERR(plugin_probe(two, 1000, NULL, &err), -ENODEV);
    CHECK_STR_EQ(err.msg, "back-end 'plug': no such hypervisor here");
    plugin_close(one);
    CHECK_ERR(plugin_probe(two, 1000, NULL, &err), -ENODEV);
    plugin_close(two);
}

TEST(a_library_is_never_unloaded)
{
    cleanup_call(fixture_done) struct fixture f;

    fixture_init(&f, "stays", NULL);
    CHECK(!is_mapped("/stays.so"));
    plugin_close(fixture_open(&f));
    CHECK(is_mapped("/stays.so"));
}
