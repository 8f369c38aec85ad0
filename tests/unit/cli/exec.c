/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "cli/exec_process.h"

static struct err err;

static struct oci_spec *spec_of(const char *process)
{
    cleanup_free char *json = xasprintf("{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/r\"},"
                                        "\"process\":%s}",
                                        process);
    struct oci_spec *spec = NULL;

    CHECK_OK(oci_spec_parse(json, strlen(json), &spec, &err), err);
    return spec;
}

static const char init[] =
    "{\"cwd\":\"/home\",\"args\":[\"init\"],\"env\":[\"PATH=/bin\"],\"terminal\":true,"
    "\"user\":{\"uid\":5,\"gid\":6,\"additionalGids\":[7]},\"noNewPrivileges\":true}";

TEST(a_command_inherits_the_containers_process_but_not_its_arguments_or_terminal)
{
    struct oci_spec *spec = spec_of(init);
    const struct exec_process_options o = {0};
    char *words[] = {(char *)"ls", (char *)"-l", NULL};
    struct oci_process *p = NULL;

    CHECK_OK(exec_process(&o, spec, words, &p, &err), err);
    CHECK_INT_EQ(p->args.n, 2);
    CHECK_STR_EQ(p->args.v[1], "-l");
    CHECK_STR_EQ(p->cwd, "/home");
    CHECK_STR_EQ(p->env.v[0], "PATH=/bin");
    CHECK_INT_EQ(p->user.uid, 5);
    CHECK_INT_EQ(p->user.n_gids, 1);
    CHECK(p->no_new_privs);
    CHECK(!p->terminal);
    oci_process_free(p);
    oci_spec_free(spec);
}

TEST(options_replace_or_add)
{
    struct oci_spec *spec = spec_of(init);
    struct exec_process_options o = {.user = "8:9", .cwd = "/tmp", .tty = true};
    char *words[] = {(char *)"sh", NULL};
    struct oci_process *p = NULL;

    strv_add(&o.env, "A=b");
    strv_add(&o.gids, "44");
    CHECK_OK(exec_process(&o, spec, words, &p, &err), err);
    CHECK_INT_EQ(p->user.uid, 8);
    CHECK_INT_EQ(p->user.gid, 9);
    CHECK_INT_EQ(p->user.n_gids, 2);
    CHECK_INT_EQ(p->user.gids[1], 44);
    CHECK_STR_EQ(p->cwd, "/tmp");
    CHECK_STR_EQ(p->env.v[1], "A=b");
    CHECK(p->terminal);
    strv_done(&o.env);
    strv_done(&o.gids);
    oci_process_free(p);
    oci_spec_free(spec);
}

TEST(a_process_file_counts_alone_and_tty_adds_a_terminal)
{
    char path[] = "/tmp/anyvisor-process-XXXXXX";
    static const char text[] = "{\"cwd\":\"/\",\"args\":[\"x\"],\"user\":{\"uid\":1,\"gid\":1}}";
    cleanup_fd int fd = mkostemp(path, O_CLOEXEC);
    struct oci_spec *spec = spec_of(init);
    struct exec_process_options o = {.file = path, .tty = true, .user = "77"};
    struct oci_process *p = NULL;
    int r;

    CHECK(fd >= 0);
    CHECK_OK(fd_write_all(fd, text, strlen(text), &err), err);
    r = exec_process(&o, spec, NULL, &p, &err);
    unlink(path);
    CHECK_OK(r, err);
    CHECK_INT_EQ(p->user.uid, 1);
    CHECK_STR_EQ(p->args.v[0], "x");
    CHECK(p->terminal);
    oci_process_free(p);
    oci_spec_free(spec);
}

TEST(users_are_numbers)
{
    static const char *const bad[] = {"",   "root",       ":",  "1:",          "1:x",
                                      "-1", "4294967295", "1 ", "1:2:3",       "0x1",
                                      ":5", "1:-2",       "+",  "99999999999", "1,2"};
    int64_t uid, gid;

    CHECK_OK(exec_parse_user("0", &uid, &gid, &err), err);
    CHECK_INT_EQ(uid, 0);
    CHECK_INT_EQ(gid, -1);
    CHECK_OK(exec_parse_user("1000:50", &uid, &gid, &err), err);
    CHECK_INT_EQ(uid, 1000);
    CHECK_INT_EQ(gid, 50);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (exec_parse_user(bad[i], &uid, &gid, &err) != -EINVAL)
            TEST_FAIL("'%s' was accepted", bad[i]);
}
