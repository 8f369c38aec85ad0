/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include "base/macros.h"
#include "cli/update.h"

static struct err err;

TEST(each_option_sets_its_limit_and_nothing_else)
{
    const struct update_options o = {
        .memory = "64MiB", .cpu_quota = "-1", .cpu_period = "50000", .cpus = "0-1", .pids = "7"};
    struct oci_resources *r = NULL;

    CHECK_OK(update_resources(&o, &r, &err), err);
    CHECK(r->memory.limit.set);
    CHECK_INT_EQ(r->memory.limit.value, 64 << 20);
    CHECK_INT_EQ(r->cpu.quota.value, -1);
    CHECK_U64_EQ(r->cpu.period.value, 50000);
    CHECK_STR_EQ(r->cpu.cpus, "0-1");
    CHECK_INT_EQ(r->pids_limit.value, 7);
    CHECK(!r->cpu.shares.set);
    CHECK(!r->memory.swap.set);
    CHECK(!r->block_io.weight.set);
    oci_resources_free(r);
}

TEST(what_is_no_number_is_refused_by_its_option)
{
    const struct update_options much = {.memory = "much"}, less = {.memory = "-2"},
                                many = {.pids = "many"};
    struct oci_resources *r = NULL;

    CHECK_ERR(update_resources(&much, &r, &err), -EINVAL);
    CHECK_STR_EQ(err.msg, "--memory 'much': expected a size such as 64MiB, or -1");
    CHECK_ERR(update_resources(&less, &r, &err), -EINVAL);
    CHECK_ERR(update_resources(&many, &r, &err), -EINVAL);
    CHECK_STR_EQ(err.msg, "--pids-limit 'many': expected a number");
    CHECK(r == NULL);
}

TEST(a_missing_file_is_named)
{
    const struct update_options o = {.resources = "/no/such"};
    struct oci_resources *r = NULL;

    CHECK_ERR(update_resources(&o, &r, &err), -ENOENT);
    CHECK_CONTAINS(err.msg, "/no/such");
}
