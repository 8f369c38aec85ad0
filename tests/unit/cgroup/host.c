/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <fcntl.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/macros.h"
#include "cgroup/cgroup.h"

static struct err err;

/* Both texts through files, as the module reads them. */
static void parse(const char *mountinfo, const char *own, struct cgroup_host *ret)
{
    char m[] = "/tmp/anyvisor-mountinfo-XXXXXX", c[] = "/tmp/anyvisor-cgroup-XXXXXX";
    cleanup_fd int mfd = mkostemp(m, O_CLOEXEC), cfd = mkostemp(c, O_CLOEXEC);

    CHECK(mfd >= 0 && cfd >= 0);
    CHECK_OK(fd_write_all(mfd, mountinfo, strlen(mountinfo), &err), err);
    CHECK_OK(fd_write_all(cfd, own, strlen(own), &err), err);
    CHECK_OK(cgroup_host_read(m, c, ret, &err), err);
    unlink(m);
    unlink(c);
}

static const char mounts_v1[] =
    "30 25 0:26 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n"
    "31 30 0:27 / /cg/cpu rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
    "32 30 0:28 / /cg/memory rw - cgroup cgroup rw,memory\n"
    "33 30 0:29 / /cg/systemd rw shared:1 master:2 - cgroup cgroup rw,xattr,name=systemd\n";
static const char own_v1[] = "4:memory:/mine\n3:cpu,cpuacct:/box/a\n1:name=systemd:/init.scope\n";
static const char mount_v2[] = "35 30 0:30 / /cg/unified rw - cgroup2 cgroup2 rw,nsdelegate\n";

TEST(mode_follows_what_is_mounted)
{
    cleanup_free char *both = xasprintf("%s%s", mounts_v1, mount_v2);
    static const char named[] = "33 30 0:29 / /cg/systemd rw - cgroup cgroup rw,name=systemd\n";
    cleanup_free char *named_and_v2 = xasprintf("%s%s", named, mount_v2);
    const struct {
        const char *mountinfo;
        enum cgroup_mode want;
    } t[] = {{"", CGROUP_NONE},     {mounts_v1, CGROUP_V1},    {mount_v2, CGROUP_V2},
             {both, CGROUP_HYBRID}, {named_and_v2, CGROUP_V2}, {"x\n1 2 - \n", CGROUP_NONE}};

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct cgroup_host h;

        parse(t[i].mountinfo, "", &h);
        CHECK_STR_EQ(cgroup_mode_name(h.mode), cgroup_mode_name(t[i].want));
        cgroup_host_done(&h);
    }
}

TEST(hierarchies_know_mount_controllers_and_own_cgroup)
{
    struct cgroup_host h;

    parse(mounts_v1, own_v1, &h);
    CHECK_INT_EQ(h.n, 3);
    CHECK_STR_EQ(h.v[0].mount, "/cg/cpu");
    CHECK_STR_EQ(h.v[0].self, "/box/a");
    CHECK_STR_EQ(h.v[1].mount, "/cg/memory");
    CHECK_STR_EQ(h.v[1].self, "/mine");
    CHECK_STR_EQ(h.v[2].self, "/init.scope");
    cgroup_host_done(&h);
}

TEST(a_mount_that_shows_a_part_hides_that_part_of_own_paths)
{
    struct cgroup_host h;

    parse("32 30 0:28 /outer /cg rw - cgroup cgroup rw,memory\n", "4:memory:/outer/inner\n", &h);
    CHECK_STR_EQ(h.v[0].self, "/inner");
    cgroup_host_done(&h);
}

TEST(cgroups_path_is_below_the_root_or_our_own_cgroup)
{
    static const struct {
        const char *text, *want;
    } t[] = {
        {NULL, "/cg/self/c1"},
        {"", "/cg/self/c1"},
        {"/libpod_parent/libpod-1", "/cg/libpod_parent/libpod-1"},
        {"a/b", "/cg/self/a/b"},
    };
    struct cgroup_hierarchy v = {.mount = (char *)"/cg", .self = (char *)"/self", .v2 = true};
    const struct cgroup_host h = {&v, 1, CGROUP_V2};

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct strv dirs = {0};

        CHECK_OK(cgroup_paths(&h, t[i].text, "c1", &dirs, &err), err);
        CHECK_INT_EQ(dirs.n, 1);
        CHECK_STR_EQ(dirs.v[0], t[i].want);
        strv_done(&dirs);
    }
}

TEST(cgroups_path_cannot_climb_be_the_root_or_name_a_scope)
{
    static const char *const bad[] = {
        "/",         "///",     "..",    "/a/../b",
        "a/./b",     "../../x", "/a/..", "test.slice:cri-containerd:c1",
        ":docker:c1"};
    const struct cgroup_host h = {0};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct strv dirs = {0};

        if (cgroup_paths(&h, bad[i], "c1", &dirs, NULL) != -EINVAL)
            TEST_FAIL("'%s' was accepted", bad[i]);
    }
}
