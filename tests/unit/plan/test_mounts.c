/* SPDX-License-Identifier: Apache-2.0 */
/* Mounts: which kind each becomes, its options, and what is refused. */
#include <errno.h>
#include <linux/mount.h>
#include "test.h"
#include "rig.h"
#include "base/cleanup.h"

#define BIND "\"destination\":\"/d\",\"type\":\"bind\","

TEST(file_systems_of_the_kernel_are_the_guests)
{
    const struct plan_mount *m =
        rig_mount("\"destination\":\"/tmp\",\"type\":\"tmpfs\",\"source\":\"tmpfs\",\"options\":"
                  "[\"nosuid\",\"size=1m\",\"rprivate\",\"mode=755\",\"tmpcopyup\"]");

    CHECK_INT_EQ(m->kind, PLAN_M_FS);
    CHECK_STR_EQ(m->type, "tmpfs");
    CHECK_STR_EQ(m->dest, "/tmp");
    CHECK_STR_EQ(m->data, "size=1m,mode=755");
    CHECK_U64_EQ(m->ms_flags, MS_NOSUID);
    CHECK_U64_EQ(m->propagation, MS_PRIVATE | MS_REC);
    CHECK_INT_EQ(m->flags, PLAN_MF_COPYUP);
    m = rig_mount("\"destination\":\"/c\",\"type\":\"cgroup\",\"options\":[\"ro\"]");
    CHECK_INT_EQ(m->kind, PLAN_M_CGROUP);
    CHECK_U64_EQ(m->ms_flags, MS_RDONLY);
    m = rig_mount("\"destination\":\"/p\",\"type\":\"proc\"");
    CHECK_STR_EQ(m->source, "proc");
}

TEST(a_source_has_one_name_in_all_containers_of_a_vm)
{
    static const struct {
        const char *options, *name;
    } t[] = {
        {"\"rbind\"", ":0000000000001122R/known"},
        {"\"bind\"", ":0000000000001122/known"},
        {"\"rbind\",\"ro\"", ":0000000000001122Rr/known"},
        {"\"rbind\",\"rslave\"", ":0000000000001122Rs/known"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        char mount[200];

        snprintf(mount, sizeof(mount), BIND "\"source\":\"/h/known\",\"options\":[%s]",
                 t[i].options);
        CHECK_STR_EQ(rig_mount(mount)->source, t[i].name);
        CHECK_STR_EQ(rig.shares.v[1].name, t[i].name);
    }
}

TEST(a_bind_goes_through_the_share)
{
    const struct plan_mount *m = rig_mount(
        BIND "\"source\":\"/h/dir\",\"options\":[\"rbind\",\"ro\",\"noexec\",\"rslave\"]");
    const struct plan_share *s = &rig.shares.v[1];

    CHECK_INT_EQ(m->kind, PLAN_M_SHARE);
    CHECK_STR_EQ(m->source, "c1:0/dir");
    CHECK_U64_EQ(m->ms_flags, MS_RDONLY | MS_NOEXEC);
    CHECK_STR_EQ(s->host_path, "/h/dir");
    CHECK_STR_EQ(s->name, "c1:0/dir");
    CHECK(s->readonly && s->noexec && s->recursive && s->slave);
    CHECK(!s->is_file && !s->nosuid && !s->nodev);
}

TEST(shared_holds_in_the_container_where_the_host_has_no_peers)
{
    CHECK_U64_EQ(
        rig_mount(BIND "\"source\":\"/h\",\"options\":[\"rbind\",\"rshared\"]")->propagation,
        MS_SHARED | MS_REC);
    CHECK(!rig.shares.v[1].slave);
}

TEST(a_bind_of_one_file_says_so)
{
    const struct plan_mount *m =
        rig_mount(BIND "\"source\":\"/h/file\",\"options\":[\"bind\",\"nosuid\",\"nodev\"]");

    CHECK(m->flags & PLAN_MF_IS_FILE);
    CHECK(!(m->flags & PLAN_MF_RECURSIVE));
    CHECK(rig.shares.v[1].is_file && rig.shares.v[1].nosuid && rig.shares.v[1].nodev);
}

TEST(the_option_bind_outweighs_the_type)
{
    CHECK_INT_EQ(rig_mount("\"destination\":\"/d\",\"type\":\"none\",\"source\":\"/h\","
                           "\"options\":[\"bind\"]")
                     ->kind,
                 PLAN_M_SHARE);
}

TEST(a_host_tmpfs_on_dev_shm_becomes_a_guest_tmpfs_of_its_size)
{
    const struct plan_mount *m = rig_mount("\"destination\":\"/dev/shm\",\"type\":\"bind\","
                                           "\"source\":\"/h/shm\",\"options\":[\"nodev\"]");

    CHECK_INT_EQ(m->kind, PLAN_M_SHM);
    CHECK_STR_EQ(m->source, "shm-2a");
    CHECK_STR_EQ(m->data, "mode=1777,size=67108864");
    CHECK_U64_EQ(m->ms_flags, MS_NODEV);
    CHECK_INT_EQ(rig.shares.n, 1);
    /* elsewhere it is a volume like any other ... */
    CHECK_INT_EQ(rig_mount(BIND "\"source\":\"/h/shm\"")->kind, PLAN_M_SHARE);
    /* ... unless kubelet made it as memory */
    m = rig_mount(BIND "\"source\":\"/pods/1/volumes/kubernetes.io~empty-dir/shm\"");
    CHECK_INT_EQ(m->kind, PLAN_M_SHM);
}

TEST(binds_of_the_host_kernels_trees_mean_the_guest_kernels)
{
    CHECK_STR_EQ(rig_mount(BIND "\"source\":\"/proc\"")->type, "proc");
    CHECK_STR_EQ(rig_mount(BIND "\"source\":\"/sys\"")->type, "sysfs");
    CHECK_INT_EQ(rig_mount(BIND "\"source\":\"/sys/fs/cgroup\"")->kind, PLAN_M_CGROUP);
    CHECK_STR_EQ(rig_mount(BIND "\"source\":\"/dev/mqueue\"")->type, "mqueue");
    CHECK_INT_EQ(rig_mount(BIND "\"source\":\"/sys/kernel/debug\"")->kind, PLAN_M_BIND);
    CHECK_INT_EQ(rig_mount(BIND "\"source\":\"/system\"")->kind, PLAN_M_SHARE);
    CHECK_INT_EQ(rig_mount(BIND "\"source\":\"/x/../proc/\"")->kind, PLAN_M_FS);
    rig_must("\"mounts\":[{\"destination\":\"/dev\",\"type\":\"bind\",\"source\":\"/dev\"}]", NULL);
    CHECK_INT_EQ(rig.c.n_mounts, 0);
    CHECK(rig_warned("'/dev' cannot be seen"));
}

TEST(a_bind_of_a_device_is_made_in_the_guest_or_refused)
{
    rig_must(
        "\"mounts\":[{\"destination\":\"/dev/null\",\"type\":\"bind\",\"source\":\"/dev/null\"},"
        "{\"destination\":\"/dev/fuse\",\"type\":\"bind\",\"source\":\"/dev/fuse\"}]",
        NULL);
    CHECK_INT_EQ(rig.c.n_mounts, 0);
    CHECK_INT_EQ(rig.c.n_devices, 1);
    CHECK_INT_EQ(rig.c.devices[0].minor, 229);
    CHECK_ERR(rig_build("\"mounts\":[{" BIND "\"source\":\"/dev/kvm\"}]", NULL), -ENOTSUP);
    CHECK_CONTAINS(rig.err.msg, "'/dev/kvm' is a device of the host");
}

TEST(what_cannot_cross_into_a_vm_is_refused_with_a_sentence)
{
    static const struct {
        const char *members, *want;
        int code;
    } t[] = {
        {BIND "\"source\":\"/run/x.sock\"", "'/run/x.sock' is a unix socket of the host", ENOTSUP},
        {BIND "\"source\":\"/run/x.fifo\"", "named pipe", ENOTSUP},
        {BIND "\"source\":\"/h/peers\",\"options\":[\"rshared\"]", "guest to the host", ENOTSUP},
        {BIND "\"source\":\"/h/peers\",\"options\":[\"shared\"]", "guest to the host", ENOTSUP},
        {BIND "\"source\":\"/h\",\"options\":[\"idmap\"]", "idmapped", ENOTSUP},
        {BIND "\"source\":\"/h\",\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]",
         "uidMappings", ENOTSUP},
        {BIND "\"source\":\"\"", "needs a source", ENOTSUP},
        {BIND "\"source\":\"rel\"", "not an absolute path", ENOTSUP},
        {BIND "\"source\":\"/missing\"", "mounts[0] '/d': '/missing': No such file", ENOENT},
        {"\"destination\":\"/d\",\"type\":\"nfs\",\"source\":\"h:/x\"", "type 'nfs'", ENOTSUP},
        {"\"destination\":\"/d\"", "file system type ''", ENOTSUP},
        {"\"destination\":\"/..//.\",\"type\":\"tmpfs\"", "container's root", ENOTSUP},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *top = xasprintf("\"mounts\":[{%s}]", t[i].members);

        CHECK_ERR(rig_build(top, NULL), -t[i].code);
        CHECK_CONTAINS(rig.err.msg, t[i].want);
        CHECK_CONTAINS(rig.err.msg, "config.json: mounts[0]");
        CHECK_INT_EQ(rig.c.n_mounts, 0);
        CHECK_INT_EQ(rig.shares.n, 0);
    }
}

TEST(destinations_are_cleaned)
{
    static const struct {
        const char *dest, *want;
    } t[] = {{"/a//b/", "/a/b"}, {"rel/x", "/rel/x"}, {"/a/../../b", "/b"},
             {"/./a/.", "/a"},   {"/a/b/..", "/a"},   {"/...", "/..."}};

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *members =
            xasprintf("\"destination\":\"%s\",\"type\":\"tmpfs\"", t[i].dest);

        CHECK_STR_EQ(rig_mount(members)->dest, t[i].want);
    }
}

TEST(options_are_sorted_into_flags_attributes_and_propagation)
{
    static const struct {
        const char *options;
        uint64_t flags, propagation, set, clr;
    } t[] = {
        {"\"ro\"", MS_RDONLY, 0, 0, 0},
        {"\"ro\",\"rw\"", 0, 0, 0, 0},
        {"\"nosuid\",\"nodev\",\"noexec\"", MS_NOSUID | MS_NODEV | MS_NOEXEC, 0, 0, 0},
        {"\"nosuid\",\"suid\",\"noexec\",\"exec\",\"nodev\",\"dev\"", 0, 0, 0, 0},
        {"\"relatime\"", MS_RELATIME, 0, 0, 0},
        {"\"relatime\",\"norelatime\"", 0, 0, 0, 0},
        {"\"noatime\",\"nodiratime\"", MS_NOATIME | MS_NODIRATIME, 0, 0, 0},
        {"\"noatime\",\"atime\"", 0, 0, 0, 0},
        {"\"strictatime\",\"lazytime\"", MS_STRICTATIME | MS_LAZYTIME, 0, 0, 0},
        {"\"sync\",\"dirsync\",\"mand\"", MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK, 0, 0, 0},
        {"\"sync\",\"async\"", 0, 0, 0, 0},
        {"\"nosymfollow\"", MS_NOSYMFOLLOW, 0, 0, 0},
        {"\"private\"", 0, MS_PRIVATE, 0, 0},
        {"\"slave\"", 0, MS_SLAVE, 0, 0},
        {"\"unbindable\"", 0, MS_UNBINDABLE, 0, 0},
        {"\"runbindable\"", 0, MS_UNBINDABLE | MS_REC, 0, 0},
        {"\"rro\"", 0, 0, MOUNT_ATTR_RDONLY, 0},
        {"\"rrw\"", 0, 0, 0, MOUNT_ATTR_RDONLY},
        {"\"rnosuid\",\"rnodev\"", 0, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0},
        {"\"rnoatime\"", 0, 0, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
        {"\"rrelatime\"", 0, 0, 0, MOUNT_ATTR__ATIME},
        {"\"defaults\",\"remount\",\"rbind\"", 0, 0, 0, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *members =
            xasprintf(BIND "\"source\":\"/h\",\"options\":[%s]", t[i].options);
        const struct plan_mount *m = rig_mount(members);

        if (m->ms_flags != t[i].flags || m->propagation != t[i].propagation ||
            m->attr_set != t[i].set || m->attr_clr != t[i].clr)
            TEST_FAIL("[%s]: %#jx %#jx %#jx %#jx", t[i].options, (uintmax_t)m->ms_flags,
                      (uintmax_t)m->propagation, (uintmax_t)m->attr_set, (uintmax_t)m->attr_clr);
    }
}

TEST(a_recursively_readonly_bind_is_readonly_in_the_share)
{
    rig_mount(BIND "\"source\":\"/h\",\"options\":[\"rbind\",\"rro\"]");
    CHECK(rig.shares.v[1].readonly);
}
