/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "hooks/hooks.h"
#include "test.h"

/* One hook that runs a shell script; the caller frees with hook_free. */
static struct oci_hooks shell_hook(const char *script, uint32_t timeout_s)
{
    struct oci_hooks h = { xcalloc(1, sizeof(*h.v)), 1 };

    h.v->path = xstrdup("/bin/sh");
    strv_add(&h.v->args, "sh");
    strv_add(&h.v->args, "-c");
    strv_add(&h.v->args, script);
    strv_add(&h.v->env, "HOOK=yes");
    h.v->timeout_s = timeout_s;
    return h;
}

static void hook_free(struct oci_hooks *h)
{
    for (size_t i = 0; i < h->n; i++) {
        free(h->v[i].path);
        strv_done(&h->v[i].args);
        strv_done(&h->v[i].env);
    }
    free(h->v);
}

static int run_script(const char *script, uint32_t timeout_s, struct err *err)
{
    struct oci_hooks h = shell_hook(script, timeout_s);
    int r = hooks_run(&h, OCI_HOOK_PRESTART, "{\"id\":\"c1\"}", NULL, err);

    hook_free(&h);
    return r;
}

TEST(a_hook_gets_the_state_on_stdin_and_only_its_own_environment)
{
    struct err err = ERR_INIT;

    CHECK_OK(run_script("test \"$(cat)\" = '{\"id\":\"c1\"}' && test \"$HOOK\" = yes && "
                        "test -z \"$HOME\"", 0, &err), err);
}

TEST(a_hook_that_fails_is_named_with_its_output)
{
    struct err err = ERR_INIT;

    CHECK_INT_EQ(run_script("echo no luck >&2; exit 3", 0, &err), -EIO);
    CHECK_STR_EQ(err.msg, "prestart hook #0: '/bin/sh' exited with status 3: no luck");
}

TEST(a_hook_that_dies_is_named_with_its_signal)
{
    struct err err = ERR_INIT;

    CHECK_INT_EQ(run_script("kill -9 $$", 0, &err), -EIO);
    CHECK(strstr(err.msg, "killed by signal 9"));
}

TEST(a_hook_is_killed_at_its_timeout)
{
    struct err err = ERR_INIT;
    uint64_t begin = now_ns();

    CHECK_INT_EQ(run_script("exec sleep 60", 1, &err), -ETIMEDOUT);
    CHECK(now_ns() - begin < 30 * UINT64_C(1000000000));
    CHECK(strstr(err.msg, "timeout of 1 s"));
}

TEST(a_child_that_keeps_the_output_open_does_not_hold_us_up)
{
    struct err err = ERR_INIT;
    uint64_t begin = now_ns();

    CHECK_OK(run_script("sleep 6 & exit 0", 0, &err), err);
    CHECK(now_ns() - begin < 5 * UINT64_C(1000000000));
}

TEST(a_missing_hook_program_is_an_error)
{
    struct oci_hooks h = shell_hook("true", 0);
    struct err err = ERR_INIT;

    free(h.v->path);
    h.v->path = xstrdup("/nonexistent/hook");
    CHECK_INT_EQ(hooks_run(&h, OCI_HOOK_POSTSTOP, "{}", NULL, &err), -ENOENT);
    CHECK(strstr(err.msg, "poststop hook #0"));
    hook_free(&h);
}

TEST(hooks_after_a_failed_one_do_not_run)
{
    struct oci_hooks h = shell_hook("exit 1", 0), second = shell_hook("touch ran", 0), both = { 0 };
    char dir[] = "/tmp/av-hooks.XXXXXX";
    struct hooks_where where = { .cwd = dir };
    struct err err = ERR_INIT;
    cleanup_free char *ran = NULL;

    CHECK(mkdtemp(dir));
    both.v = xcalloc(2, sizeof(*both.v));
    both.v[0] = *h.v;
    both.v[1] = *second.v;
    both.n = 2;
    CHECK_INT_EQ(hooks_run(&both, OCI_HOOK_PRESTART, "{}", &where, &err), -EIO);
    ran = path_join(dir, "ran");
    CHECK_INT_EQ(access(ran, F_OK), -1);
    CHECK_INT_EQ(rmdir(dir), 0);
    hook_free(&both);
    free(h.v);
    free(second.v);
}
