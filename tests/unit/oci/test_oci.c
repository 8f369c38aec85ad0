/* SPDX-License-Identifier: Apache-2.0 */
/* Values, mistakes and bounds of the config.json parser. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include "test.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "oci/oci.h"

#define TOP "\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"rootfs\"}"

static struct oci_spec *parse(const char *json)
{
    struct oci_spec *s = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(oci_spec_parse(json, strlen(json), &s, &err), err);
    return s;
}

TEST(process_fields_arrive)
{
    struct oci_spec *s = parse(
        "{" TOP ",\"process\":{\"terminal\":true,\"consoleSize\":{\"height\":24,\"width\":80},"
        "\"user\":{\"uid\":1,\"gid\":2,\"umask\":18,\"additionalGids\":[3,4294967295]},"
        "\"args\":[\"a\",\"b\"],\"env\":[\"X=1\"],\"cwd\":\"/w\",\"noNewPrivileges\":true,"
        "\"capabilities\":{\"ambient\":[\"CAP_KILL\"]},\"oomScoreAdj\":-17,"
        "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":5,\"hard\":18446744073709551615}],"
        "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":3},"
        "\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":-3}}}");
    const struct oci_process *p = &s->process;

    CHECK(p->present && p->terminal && p->no_new_privs && p->has_caps);
    CHECK_INT_EQ(p->rows, 24);
    CHECK_INT_EQ(p->cols, 80);
    CHECK_INT_EQ(p->user.uid, 1);
    CHECK_INT_EQ(p->user.gid, 2);
    CHECK_INT_EQ(p->user.umask, 18);
    CHECK_INT_EQ(p->user.n_gids, 2);
    CHECK_INT_EQ(p->user.gids[1], UINT32_MAX);
    CHECK_STR_EQ(p->args.v[1], "b");
    CHECK_STR_EQ(p->env.v[0], "X=1");
    CHECK_STR_EQ(p->cwd, "/w");
    CHECK_STR_EQ(p->caps[OCI_CAP_AMBIENT].v[0], "CAP_KILL");
    CHECK_INT_EQ(p->caps[OCI_CAP_BOUNDING].n, 0);
    CHECK(p->oom_score_adj.set);
    CHECK_INT_EQ(p->oom_score_adj.value, -17);
    CHECK_U64_EQ(p->rlimits[0].hard, UINT64_MAX);
    CHECK_INT_EQ(p->io_priority.priority, 3);
    CHECK_INT_EQ(p->scheduler.nice, -3);
    oci_spec_free(s);
}

TEST(a_page_size_is_a_power_of_two_and_no_path)
{
    static const char *const bad[] = {"3MB", "0MB", "", "MB", "2MBx", "2M", "../2MB", "99999999KB"};
    struct oci_resources *r = NULL;
    struct err err = ERR_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char json[128];

        snprintf(json, sizeof(json), "{\"hugepageLimits\":[{\"pageSize\":\"%s\",\"limit\":1}]}",
                 bad[i]);
        CHECK_ERR(oci_resources_parse(json, strlen(json), &r, &err), -EINVAL);
        CHECK_CONTAINS(err.msg, "pageSize");
        err = (struct err)ERR_INIT;
    }
}

TEST(resources_keep_what_was_set_apart_from_what_was_not)
{
    static const char json[] =
        "{\"memory\":{\"limit\":64,\"swap\":-1},\"cpu\":{\"quota\":-1,\"shares\":0,\"cpus\":\"0-"
        "1\"},"
        "\"pids\":{\"limit\":0},\"blockIO\":{\"weight\":10,\"throttleReadIOPSDevice\":"
        "[{\"major\":8,\"minor\":1,\"rate\":7}]},\"hugepageLimits\":[{\"pageSize\":\"2MB\","
        "\"limit\":9}],\"rdma\":{\"mlx\":{\"hcaHandles\":2}},\"network\":{\"classID\":5,"
        "\"priorities\":[{\"name\":\"eth0\",\"priority\":3}]},\"unified\":{\"cpu.max\":\"1 2\"}}";
    struct oci_resources *r = NULL;
    struct err err = ERR_INIT;

    CHECK_OK(oci_resources_parse(json, strlen(json), &r, &err), err);
    CHECK(r->memory.limit.set && r->memory.swap.set && !r->memory.reservation.set);
    CHECK_INT_EQ(r->memory.swap.value, -1);
    CHECK(r->cpu.shares.set && !r->cpu.period.set);
    CHECK_INT_EQ(r->cpu.quota.value, -1);
    CHECK_STR_EQ(r->cpu.cpus, "0-1");
    CHECK(r->pids_limit.set);
    CHECK_U64_EQ(r->block_io.weight.value, 10);
    CHECK_U64_EQ(r->block_io.throttle[OCI_THROTTLE_READ_IOPS].v[0].rate, 7);
    CHECK_STR_EQ(r->hugepages[0].page_size, "2MB");
    CHECK_STR_EQ(r->rdma[0].device, "mlx");
    CHECK_U64_EQ(r->rdma[0].hca_handles.value, 2);
    CHECK_U64_EQ(r->net_class_id.value, 5);
    CHECK_STR_EQ(r->net_priorities[0].name, "eth0");
    CHECK_STR_EQ(kvs_get(&r->unified, "cpu.max"), "1 2");
    oci_resources_free(r);
}

TEST(mounts_hooks_namespaces_and_devices_arrive)
{
    struct oci_spec *s = parse(
        "{" TOP ",\"mounts\":[{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/b\","
        "\"options\":[\"ro\"],\"uidMappings\":[{\"containerID\":1,\"hostID\":2,\"size\":3}]}],"
        "\"hooks\":{\"poststop\":[{\"path\":\"/h\",\"args\":[\"x\"],\"timeout\":4}]},"
        "\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\",\"path\":\"/n\"},"
        "{\"type\":\"ipc\",\"path\":\"\"}],\"devices\":[{\"path\":\"/dev/x\",\"type\":\"c\","
        "\"major\":1,\"minor\":2,\"fileMode\":438}],\"sysctl\":{\"net.a\":\"1\"},"
        "\"personality\":{\"domain\":\"LINUX32\"}}}");

    CHECK_INT_EQ(s->mounts[0].uid_map.v[0].size, 3);
    CHECK_INT_EQ(s->hooks[OCI_HOOK_POSTSTOP].v[0].timeout_s, 4);
    CHECK(s->linux_.ns[OCI_NS_PID].listed && !s->linux_.ns[OCI_NS_PID].path);
    CHECK_STR_EQ(s->linux_.ns[OCI_NS_NETWORK].path, "/n");
    CHECK(s->linux_.ns[OCI_NS_IPC].listed && !s->linux_.ns[OCI_NS_IPC].path);
    CHECK(!s->linux_.ns[OCI_NS_UTS].listed);
    CHECK_U64_EQ(s->linux_.devices[0].file_mode.value, 438);
    CHECK_STR_EQ(kvs_get(&s->linux_.sysctl, "net.a"), "1");
    CHECK_STR_EQ(s->linux_.personality, "LINUX32");
    oci_spec_free(s);
}

TEST(unknown_fields_and_nulls_are_ignored)
{
    struct oci_spec *s = parse("{" TOP ",\"x\":{\"y\":[1]},\"hostname\":null,\"mounts\":null,"
                               "\"linux\":{\"intelRdt\":{\"closID\":\"a\"},\"seccomp\":null}}");

    CHECK(!s->hostname && s->n_mounts == 0 && !s->linux_.seccomp.present);
    oci_spec_free(s);
}

TEST(a_mistake_names_the_key_and_what_was_expected)
{
    static const struct {
        const char *json, *want;
    } t[] = {
        {"{" TOP ",\"process\":{\"user\":{\"uid\":\"0\"}}}",
         "config.json: process.user.uid: expected a number"},
        {"{" TOP ",\"process\":{\"user\":{\"uid\":-1}}}",
         "config.json: process.user.uid: expected a number from 0 to 4294967295"},
        {"{" TOP ",\"process\":{\"user\":{\"uid\":4294967296}}}", "process.user.uid: expected"},
        {"{" TOP ",\"process\":{\"user\":{\"uid\":1.5}}}", "process.user.uid: expected a number"},
        {"{" TOP ",\"process\":{\"user\":{\"umask\":512}}}", "process.user.umask: expected"},
        {"{" TOP ",\"process\":{\"args\":[\"a\",1]}}", "process.args[1]: expected a string"},
        {"{" TOP ",\"process\":{\"args\":\"a\"}}", "process.args: expected a list"},
        {"{" TOP ",\"process\":{\"args\":[\"a\\u0000b\"]}}", "process.args[0]: holds a NUL"},
        {"{" TOP ",\"process\":{\"oomScoreAdj\":1001}}", "process.oomScoreAdj: expected a number"},
        {"{" TOP ",\"process\":[]}", "config.json: process: expected an object"},
        {"{" TOP ",\"mounts\":[{\"type\":\"bind\"}]}", "mounts[0].destination: missing"},
        {"{" TOP ",\"mounts\":[{\"destination\":\"/a\"},7]}", "mounts[1]: expected an object"},
        {"{" TOP ",\"hooks\":{\"poststart\":[{\"path\":\"rel\"}]}}",
         "hooks.poststart[0].path: 'rel' is not an absolute path"},
        {"{" TOP ",\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"pid\"}]}}",
         "linux.namespaces: namespace 'pid' is listed twice"},
        {"{" TOP ",\"linux\":{\"namespaces\":[{\"type\":\"moon\"}]}}",
         "linux.namespaces[0].type: namespace 'moon' is not known"},
        {"{" TOP ",\"linux\":{\"resources\":{\"memory\":{\"limit\":18446744073709551615}}}}",
         "linux.resources.memory.limit: expected a number from"},
        {"{" TOP ",\"linux\":{\"resources\":{\"rdma\":{\"m\":1}}}}",
         "linux.resources.rdma.m: expected an object"},
        {"{" TOP ",\"linux\":{\"seccomp\":{}}}", "linux.seccomp.defaultAction: missing"},
        {"{" TOP ",\"annotations\":{\"k\":1}}", "annotations.k: expected a string"},
        {"{\"ociVersion\":\"1.0.2\"}", "config.json: root: missing"},
        {"{\"ociVersion\":\"1.0.2\",\"root\":{}}", "root.path: missing"},
        {"{\"root\":{\"path\":\"r\"}}", "config.json: ociVersion: missing"},
        {"[]", "config.json: expected an object"},
        {"{\n \"a\": tru}", "config.json:2:"},
        {"{\"a\":1", "unexpected end of the file"},
        {"", "unexpected end of the file"},
        {"{} x", "config.json:1:"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct oci_spec *s = NULL;
        struct err err = ERR_INIT;

        CHECK_ERR(oci_spec_parse(t[i].json, strlen(t[i].json), &s, &err), -EINVAL);
        CHECK(!s);
        CHECK_CONTAINS(err.msg, t[i].want);
        CHECK_INT_EQ(err.phase, PHASE_CONFIG);
    }
}

TEST(every_version_1_is_taken_and_no_other)
{
    static const struct {
        const char *version;
        bool ok;
    } t[] = {{"1.0.0", true},  {"1.0.2-dev", true}, {"1.2.0", true},  {"1.10.1+x", true},
             {"0.9.0", false}, {"2.0.0", false},    {"1", false},     {"1.0", false},
             {"1..0", false},  {"v1.0.0", false},   {"1.0.x", false}, {"", false}};

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        cleanup_free char *json =
            xasprintf("{\"ociVersion\":\"%s\",\"root\":{\"path\":\"r\"}}", t[i].version);
        struct oci_spec *s = NULL;
        struct err err = ERR_INIT;
        int r = oci_spec_parse(json, strlen(json), &s, &err);

        if ((r == 0) != t[i].ok)
            TEST_FAIL("version '%s': %d %s", t[i].version, r, err.msg);
        oci_spec_free(s);
    }
}

TEST(depth_and_size_are_bounded)
{
    cleanup_free char *deep = xcalloc(1, 4096), *big = xcalloc(1, OCI_CONFIG_MAX + 2);
    struct oci_spec *s = NULL;
    struct err err = ERR_INIT;

    for (size_t i = 0; i < 1000; i++)
        deep[i] = '[';
    CHECK_ERR(oci_spec_parse(deep, 1000, &s, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "nesting");
    memset(big, ' ', OCI_CONFIG_MAX + 1);
    CHECK_ERR(oci_spec_parse(big, OCI_CONFIG_MAX + 1, &s, &err), -EFBIG);
    CHECK_CONTAINS(err.msg, "larger than");
}

TEST(a_list_of_too_many_entries_is_refused)
{
    static const char head[] = "{" TOP ",\"mounts\":[";
    size_t n = 16001;
    cleanup_free char *json = xcalloc(1, sizeof(head) + n * 3 + 8);
    struct oci_spec *s = NULL;
    struct err err = ERR_INIT;
    char *p = json + sizeof(head) - 1;

    memcpy(json, head, sizeof(head));
    for (size_t i = 0; i < n; i++, p += 3)
        memcpy(p, "{},", 3);
    memcpy(p - 1, "]}", 3);
    CHECK_ERR(oci_spec_parse(json, strlen(json), &s, &err), -EINVAL);
    CHECK_CONTAINS(err.msg, "mounts: more than 16000 entries");
}

TEST(a_bundle_gives_absolute_paths)
{
    char dir[] = "/tmp/oci-test-XXXXXX";
    cleanup_free char *file = NULL, *rootfs = NULL;
    struct oci_spec *s = NULL;
    struct err err = ERR_INIT;

    CHECK(mkdtemp(dir));
    file = path_join(dir, "config.json");
    rootfs = path_join(dir, "rootfs");
    CHECK_ERR(oci_bundle_load(dir, &s, &err), -ENOENT);
    CHECK_CONTAINS(err.msg, "config.json");
    CHECK_OK(path_replace(AT_FDCWD, file, "{" TOP "}", strlen("{" TOP "}"), 0600, &err), err);
    CHECK_OK(oci_bundle_load(dir, &s, &err), err);
    CHECK_STR_EQ(s->bundle, dir);
    CHECK_STR_EQ(s->rootfs, rootfs);
    oci_spec_free(s);
    s = NULL;
    unlink(file);
    rmdir(dir);
    CHECK_ERR(oci_bundle_load(dir, &s, &err), -ENOENT);
    CHECK_CONTAINS(err.msg, "bundle '");
}
