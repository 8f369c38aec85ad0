/* SPDX-License-Identifier: Apache-2.0 */
/* Words of cgroup v1 against files of v2: one line of the table for each rule. */
#include <errno.h>
#include "test.h"
#include "rig.h"
#include "base/cleanup.h"

static int build(const char *resources)
{
    cleanup_free char *part = xasprintf("\"resources\":{%s}", resources);

    return rig_build(NULL, part);
}

TEST(limits_become_files)
{
    static const struct {
        const char *resources, *file, *want;
    } t[] = {
        {"\"memory\":{\"limit\":1048576}", "memory.max", "1048576"},
        {"\"memory\":{\"limit\":-1}", "memory.max", "max"},
        {"\"memory\":{\"limit\":-1}", "memory.swap.max", "max"},
        {"\"memory\":{\"limit\":0}", "memory.max", NULL},
        {"\"memory\":{\"limit\":100,\"swap\":300}", "memory.swap.max", "200"},
        {"\"memory\":{\"limit\":100,\"swap\":100}", "memory.swap.max", "0"},
        {"\"memory\":{\"limit\":100,\"swap\":-1}", "memory.swap.max", "max"},
        {"\"memory\":{\"limit\":100,\"swap\":0}", "memory.swap.max", NULL},
        {"\"memory\":{\"reservation\":50}", "memory.low", "50"},
        {"\"cpu\":{\"shares\":2}", "cpu.weight", "1"},
        {"\"cpu\":{\"shares\":1}", "cpu.weight", "1"},
        {"\"cpu\":{\"shares\":1024}", "cpu.weight", "39"},
        {"\"cpu\":{\"shares\":262144}", "cpu.weight", "10000"},
        {"\"cpu\":{\"shares\":0}", "cpu.weight", NULL},
        {"\"cpu\":{\"quota\":50000,\"period\":100000}", "cpu.max", "50000 100000"},
        {"\"cpu\":{\"quota\":50000}", "cpu.max", "50000 100000"},
        {"\"cpu\":{\"quota\":-1,\"period\":7000}", "cpu.max", "max 7000"},
        {"\"cpu\":{\"quota\":0,\"period\":0}", "cpu.max", NULL},
        {"\"cpu\":{\"burst\":10}", "cpu.max.burst", "10"},
        {"\"cpu\":{\"idle\":1}", "cpu.idle", "1"},
        {"\"cpu\":{\"cpus\":\"0-1\"}", "cpuset.cpus", "0-1"},
        {"\"cpu\":{\"cpus\":\"\"}", "cpuset.cpus", NULL},
        {"\"cpu\":{\"cpus\":\"0,2\"}", "cpuset.cpus", NULL},
        {"\"cpu\":{\"mems\":\"0\"}", "cpuset.mems", "0"},
        {"\"cpu\":{\"mems\":\"0-1\"}", "cpuset.mems", NULL},
        {"\"pids\":{\"limit\":10}", "pids.max", "10"},
        {"\"pids\":{\"limit\":-1}", "pids.max", "max"},
        {"\"pids\":{\"limit\":0}", "pids.max", NULL},
        {"\"blockIO\":{\"weight\":10}", "io.weight", "1"},
        {"\"blockIO\":{\"weight\":1000}", "io.weight", "10000"},
        {"\"blockIO\":{\"weight\":0}", "io.weight", NULL},
        {"\"unified\":{\"memory.high\":\"max\"}", "memory.high", "max"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        CHECK_OK(build(t[i].resources), rig.err);
        if (t[i].want ? !rig_file(t[i].file) || strcmp(rig_file(t[i].file), t[i].want) != 0
                      : rig_file(t[i].file) != NULL)
            TEST_FAIL("{%s}: %s is '%s', want '%s'", t[i].resources, t[i].file,
                      rig_file(t[i].file) ? rig_file(t[i].file) : "(none)",
                      t[i].want ? t[i].want : "(none)");
    }
}

TEST(limits_that_make_no_sense_are_refused)
{
    static const struct {
        const char *resources, *want;
    } t[] = {
        {"\"memory\":{\"swap\":5}", "memory.swap: a swap limit needs"},
        {"\"memory\":{\"limit\":10,\"swap\":5}", "memory.swap: memory and swap together"},
        {"\"cpu\":{\"cpus\":\"1-0\"}", "cpu.cpus: expected a list"},
        {"\"cpu\":{\"cpus\":\"0,\"}", "cpu.cpus: expected a list"},
        {"\"cpu\":{\"cpus\":\"a\"}", "cpu.cpus: expected a list"},
        {"\"blockIO\":{\"weight\":9}", "blockIO.weight: expected"},
        {"\"unified\":{\"../x.y\":\"1\"}", "unified: '../x.y'"},
        {"\"unified\":{\"memory\":\"1\"}", "unified: 'memory'"},
        {"\"unified\":{\"cgroup.procs\":\"1\"}", "unified: 'cgroup.procs'"},
        {"\"unified\":{\".x\":\"1\"}", "unified: '.x'"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        CHECK_ERR(build(t[i].resources), -EINVAL);
        CHECK_CONTAINS(rig.err.msg, t[i].want);
        CHECK_CONTAINS(rig.err.msg, "config.json: linux.resources.");
    }
}

TEST(limits_on_what_only_the_host_has_are_left_out_with_a_warning)
{
    CHECK_OK(build("\"cpu\":{\"cpus\":\"5\",\"realtimeRuntime\":1},\"blockIO\":"
                   "{\"throttleReadBpsDevice\":[{\"major\":8,\"minor\":0,\"rate\":1}]},"
                   "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":4}],"
                   "\"network\":{\"classID\":1},\"rdma\":{\"m\":{}},"
                   "\"memory\":{\"disableOOMKiller\":true}"),
             rig.err);
    CHECK(rig_warned("cpu.cpus: '5' is beyond"));
    CHECK(rig_warned("realtime"));
    CHECK(rig_warned("disks of the host"));
    CHECK(rig_warned("huge pages"));
    CHECK(rig_warned("resources.network"));
    CHECK(rig_warned("rdma"));
    CHECK(rig_warned("disableOOMKiller"));
    CHECK_INT_EQ(rig.c.cgroup.n_files, 0);
    CHECK_OK(build("\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":0}]"), rig.err);
    CHECK_INT_EQ(rig.shares.warnings.n, 0);
}

TEST(an_update_carries_files_and_no_device_rules)
{
    static const char json[] = "{\"devices\":[{\"allow\":false}],\"pids\":{\"limit\":3}}";
    struct oci_resources *r = NULL;
    struct plan_input in = {.id = "c", .arch = "x86_64", .vcpus = 1};
    struct plan_cgroup c = {0};
    struct err err = ERR_INIT;

    CHECK_OK(oci_resources_parse(json, strlen(json), &r, &err), err);
    CHECK_OK(plan_cgroup_build(r, &in, &c, NULL, &err), err);
    CHECK_INT_EQ(c.n_files, 1);
    CHECK_INT_EQ(c.n_rules, 0);
    plan_cgroup_done(&c);
    oci_resources_free(r);
}
