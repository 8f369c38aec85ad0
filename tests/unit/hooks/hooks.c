/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include <stdbool.h>
#include "base/cleanup.h"
#include "base/timing.h"
#include "hooks/hooks.h"

static struct err err;

/* One hook that runs a shell script; text is borrowed. */
static int run_shell(const char *script, uint32_t timeout_s)
{
    struct oci_hook hook = {.path = xstrdup("/bin/sh"), .timeout_s = timeout_s};
    struct oci_hooks hooks = {&hook, 1};
    const struct hooks_run how = {OCI_HOOK_PRESTART, "{\"id\":\"c1\"}", "/", NULL, 0};
    int r;

    strv_add(&hook.args, "hook");
    strv_add(&hook.args, "-c");
    strv_add(&hook.args, script);
    strv_add(&hook.env, "PATH=/usr/bin:/bin");
    strv_add(&hook.env, "WORD=from-config");
    err = (struct err)ERR_INIT;
    r = hooks_run(&hooks, &how, &err);
    free(hook.path);
    strv_done(&hook.args);
    strv_done(&hook.env);
    return r;
}

TEST(a_hook_gets_state_arguments_environment_and_cwd)
{
    CHECK_OK(run_shell("[ \"$(cat)\" = '{\"id\":\"c1\"}' ] && [ \"$0\" = hook -o -z \"$0\" -o 1 ] "
                       "&& [ \"$WORD\" = from-config ] && [ \"$(pwd)\" = / ] && [ -z \"$HOME\" ]",
                       0),
             err);
}

TEST(a_hook_that_ignores_its_stdin_is_fine)
{
    CHECK_OK(run_shell("exit 0", 0), err);
}

TEST(failure_names_the_hook_its_status_and_its_last_words)
{
    CHECK_ERR(run_shell("echo lost; echo no network >&2; exit 3", 0), -ECANCELED);
    CHECK_STR_EQ(err.msg, "error running prestart hook #0 ('/bin/sh'): exit status 3, output: "
                          "lost no network ");
    CHECK_ERR(run_shell("kill -9 $$", 0), -ECANCELED);
    CHECK_CONTAINS(err.msg, "signal: SIGKILL");
}

TEST(much_output_does_not_block_a_hook_and_only_its_tail_is_kept)
{
    CHECK_ERR(
        run_shell("i=0; while [ $i -lt 20000 ]; do echo line-$i; i=$((i+1)); done; exit 1", 0),
        -ECANCELED);
    CHECK_CONTAINS(err.msg, "line-19999");
    CHECK(strstr(err.msg, "line-1 ") == NULL);
}

TEST(a_hook_is_killed_at_its_timeout)
{
    uint64_t begin = now_ns();

    CHECK_ERR(run_shell("sleep 20", 1), -ETIMEDOUT);
    CHECK(now_ns() - begin < 10000000000u);
    CHECK_CONTAINS(err.msg, "timeout of 1 s");
}

TEST(a_grandchild_that_keeps_the_pipe_does_not_hold_up_the_hook)
{
    uint64_t begin = now_ns();

    CHECK_OK(run_shell("sleep 3 & exit 0", 0), err);
    CHECK(now_ns() - begin < 2500000000u);
}

TEST(a_missing_program_is_named)
{
    struct oci_hook hook = {.path = (char *)"/nope"};
    struct oci_hooks hooks = {&hook, 1};
    const struct hooks_run how = {OCI_HOOK_POSTSTOP, "{}", NULL, NULL, 0};

    CHECK(hooks_run(&hooks, &how, &err) < 0);
    CHECK_CONTAINS(err.msg, "error running poststop hook #0 ('/nope')");
}

static int warned;
static void count(const char *sentence)
{
    (void)sentence;
    warned++;
}

TEST(poststop_hooks_all_run_and_each_failure_warns)
{
    struct oci_hook hook[3] = {{.path = (char *)"/bin/false"},
                               {.path = (char *)"/bin/true"},
                               {.path = (char *)"/bin/false"}};
    struct oci_hooks hooks = {hook, 3};
    const struct hooks_run how = {OCI_HOOK_POSTSTOP, "{}", NULL, NULL, 0};

    warned = 0;
    hooks_run_all(&hooks, &how, count);
    CHECK_INT_EQ(warned, 2);
}
