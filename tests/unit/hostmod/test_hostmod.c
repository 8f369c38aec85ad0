/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/proc.h"
#include "base/str.h"
#include "hostmod/hostmod.h"
#include "test.h"

static void remove_tree(char **dir)
{
    if (*dir)
        path_remove_tree(AT_FDCWD, *dir, NULL);
    free(*dir);
}

static char *make_tree(void)
{
    char *dir = xstrdup("/tmp/av-hostmod-XXXXXX");

    if (!mkdtemp(dir))
        TEST_FAIL("mkdtemp: %s", strerror(errno));
    return dir;
}

static void write_file(const char *dir, const char *name, const char *text)
{
    cleanup_free char *path = path_join(dir, name);
    struct err err = ERR_INIT;

    CHECK_OK(path_replace(AT_FDCWD, path, text, strlen(text), 0644, &err), err);
}

static enum hostmod_state state_in(const char *dir, const char *name)
{
    cleanup_free char *conf = path_join(dir, "modprobe.conf");
    const char *config[] = {conf, NULL};
    enum hostmod_state state = HOSTMOD_MISSING;
    struct err err = ERR_INIT;

    CHECK_OK(hostmod_state_in(dir, config, name, &state, &err), err);
    return state;
}

static void run_depmod(const char *dir)
{
    const char *const argv[] = {"depmod", "-b", dir, "1.0.0", NULL};
    struct proc_spawn how = {.path = DEPMOD, .argv = argv, .null_stdio = 1};
    cleanup_fd int pidfd = -1;
    struct err err = ERR_INIT;
    pid_t pid;
    int status = -1;

    CHECK_OK(proc_spawn(&how, &pid, &pidfd, &err), err);
    CHECK_OK(proc_reap(pidfd, &status, &err), err);
    CHECK_INT_EQ(status, 0);
}

/* depmod takes any ELF file for a module: this program itself will do. */
static void add_module(const char *dir, const char *name)
{
    cleanup_free char *path = path_join(dir, name);
    cleanup_free char *self = realpath("/proc/self/exe", NULL);

    CHECK(self != NULL);
    CHECK_INT_EQ(symlink(self, path), 0);
}

/* A modules folder with one free and one forbidden module; *ret_root is what to remove. */
static char *tree_of_a_kernel(char **ret_root)
{
    char *dir;

    if (access(DEPMOD, X_OK) < 0)
        TEST_SKIP("no depmod here");
    *ret_root = make_tree();
    dir = path_join(*ret_root, "lib/modules/1.0.0");
    path_mkdirs(dir, 0755, NULL);
    add_module(dir, "av_one.ko");
    add_module(dir, "av_two.ko");
    write_file(dir, "modprobe.conf", "blacklist av_two\n");
    run_depmod(*ret_root);
    return dir;
}

TEST(modules_of_a_kernel_are_missing_loadable_or_blacklisted)
{
    cleanup_call(remove_tree) char *root = NULL;
    cleanup_free char *dir = tree_of_a_kernel(&root);

    CHECK_INT_EQ(state_in(dir, "av_absent"), HOSTMOD_MISSING);
    CHECK_INT_EQ(state_in(dir, "av_one"), HOSTMOD_LOADABLE);
    CHECK_INT_EQ(state_in(dir, "av-one"), HOSTMOD_LOADABLE);
    CHECK_INT_EQ(state_in(dir, "av_two"), HOSTMOD_BLACKLISTED);
}

TEST(the_best_of_alternatives_counts)
{
    cleanup_call(remove_tree) char *root = NULL;
    cleanup_free char *dir = tree_of_a_kernel(&root);

    CHECK_INT_EQ(state_in(dir, "av_absent|av_two"), HOSTMOD_BLACKLISTED);
    CHECK_INT_EQ(state_in(dir, "av_absent|av_one?"), HOSTMOD_LOADABLE);
}

TEST(a_name_that_is_not_a_module_is_refused)
{
    static const char *const bad[] = {"", "?", "a||b", "../x", "a b", "|"};
    enum hostmod_state state;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct err err = ERR_INIT;

        CHECK_ERR(hostmod_state(bad[i], &state, &err), -EINVAL);
        CHECK_CONTAINS(err.msg, "does not name a kernel module");
    }
}

TEST(an_absent_module_fails_with_its_name_unless_optional)
{
    const char *const needed[] = {"av_no_such|av_nor_this", NULL};
    const char *const wanted[] = {"av_no_such|av_nor_this?", NULL};
    struct err err = ERR_INIT;

    CHECK_OK(hostmod_ensure(wanted, &err), err);
    if (access("/proc/modules", F_OK) < 0)
        TEST_SKIP("this kernel has no loadable modules: what is built in cannot be told");
    CHECK(hostmod_ensure(needed, &err) < 0);
    CHECK_CONTAINS(err.msg, "av_nor_this");
}

TEST(no_modules_need_nothing)
{
    const char *const none[] = {NULL};
    struct err err = ERR_INIT;

    CHECK_OK(hostmod_ensure(NULL, &err), err);
    CHECK_OK(hostmod_ensure(none, &err), err);
}

TEST(what_sysfs_lists_as_part_of_the_kernel_is_there)
{
    enum hostmod_state state = HOSTMOD_MISSING;
    struct err err = ERR_INIT;

    if (access("/sys/module/kernel", F_OK) < 0)
        TEST_SKIP("no sysfs");
    CHECK_OK(hostmod_state("kernel", &state, &err), err);
    CHECK(state >= HOSTMOD_UNKNOWN);
    CHECK_STR_EQ(hostmod_state_name(HOSTMOD_LOADED), "loaded");
}

TEST(what_runs_is_not_loaded_again)
{
    const char *const names[] = {"av-no-such|kernel", NULL};
    struct err err = ERR_INIT;

    if (access("/sys/module/kernel", F_OK) < 0)
        TEST_SKIP("no sysfs");
    CHECK_OK(hostmod_ensure(names, &err), err);
}
