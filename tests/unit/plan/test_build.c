/* SPDX-License-Identifier: Apache-2.0 */
/* Whole bundles, namespaces, names, users, paths, sysctl, hooks. */
#include <dirent.h>
#include <errno.h>
#include <sys/mount.h>
#include "test.h"
#include "rig.h"
#include "base/cleanup.h"

TEST(every_sample_of_the_engines_becomes_a_plan_that_survives_the_wire)
{
    cleanup_dir DIR *d = opendir(TEST_DATA_DIR "/oci");
    struct dirent *e;
    int n = 0;

    CHECK(d);
    while ((e = readdir(d))) {
        struct wbuf w = {0};
        struct plan_container back = {0};

        if (!str_ends_with(e->d_name, ".config.json"))
            continue;
        rig_load(e->d_name);
        plan_container_put(&w, &rig.c);
        CHECK(wbuf_ok(&w));
        if (plan_container_get(wire_over(w.data, w.len), &back) < 0)
            TEST_FAIL("%s: the plan cannot be decoded", e->d_name);
        CHECK_INT_EQ(back.n_mounts, rig.c.n_mounts);
        plan_container_done(&back);
        wbuf_done(&w);
        n++;
    }
    CHECK(n >= 16);
}

TEST(the_full_podman_sample_becomes_the_expected_plan)
{
    rig_load("podman-full.config.json");
    CHECK_STR_EQ(rig.c.rootfs, "c1");
    CHECK(rig.c.flags & PLAN_C_READONLY);
    CHECK_STR_EQ(rig.c.hostname, "hh");
    CHECK_U64_EQ(rig.c.root_propagation, MS_SLAVE | MS_REC);
    CHECK_INT_EQ(rig.c.n_devices, 1);
    CHECK_STR_EQ(rig.c.devices[0].path, "/dev/fuse");
    CHECK_INT_EQ(rig.c.devices[0].mode, 0600);
    CHECK_STR_EQ(rig_file("memory.max"), "67108864");
    CHECK_STR_EQ(rig_file("memory.swap.max"), "67108864");
    CHECK_STR_EQ(rig_file("cpu.max"), "100000 100000");
    CHECK_STR_EQ(rig_file("pids.max"), "100");
    CHECK_INT_EQ(rig.c.process.uid, 1000);
    CHECK_INT_EQ(rig.c.process.oom_score_adj, 100);
    CHECK_STR_EQ(rig.c.sysctl[0].key, "net.ipv4.ip_forward");
    CHECK_STR_EQ(rig.shares.v[0].host_path, "/E/podman/root/overlay/dc21cfce83d9/merged");
}

TEST(the_root_file_system_is_the_first_share_and_writable)
{
    rig_must("\"root\":{\"path\":\"/other\",\"readonly\":true}", NULL);
    CHECK_INT_EQ(rig.shares.n, 1);
    CHECK_STR_EQ(rig.shares.v[0].host_path, "/other");
    CHECK_STR_EQ(rig.shares.v[0].name, "c1");
    CHECK(!rig.shares.v[0].readonly && rig.shares.v[0].recursive);
}

TEST(namespaces_are_new_when_listed_and_the_network_is_the_vms)
{
    rig_must(NULL,
             "\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"cgroup\"}]");
    CHECK_INT_EQ(rig.c.ns[PLAN_NS_PID], PLAN_NS_NEW);
    CHECK_INT_EQ(rig.c.ns[PLAN_NS_CGROUP], PLAN_NS_NEW);
    CHECK_INT_EQ(rig.c.ns[PLAN_NS_NET], PLAN_NS_VM);
    CHECK_INT_EQ(rig.c.ns[PLAN_NS_IPC], PLAN_NS_VM);
    CHECK_INT_EQ(rig.c.ns[PLAN_NS_UTS], PLAN_NS_VM);
    CHECK_INT_EQ(rig.c.ns[PLAN_NS_MNT], PLAN_NS_NEW);
}

TEST(a_namespace_path_joins_a_container_of_the_sandbox_or_is_new)
{
    rig_must(NULL, "\"namespaces\":[{\"type\":\"ipc\",\"path\":\"/proc/42/ns/ipc\"},"
                   "{\"type\":\"uts\",\"path\":\"/proc/43/ns/uts\"},"
                   "{\"type\":\"network\",\"path\":\"/run/netns/x\"}]");
    CHECK_INT_EQ(rig.c.ns[PLAN_NS_IPC], PLAN_NS_JOIN);
    CHECK_STR_EQ(rig.c.join[PLAN_NS_IPC], "infra");
    CHECK_INT_EQ(rig.c.ns[PLAN_NS_UTS], PLAN_NS_NEW);
    CHECK(!rig.c.join[PLAN_NS_UTS]);
    CHECK_INT_EQ(rig.c.ns[PLAN_NS_NET], PLAN_NS_VM);
}

TEST(a_user_namespace_needs_mappings)
{
    CHECK_ERR(rig_build(NULL, "\"namespaces\":[{\"type\":\"user\"}]"), -EINVAL);
    CHECK_CONTAINS(rig.err.msg, "uidMappings");
    rig_must(NULL, "\"namespaces\":[{\"type\":\"user\"}],"
                   "\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}],"
                   "\"gidMappings\":[{\"containerID\":0,\"hostID\":2000,\"size\":20}]");
    CHECK_INT_EQ(rig.c.ns[PLAN_NS_USER], PLAN_NS_NEW);
    CHECK_INT_EQ(rig.c.uid_map[0].outside, 1000);
    CHECK_INT_EQ(rig.c.gid_map[0].count, 20);
}

TEST(a_hostname_needs_a_uts_namespace)
{
    CHECK_ERR(rig_build("\"hostname\":\"h\"", NULL), -EINVAL);
    CHECK_CONTAINS(rig.err.msg, "UTS");
    rig_must("\"hostname\":\"h\",\"domainname\":\"d\"", "\"namespaces\":[{\"type\":\"uts\"}]");
    CHECK_STR_EQ(rig.c.hostname, "h");
    CHECK_STR_EQ(rig.c.domainname, "d");
}

TEST(root_propagation_is_translated_or_refused)
{
    rig_must(NULL, "\"rootfsPropagation\":\"rprivate\"");
    CHECK_U64_EQ(rig.c.root_propagation, MS_PRIVATE | MS_REC);
    CHECK_ERR(rig_build(NULL, "\"rootfsPropagation\":\"ro\""), -EINVAL);
    CHECK_CONTAINS(rig.err.msg, "linux.rootfsPropagation: 'ro'");
}

TEST(sysctl_of_the_whole_kernel_are_refused)
{
    static const struct {
        const char *name;
        bool ok;
    } t[] = {{"net.ipv4.ip_forward", true},
             {"net/ipv4/conf/eth0.1/forwarding", true},
             {"kernel.shmmax", true},
             {"kernel.shm_rmid_forced", true},
             {"fs.mqueue.msg_max", true},
             {"kernel.core_pattern", false},
             {"vm.swappiness", false},
             {"kernel.sem.x", false},
             {"net/../kernel/x", false},
             {"/net/x", false},
             {"net..x", false},
             {"", false}};

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *part = xasprintf("\"sysctl\":{\"%s\":\"1\"}", t[i].name);
        int r = rig_build(NULL, part);

        if ((r == 0) != t[i].ok)
            TEST_FAIL("sysctl '%s': %d %s", t[i].name, r, rig.err.msg);
    }
}

TEST(masked_and_readonly_paths_are_absolute)
{
    rig_must(NULL, "\"maskedPaths\":[\"/proc/kcore\"],\"readonlyPaths\":[\"/proc/sys\"]");
    CHECK_STR_EQ(rig.c.masked.v[0], "/proc/kcore");
    CHECK_STR_EQ(rig.c.readonly.v[0], "/proc/sys");
    CHECK_ERR(rig_build(NULL, "\"maskedPaths\":[\"/a\",\"b\"]"), -EINVAL);
    CHECK_CONTAINS(rig.err.msg, "linux.maskedPaths[1]: 'b'");
}

TEST(only_hooks_that_run_in_the_container_are_planned)
{
    rig_must("\"hooks\":{\"prestart\":[{\"path\":\"/h\"}],\"startContainer\":[{\"path\":\"/s\","
             "\"env\":[\"A=1\"],\"timeout\":3},{\"path\":\"/t\",\"args\":[\"t\",\"u\"]}]}",
             NULL);
    CHECK_INT_EQ(rig.c.n_hooks, 2);
    CHECK_STR_EQ(rig.c.hooks[0].args.v[0], "/s");
    CHECK_STR_EQ(rig.c.hooks[0].env.v[0], "A=1");
    CHECK_INT_EQ(rig.c.hooks[0].timeout_s, 3);
    CHECK_STR_EQ(rig.c.hooks[1].args.v[1], "u");
    CHECK_STR_EQ(rig.c.state, "{}");
}

TEST(what_a_guest_cannot_do_but_need_not_is_a_warning)
{
    rig_must(NULL, "\"mountLabel\":\"x\",\"personality\":{\"domain\":\"LINUX32\"},"
                   "\"namespaces\":[{\"type\":\"time\"}]");
    CHECK(rig_warned("mountLabel"));
    CHECK(rig_warned("LINUX32"));
    CHECK(rig_warned("time namespaces"));
}

/* As a member of the VM of `infra`, whose processes are those of 42. */
static void plan_member(const char *net, struct plan_container *ret)
{
    cleanup_free char *ns = xasprintf("\"namespaces\":[{\"type\":\"ipc\",\"path\":\"/proc/42/"
                                      "ns/ipc\"}%s]",
                                      net);
    struct plan_shares shares = {0};

    rig_must(NULL, ns);
    rig.in.sandbox = "infra";
    CHECK_OK(plan_build(rig.spec, &rig.in, ret, &shares, &rig.err), rig.err);
    plan_shares_done(&shares);
}

TEST(a_member_has_the_sandboxs_network_or_one_within_the_vm)
{
    static const struct {
        const char *net;
        int want;
    } t[] = {
        {"", PLAN_NS_VM},
        {",{\"type\":\"network\",\"path\":\"/proc/42/ns/net\"}", PLAN_NS_VM},
        {",{\"type\":\"network\"}", PLAN_NS_NEW},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct plan_container c = {0};

        plan_member(t[i].net, &c);
        CHECK_INT_EQ(c.ns[PLAN_NS_NET], t[i].want);
        CHECK_INT_EQ(c.ns[PLAN_NS_IPC], PLAN_NS_JOIN);
        CHECK_STR_EQ(c.join[PLAN_NS_IPC], "infra");
        plan_container_done(&c);
    }
}

TEST(a_member_can_share_another_members_network)
{
    struct plan_container c = {0};
    struct plan_shares shares = {0};

    rig_must(NULL, "\"namespaces\":[{\"type\":\"network\",\"path\":\"/proc/42/ns/net\"}]");
    rig.in.sandbox = "another";
    CHECK_OK(plan_build(rig.spec, &rig.in, &c, &shares, &rig.err), rig.err);
    CHECK_INT_EQ(c.ns[PLAN_NS_NET], PLAN_NS_JOIN);
    CHECK_STR_EQ(c.join[PLAN_NS_NET], "infra");
    plan_container_done(&c);
    plan_shares_done(&shares);
}
