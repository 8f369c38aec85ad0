/* SPDX-License-Identifier: Apache-2.0 */
/* What a proxy's namespaces are like when it is executed. */
#include "test.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/proc.h"
#include "cli/creation/proxy_setup.h"

static struct err err;

static void make(const char *namespaces, struct oci_spec **ret_spec, struct proxy_setup *ret)
{
    cleanup_free char *json = xasprintf(
        "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/"
        "r\"},\"process\":{\"args\":[\"a\"],\"cwd\":"
        "\"/\"},\"linux\":{\"namespaces\":[%s],\"uidMappings\":[{\"containerID\":0,\"hostID\":7000,"
        "\"size\":10},{\"containerID\":10,\"hostID\":9000,\"size\":1}],\"gidMappings\":"
        "[{\"containerID\":0,\"hostID\":8000,\"size\":20}]}}",
        namespaces);

    CHECK_OK(oci_spec_parse(json, strlen(json), ret_spec, &err), err);
    proxy_setup_make(*ret_spec, ret);
}

TEST(only_new_namespaces_are_set_up)
{
    struct proxy_setup s;
    struct oci_spec *spec;

    make("{\"type\":\"user\"},{\"type\":\"mount\"}", &spec, &s);
    CHECK_STR_EQ(s.uid_map, "0 7000 10\n10 9000 1\n");
    CHECK_STR_EQ(s.gid_map, "0 8000 20\n");
    CHECK(s.own_mounts);
    proxy_setup_done(&s);
    oci_spec_free(spec);
    make("{\"type\":\"user\",\"path\":\"/proc/1/ns/user\"},{\"type\":\"mount\",\"path\":\"/m\"}",
         &spec, &s);
    CHECK(!s.uid_map && !s.gid_map && !s.own_mounts);
    CHECK_INT_EQ(proxy_setup_run(&s), 0);
    proxy_setup_done(&s);
    oci_spec_free(spec);
}

TEST(a_new_user_namespace_has_the_bundles_maps)
{
    const char *const argv[] = {"sleep", "60", NULL};
    cleanup_fd int pidfd = -1;
    struct proxy_setup s;
    struct oci_spec *spec;
    pid_t pid;

    if (geteuid() != 0)
        TEST_SKIP("needs root for maps of other ids");
    if (access("/proc/self/ns/user", F_OK) < 0)
        TEST_SKIP("this kernel has no user namespaces");
    make("{\"type\":\"user\"}", &spec, &s);
    struct proc_spawn how = {.path = "/bin/sleep",
                             .argv = argv,
                             .unshare_flags = CLONE_NEWPID,
                             .null_stdio = 1,
                             .in_child = proxy_setup_run,
                             .in_child_arg = &s};
    CHECK_OK(proc_spawn(&how, &pid, &pidfd, &err), err);
    cleanup_free char *path = xasprintf("/proc/%d/uid_map", (int)pid);
    cleanup_free char *text = NULL;
    CHECK_OK(path_read(AT_FDCWD, path, 4096, &text, NULL, &err), err);
    CHECK_CONTAINS(text, "7000         10\n        10       9000          1\n");
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK_OK(proc_reap(pidfd, &(int){0}, &err), err);
    proxy_setup_done(&s);
    oci_spec_free(spec);
}
