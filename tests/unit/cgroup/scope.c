/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include "base/macros.h"
#include "cgroup/systemd.h"

static struct err err;

TEST(a_scope_is_named_by_slice_prefix_and_name)
{
    static const struct {
        const char *path, *slice, *unit;
    } t[] = {
        {NULL, "system.slice", "anyvisor-c1.scope"},
        {"", "system.slice", "anyvisor-c1.scope"},
        {"machine.slice:libpod:c1", "machine.slice", "libpod-c1.scope"},
        {":docker:c2", "system.slice", "docker-c2.scope"},
        {"a-b.slice::c3", "a-b.slice", "c3.scope"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct cgroup_scope s = {0};

        CHECK_OK(cgroup_scope_parse(t[i].path, "c1", &s, &err), err);
        CHECK_STR_EQ(s.slice, t[i].slice);
        CHECK_STR_EQ(s.unit, t[i].unit);
        cgroup_scope_done(&s);
    }
}

TEST(what_names_no_scope_is_refused)
{
    static const char *const bad[] = {
        "/libpod_parent/libpod-1",
        "a.slice",
        "a.slice:b",
        "a.slice:b:",
        "a.slice:b:c:d",
        "a:b:c",
        "-.slice:b:c",
        "a--b.slice:b:c",
        "-a.slice:b:c",
        "a-.slice:b:c",
        ".slice:b:c",
        "x/a.slice:b:c",
        "a.slice:b:../c",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct cgroup_scope s = {0};

        if (cgroup_scope_parse(bad[i], "c1", &s, &err) != -EINVAL)
            TEST_FAIL("'%s' was accepted", bad[i]);
        CHECK(s.unit == NULL);
    }
}

TEST(a_scope_lies_in_its_nested_slices_in_each_hierarchy)
{
    struct cgroup_hierarchy v[] = {{.mount = (char *)"/cg/cpu", .self = (char *)"/mine"},
                                   {.mount = (char *)"/cg/mem", .self = (char *)"/"}};
    const struct cgroup_host h = {v, 2, CGROUP_V1};
    struct cgroup_scope s = {(char *)"a-b-c.slice", (char *)"p-1.scope"};
    struct strv dirs = {0};

    cgroup_scope_dirs(&h, &s, &dirs);
    CHECK_INT_EQ(dirs.n, 2);
    CHECK_STR_EQ(dirs.v[0], "/cg/cpu/a.slice/a-b.slice/a-b-c.slice/p-1.scope");
    CHECK_STR_EQ(dirs.v[1], "/cg/mem/a.slice/a-b.slice/a-b-c.slice/p-1.scope");
    strv_done(&dirs);
}

static const struct scope_property *find(const struct scope_property *p, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(p[i].name, name) == 0)
            return &p[i];
    TEST_FAIL("no property '%s'", name);
    return NULL;
}

TEST(memory_is_that_of_the_vm_and_weights_are_the_version_s)
{
    struct oci_resources r = {.memory = {.limit = {true, 1000}}, .cpu = {.shares = {true, 1024}}};
    struct scope_property p[SCOPE_PROPERTIES_MAX];
    int n = cgroup_scope_properties(&r, 5000, true, p, &err);

    CHECK_INT_EQ(n, 2);
    CHECK_U64_EQ(find(p, n, "MemoryMax")->number, 5000);
    CHECK_U64_EQ(find(p, n, "CPUWeight")->number, 39);
    n = cgroup_scope_properties(&r, 5000, false, p, &err);
    CHECK_INT_EQ(n, 2);
    CHECK_U64_EQ(find(p, n, "MemoryLimit")->number, 5000);
    CHECK_U64_EQ(find(p, n, "CPUShares")->number, 1024);
}

TEST(what_the_bundle_does_not_limit_is_systemd_s_default)
{
    const struct oci_resources none = {0}, unlimited = {.memory = {.limit = {true, -1}}};
    struct scope_property p[SCOPE_PROPERTIES_MAX];

    CHECK_INT_EQ(cgroup_scope_properties(&none, 5000, true, p, &err), 0);
    CHECK_INT_EQ(cgroup_scope_properties(&unlimited, 5000, true, p, &err), 0);
}

TEST(a_quota_is_time_per_second_in_whole_percents)
{
    static const struct {
        int64_t quota;
        uint64_t period, want;
    } t[] = {
        {50000, 0, 500000},      {50000, 100000, 500000},   {1000, 100000, 10000},
        {33333, 100000, 340000}, {300000, 100000, 3000000}, {-1, 100000, UINT64_MAX},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        struct oci_resources r = {
            .cpu = {.quota = {true, t[i].quota}, .period = {t[i].period > 0, t[i].period}}};
        struct scope_property p[SCOPE_PROPERTIES_MAX];
        int n = cgroup_scope_properties(&r, 0, true, p, &err);

        CHECK_U64_EQ(find(p, n, "CPUQuotaPerSecUSec")->number, t[i].want);
        CHECK_INT_EQ(n, t[i].period ? 2 : 1);
    }
}

TEST(cpu_sets_are_bit_masks_in_v2_only)
{
    struct oci_resources r = {.cpu = {.cpus = (char *)"0-2,9", .mems = (char *)"0"}};
    struct scope_property p[SCOPE_PROPERTIES_MAX];
    int n = cgroup_scope_properties(&r, 0, true, p, &err);
    const struct scope_property *cpus = find(p, n, "AllowedCPUs");

    CHECK(cpus->is_mask);
    CHECK_INT_EQ(cpus->mask_len, 2);
    CHECK_INT_EQ(cpus->mask[0], 7);
    CHECK_INT_EQ(cpus->mask[1], 2);
    CHECK_INT_EQ(find(p, n, "AllowedMemoryNodes")->mask_len, 1);
    CHECK_INT_EQ(cgroup_scope_properties(&r, 0, false, p, &err), 0);
}

TEST(what_is_no_list_of_cpus_is_refused)
{
    static const char *const bad[] = {"x", "1-", "-1", "2-1", "1,,2", "1 2", "8192", "0-99999999"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct oci_resources r = {.cpu = {.cpus = (char *)bad[i]}};
        struct scope_property p[SCOPE_PROPERTIES_MAX];

        if (cgroup_scope_properties(&r, 0, true, p, &err) >= 0)
            TEST_FAIL("'%s' was accepted", bad[i]);
    }
}
