/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include "base/macros.h"
#include "cli/creation/grow.h"

TEST(a_quota_is_thousandths_of_a_processor_rounded_up)
{
    static const struct {
        int64_t quota;
        uint64_t period, want;
    } t[] = {
        {0, 100000, 0},         {-1, 100000, 0},         {100000, 100000, 1000},
        {150000, 100000, 1500}, {150000, 0, 1500},       {1, 100000, 1},
        {100001, 100000, 1001}, {999999, 1000000, 1000}, {INT64_MAX, 1000, UINT32_MAX * 1000ull},
    };

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        const struct oci_resources r = {
            .cpu.quota = {.set = true, .value = t[i].quota},
            .cpu.period = {.set = t[i].period != 0, .value = t[i].period},
        };

        CHECK_U64_EQ(grow_cpu_limit(&r), t[i].want);
    }
    CHECK_U64_EQ(grow_cpu_limit(&(struct oci_resources){.cpu.quota.value = 5}), 0);
}

TEST(a_memory_limit_below_one_is_none)
{
    static const struct {
        bool set;
        int64_t limit;
        uint64_t want;
    } t[] = {{true, 7, 7}, {true, -1, 0}, {true, 0, 0}, {false, 7, 0}};

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        const struct oci_resources r = {.memory.limit = {.set = t[i].set, .value = t[i].limit}};

        CHECK_U64_EQ(grow_memory_limit(&r), t[i].want);
    }
}
