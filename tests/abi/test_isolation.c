/* SPDX-License-Identifier: Apache-2.0 */
/* plugin_probe_isolated: whatever a plug-in does in its probe, the caller only gets an answer. */
#include <errno.h>
#include "base/cleanup.h"
#include "fixture.h"
#include "test.h"

static int probe(const char *so, const char *key, uint32_t timeout_ms, struct plugin_info *ret,
                 struct err *err)
{
    const char *const keys[] = {key, NULL};
    cleanup_call(fixture_done) struct fixture f;

    fixture_init(&f, so, keys);
    return plugin_probe_isolated(&f.d, &f.host, timeout_ms, ret, err);
}

TEST(an_honest_probe_is_answered_and_nothing_is_loaded_here)
{
    struct plugin_info info = {.name = ""};
    struct err err = ERR_INIT;

    CHECK_OK(probe("isolated", "probe=ok", 10000, &info, &err), err);
    CHECK_STR_EQ(info.name, "plug");
    CHECK_STR_EQ(info.version, "1.0");
    CHECK_STR_EQ(info.caps.arch, "x86_64");
    CHECK_INT_EQ(info.thread_model, HVP_THREADS_SERIAL);
    CHECK(!is_mapped("/isolated.so"));
}

TEST(a_crash_in_probe_is_a_sentence)
{
    struct plugin_info info;
    struct err err = ERR_INIT;

    CHECK_ERR(probe("isolated", "probe=crash", 10000, &info, &err), -EPROTO);
    CHECK_STR_EQ(err.msg, "back-end 'plug' crashed with signal 11 in probe");
    CHECK_INT_EQ(err.phase, PHASE_PLUGIN);
}

TEST(a_plugin_that_exits_in_probe_is_a_sentence)
{
    struct plugin_info info;
    struct err err = ERR_INIT;

    CHECK_ERR(probe("isolated", "probe=exit", 10000, &info, &err), -EPROTO);
    CHECK_CONTAINS(err.msg, "ended the process with status 3 in probe");
}

TEST(a_probe_that_hangs_is_ended)
{
    struct plugin_info info;
    struct err err = ERR_INIT;

    CHECK_ERR(probe("isolated", "probe=hang", 50, &info, &err), -ETIMEDOUT);
    CHECK_CONTAINS(err.msg, "did not answer its probe in time");
}

TEST(a_probe_that_fails_gives_the_plugins_own_sentence)
{
    struct plugin_info info;
    struct err err = ERR_INIT;

    CHECK_ERR(probe("isolated", "probe=fail", 10000, &info, &err), -ENODEV);
    CHECK_STR_EQ(err.msg, "back-end 'plug': no such hypervisor here");
}

TEST(on_a_host_that_does_not_fit_nothing_is_opened)
{
    cleanup_call(fixture_done) struct fixture f;
    struct plugin_info info;
    struct err err = ERR_INIT;

    fixture_init(&f, "no-such", NULL);
    strv_add(&f.d.requires, "/proc/self");
    CHECK_ERR(plugin_probe_isolated(&f.d, &f.host, 10000, &info, &err), -ENOENT);
    strv_add(&f.d.requires, "/nonexistent");
    err = (struct err)ERR_INIT;
    CHECK_ERR(plugin_probe_isolated(&f.d, &f.host, 10000, &info, &err), -ENODEV);
    CHECK_CONTAINS(err.msg, "'plug': this host has no '/nonexistent'");
}

TEST(a_plugin_that_cannot_be_opened_says_why)
{
    struct plugin_info info;
    struct err err = ERR_INIT;

    CHECK_ERR(probe("abi-2", "probe=ok", 10000, &info, &err), -ENOEXEC);
    CHECK_CONTAINS(err.msg, "of ABI version 2");
}

TEST(the_stub_tells_that_it_cannot_run_a_vm)
{
    cleanup_call(fixture_done) struct fixture f;
    struct plugin_info info;
    struct err err = ERR_INIT;

    fixture_init(&f, "plug", NULL);
    free(f.d.so);
    f.d.so = strdup(STUB_SO);
    CHECK(plugin_probe_isolated(&f.d, &f.host, 10000, &info, &err) < 0);
    CHECK_CONTAINS(err.msg, "/dev/mshv");
}
