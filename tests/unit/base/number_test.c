/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include "base/str.h"
#include "test.h"

TEST(unsigned_numbers_take_the_whole_text)
{
    static const char *const bad[] = {"", " 1", "1 ", "+1", "-1", "0x10", "1.0", "abc"};
    uint64_t v = 77;

    CHECK_INT_EQ(str_to_u64("18446744073709551615", 0, UINT64_MAX, &v), 0);
    CHECK_U64_EQ(v, UINT64_MAX);
    v = 77;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        CHECK_ERR(str_to_u64(bad[i], 0, UINT64_MAX, &v), -EINVAL);
    CHECK_ERR(str_to_u64(NULL, 0, 1, &v), -EINVAL);
    CHECK_ERR(str_to_u64("18446744073709551616", 0, UINT64_MAX, &v), -ERANGE);
    CHECK_ERR(str_to_u64("4", 5, 6, &v), -ERANGE);
    CHECK_ERR(str_to_u64("7", 5, 6, &v), -ERANGE);
    CHECK_U64_EQ(v, 77);
}

TEST(signed_numbers_reach_both_ends)
{
    int64_t v = 77;

    CHECK_INT_EQ(str_to_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v), 0);
    CHECK(v == INT64_MIN);
    CHECK_INT_EQ(str_to_i64("9223372036854775807", INT64_MIN, INT64_MAX, &v), 0);
    CHECK(v == INT64_MAX);
    CHECK_ERR(str_to_i64("9223372036854775808", INT64_MIN, INT64_MAX, &v), -ERANGE);
    CHECK_ERR(str_to_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &v), -ERANGE);
    CHECK_ERR(str_to_i64("--1", INT64_MIN, INT64_MAX, &v), -EINVAL);
    CHECK_ERR(str_to_i64("-", INT64_MIN, INT64_MAX, &v), -EINVAL);
    CHECK_ERR(str_to_i64("-2", -1, 1, &v), -ERANGE);
    CHECK_INT_EQ(str_to_i64("-1", -1, 1, &v), 0);
    CHECK_INT_EQ(v, -1);
}

TEST(sizes_have_binary_units)
{
    static const struct {
        const char *text;
        uint64_t want;
    } t[] = {{"1048576", MIB},    {"64MiB", 64 * MIB}, {"2G", 2 * GIB}, {"512k", 512 * KIB},
             {"1Mi", MIB},        {"1MB", MIB},        {"0", 0},        {"100B", 100},
             {"1tib", 1024 * GIB}};
    static const char *const bad[] = {"", "M", "1X", "1MiBx", "-1", "1 M", "1.5G", "1iB"};
    uint64_t v = 77;

    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        CHECK_INT_EQ(str_to_size(t[i].text, &v), 0);
        CHECK_U64_EQ(v, t[i].want);
    }
    v = 77;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        CHECK_ERR(str_to_size(bad[i], &v), -EINVAL);
    CHECK_ERR(str_to_size("16E", &v), -ERANGE);
    CHECK_ERR(str_to_size("18446744073709551615k", &v), -ERANGE);
    CHECK_U64_EQ(v, 77);
}

TEST(signals_by_name_and_number)
{
    static const struct {
        const char *text;
        int want;
    } t[] = {{"SIGTERM", SIGTERM}, {"TERM", SIGTERM}, {"term", SIGTERM}, {"15", 15},
             {"KILL", 9},          {"SIGRTMIN", 34},  {"RTMIN+3", 37},   {"RTMAX-1", 63},
             {"RTMAX", 64},        {"64", 64},        {"CLD", SIGCHLD},  {"SIGPOLL", SIGIO}};
    static const char *const bad[] = {"",   "0",       "65",       "-9",      "SIG",   "SIGFOO",
                                      "9x", "RTMIN-1", "RTMIN+31", "RTMAX+1", "TERM ", "RTMIN+"};

    for (size_t i = 0; i < ARRAY_SIZE(t); i++)
        CHECK_INT_EQ(str_to_signal(t[i].text), t[i].want);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        CHECK_ERR(str_to_signal(bad[i]), -EINVAL);
    CHECK_ERR(str_to_signal(NULL), -EINVAL);
}

TEST(signal_names_parse_back)
{
    for (int s = 1; s <= 31; s++)
        CHECK_INT_EQ(str_to_signal(signal_name(s)), s);
    CHECK(signal_name(0) == NULL && signal_name(32) == NULL && signal_name(-1) == NULL);
}
