/* SPDX-License-Identifier: Apache-2.0 */
/* Processes of create and exec. */
#include <errno.h>
#include <sys/resource.h>
#include "test.h"
#include "rig.h"
#include "base/cleanup.h"

#define CONTAINER                                                                                  \
    "\"process\":{\"args\":[\"sh\",\"-c\"],\"env\":[\"A=1\"],\"cwd\":\"/w\",\"terminal\":true,"    \
    "\"consoleSize\":{\"height\":24,\"width\":80},\"user\":{\"uid\":7,\"gid\":8,\"umask\":2,"      \
    "\"additionalGids\":[9]},\"noNewPrivileges\":true,\"oomScoreAdj\":5,\"capabilities\":"         \
    "{\"bounding\":[\"CAP_CHOWN\",\"CAP_MOON\"],\"effective\":[\"CAP_MOON\"]},\"rlimits\":"        \
    "[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":2}]}"

TEST(the_process_of_the_container_arrives)
{
    const struct plan_process *p = &rig.c.process;

    rig_must(CONTAINER, NULL);
    CHECK_INT_EQ(p->args.n, 2);
    CHECK_STR_EQ(p->args.v[1], "-c");
    CHECK(!p->args.v[2]);
    CHECK_STR_EQ(p->env.v[0], "A=1");
    CHECK_STR_EQ(p->cwd, "/w");
    CHECK_INT_EQ(p->flags, PLAN_P_TERMINAL | PLAN_P_NO_NEW_PRIVS | PLAN_P_CAPS | PLAN_P_OOM_SCORE |
                               PLAN_P_STDIN);
    CHECK_INT_EQ(p->rows, 24);
    CHECK_INT_EQ(p->cols, 80);
    CHECK_INT_EQ(p->uid, 7);
    CHECK_INT_EQ(p->umask, 2);
    CHECK_INT_EQ(p->gids[0], 9);
    CHECK_INT_EQ(p->oom_score_adj, 5);
    CHECK_U64_EQ(p->caps[PLAN_CAP_BOUNDING], 1);
    CHECK_U64_EQ(p->caps[PLAN_CAP_EFFECTIVE], 0);
    CHECK_INT_EQ(p->rlimits[0].resource, RLIMIT_NOFILE);
    CHECK_U64_EQ(p->rlimits[0].hard, 2);
    CHECK(!p->seccomp);
    CHECK(rig_warned("'CAP_MOON' is unknown"));
    CHECK_INT_EQ(rig.shares.warnings.n, 1); /* once, not once a set */
}

TEST(no_umask_and_no_capabilities_are_said_to_be_absent)
{
    rig_must(NULL, NULL);
    CHECK_INT_EQ(rig.c.process.umask, UINT32_MAX);
    CHECK(!(rig.c.process.flags & PLAN_P_CAPS));
}

TEST(a_process_that_cannot_run_is_refused)
{
    static const struct {
        const char *process, *want;
    } t[] = {
        {"\"cwd\":\"/\"", "process.args must not be empty"},
        {"\"args\":[\"a\"]", "process.cwd must not be empty"},
        {"\"args\":[\"a\"],\"cwd\":\"w\"", "process.cwd 'w' must be an absolute path"},
        {"\"args\":[\"a\"],\"cwd\":\"/\",\"rlimits\":[{\"type\":\"X\"}]", "rlimits[0].type: 'X'"},
        {"\"args\":[\"a\"],\"cwd\":\"/\",\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":2}]",
         "soft is above hard"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *top = xasprintf("\"process\":{%s}", t[i].process);

        CHECK_ERR(rig_build(top, NULL), -EINVAL);
        CHECK_CONTAINS(rig.err.msg, t[i].want);
    }
}

TEST(labels_are_ignored_with_a_warning)
{
    rig_must("\"process\":{\"args\":[\"a\"],\"cwd\":\"/\",\"apparmorProfile\":\"p\","
             "\"selinuxLabel\":\"l\",\"ioPriority\":{\"class\":\"c\"},"
             "\"scheduler\":{\"policy\":\"p\"}}",
             NULL);
    CHECK(rig_warned("AppArmor"));
    CHECK(rig_warned("SELinux"));
    CHECK(rig_warned("ioPriority"));
    CHECK(rig_warned("scheduler"));
}

static void exec_plan(const char *json, struct plan_process *ret)
{
    struct oci_process *p = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(oci_process_parse(json, strlen(json), &p, &err), err);
    CHECK_OK(plan_process_build(p, rig.spec, &rig.in, ret, NULL, &err), err);
    oci_process_free(p);
}

TEST(ambient_capabilities_are_those_that_a_kernel_raises)
{
    struct plan_process p = {0};

    rig_must(CONTAINER, NULL);
    exec_plan(
        "{\"args\":[\"x\"],\"cwd\":\"/\",\"capabilities\":{\"permitted\":[\"CAP_KILL\","
        "\"CAP_CHOWN\"],\"inheritable\":[\"CAP_CHOWN\",\"CAP_FOWNER\"],\"ambient\":[\"CAP_KILL\","
        "\"CAP_CHOWN\",\"CAP_FOWNER\"]}}",
        &p);
    CHECK_U64_EQ(p.caps[PLAN_CAP_AMBIENT], 1);
    plan_process_done(&p);
}

TEST(an_exec_takes_from_the_container_what_it_leaves_open)
{
    struct plan_process p = {0};

    rig_must(CONTAINER, "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":"
                        "[{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\"}]}");
    exec_plan("{\"args\":[\"x\"],\"cwd\":\"/\"}", &p);
    CHECK_U64_EQ(p.caps[PLAN_CAP_BOUNDING], 1);
    CHECK_U64_EQ(p.rlimits[0].hard, 2);
    CHECK_INT_EQ(p.umask, 2);
    CHECK_INT_EQ(p.oom_score_adj, 5);
    CHECK_INT_EQ(p.seccomp_len, rig.c.process.seccomp_len);
    CHECK_INT_EQ(p.uid, 0);
    CHECK(!(p.flags & (PLAN_P_TERMINAL | PLAN_P_NO_NEW_PRIVS)));
    plan_process_done(&p);
    exec_plan("{\"args\":[\"x\"],\"cwd\":\"/\",\"capabilities\":{\"bounding\":[\"CAP_KILL\"]},"
              "\"user\":{\"umask\":63},\"rlimits\":[{\"type\":\"RLIMIT_CPU\",\"soft\":1,"
              "\"hard\":1}]}",
              &p);
    CHECK_U64_EQ(p.caps[PLAN_CAP_BOUNDING], 1 << 5);
    CHECK_INT_EQ(p.umask, 63);
    CHECK_INT_EQ(p.rlimits[0].resource, RLIMIT_CPU);
    plan_process_done(&p);
}

TEST(exec_from_the_command_line_changes_the_containers_process)
{
    static const char *const args[] = {"id", NULL}, *const env[] = {"B=2", NULL},
                             *const caps[] = {"CAP_KILL", NULL};
    static const uint32_t gids[] = {50};
    struct plan_exec_options o = {args, env, caps, gids, 1, NULL, 3, -1, -1, -1, NULL, NULL};
    struct oci_process *p;

    rig_must(CONTAINER, NULL);
    p = plan_exec_process(rig.spec, &o);
    CHECK_INT_EQ(p->args.n, 1);
    CHECK_STR_EQ(p->args.v[0], "id");
    CHECK_INT_EQ(p->env.n, 2);
    CHECK_STR_EQ(p->cwd, "/w");
    CHECK_INT_EQ(p->user.uid, 3);
    CHECK_INT_EQ(p->user.gid, 8);
    CHECK_INT_EQ(p->user.n_gids, 2);
    CHECK_INT_EQ(p->user.gids[1], 50);
    CHECK(!p->terminal && p->no_new_privs);
    CHECK(strv_has(&p->caps[OCI_CAP_PERMITTED], "CAP_KILL"));
    CHECK(!strv_has(&p->caps[OCI_CAP_INHERITABLE], "CAP_KILL"));
    CHECK(!strv_has(&p->caps[OCI_CAP_AMBIENT], "CAP_KILL")); /* not without inheritable */
    oci_process_free(p);
    o = (struct plan_exec_options){args, NULL, NULL, NULL, 0, "/x", -1, -1, 1, 0, NULL, NULL};
    p = plan_exec_process(rig.spec, &o);
    CHECK(p->terminal && !p->no_new_privs);
    CHECK_STR_EQ(p->cwd, "/x");
    CHECK_INT_EQ(p->user.uid, 7);
    oci_process_free(p);
}
