/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "proto/message.h"

#define ROUND_TRIP(name_, from_, to_)                                                              \
    do {                                                                                           \
        struct wbuf w_ = {0};                                                                      \
        msg_##name_##_put(&w_, from_);                                                             \
        CHECK(wbuf_ok(&w_));                                                                       \
        CHECK_INT_EQ(msg_##name_##_get(wire_over(w_.data, w_.len), to_), 0);                       \
        wbuf_done(&w_);                                                                            \
    } while (0)

TEST(hello_comes_back)
{
    struct msg_hello m = {1, UINT64_MAX, 5, strdup("6.1"), strdup("x86_64"), NULL};
    struct msg_hello got;

    ROUND_TRIP(hello, &m, &got);
    CHECK_INT_EQ(got.version, m.version);
    CHECK_U64_EQ(got.features, UINT64_MAX);
    CHECK_STR_EQ(got.arch, "x86_64");
    CHECK_STR_EQ(got.agent, NULL);
    msg_hello_done(&m);
    msg_hello_done(&got);
}

TEST(setup_comes_back)
{
    struct msg_setup m = {.realtime_ns = 9, .share_tag = strdup("share"), .entropy_len = 3}, got;

    m.entropy = (uint8_t *)strdup("abc");
    plan_list_add(&m.modules, "net");
    ROUND_TRIP(setup, &m, &got);
    CHECK_STR_EQ(got.share_tag, "share");
    CHECK_INT_EQ(got.entropy_len, 3);
    CHECK_MEM_EQ(got.entropy, "abc", 3);
    CHECK_STR_EQ(got.modules.v[0], "net");
    msg_setup_done(&m);
    msg_setup_done(&got);
}

TEST(reply_comes_back_and_a_negative_code_is_refused)
{
    struct msg_reply m = {.code = ENOENT, .text = strdup("no")}, got;
    struct wbuf w = {0};

    ROUND_TRIP(reply, &m, &got);
    CHECK_INT_EQ(got.code, ENOENT);
    CHECK_STR_EQ(got.text, "no");
    msg_reply_done(&got);
    m.code = -1;
    msg_reply_put(&w, &m);
    CHECK_ERR(msg_reply_get(wire_over(w.data, w.len), &got), -EPROTO);
    wbuf_done(&w);
    msg_reply_done(&m);
}

TEST(exec_comes_back)
{
    struct msg_exec m = {.container = strdup("c")}, got;

    plan_list_add(&m.process.args, "true");
    ROUND_TRIP(exec, &m, &got);
    CHECK_STR_EQ(got.container, "c");
    CHECK_STR_EQ(got.process.args.v[0], "true");
    msg_exec_done(&m);
    msg_exec_done(&got);
}

TEST(exited_comes_back_and_impossible_statuses_are_refused)
{
    static const int32_t good[] = {0, 1, 255, -1, -9, -64},
                         bad[] = {256, -65, INT32_MIN, INT32_MAX};
    struct msg_exited m = {.left_stdout = 70000, .left_stderr = MSG_LEFT_TO_EOF}, got;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        m.status = good[i];
        ROUND_TRIP(exited, &m, &got);
        CHECK_INT_EQ(got.status, good[i]);
        CHECK_U64_EQ(got.left_stdout, m.left_stdout);
        CHECK_U64_EQ(got.left_stderr, m.left_stderr);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct wbuf w = {0};

        m.status = bad[i];
        msg_exited_put(&w, &m);
        CHECK_ERR(msg_exited_get(wire_over(w.data, w.len), &got), -EPROTO);
        wbuf_done(&w);
    }
}

TEST(oom_signal_and_resize_come_back)
{
    struct msg_oom o = {MSG_OOM_MACHINE, 7}, got_o;
    struct msg_signal s = {15, 1}, got_s;
    struct msg_resize r = {24, 80}, got_r;
    struct wbuf w = {0};

    ROUND_TRIP(oom, &o, &got_o);
    CHECK_INT_EQ(got_o.where, MSG_OOM_MACHINE);
    CHECK_U64_EQ(got_o.limit, 7);
    CHECK_INT_EQ(msg_oom_get(wire_over(NULL, 0), &got_o), 0);
    CHECK_INT_EQ(got_o.where, MSG_OOM_UNKNOWN);
    ROUND_TRIP(signal, &s, &got_s);
    CHECK_INT_EQ(got_s.signo, 15);
    CHECK_INT_EQ(got_s.all, 1);
    ROUND_TRIP(resize, &r, &got_r);
    CHECK_INT_EQ(got_r.cols, 80);
    s.signo = 65;
    msg_signal_put(&w, &s);
    CHECK_ERR(msg_signal_get(wire_over(w.data, w.len), &got_s), -EPROTO);
    wbuf_done(&w);
}

TEST(connect_comes_back_and_impossible_ports_are_refused)
{
    static const uint32_t bad[] = {0, 65536, UINT32_MAX};
    struct msg_connect m = {65535}, got;

    ROUND_TRIP(connect, &m, &got);
    CHECK_INT_EQ(got.port, 65535);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct wbuf w = {0};

        m.port = bad[i];
        msg_connect_put(&w, &m);
        CHECK_ERR(msg_connect_get(wire_over(w.data, w.len), &got), -EPROTO);
        wbuf_done(&w);
    }
}

TEST(resolver_comes_back)
{
    struct msg_resolver m = {0x7f00000b}, got;

    ROUND_TRIP(resolver, &m, &got);
    CHECK_INT_EQ(got.address, 0x7f00000b);
}

TEST(clock_comes_back_in_both_directions)
{
    struct msg_clock m = {INT64_MIN, UINT64_MAX}, got;

    ROUND_TRIP(clock, &m, &got);
    CHECK(got.shift_ns == INT64_MIN && got.realtime_ns == UINT64_MAX);
}

TEST(cpus_come_back)
{
    struct msg_cpus m = {UINT32_MAX}, got;

    ROUND_TRIP(cpus, &m, &got);
    CHECK_U64_EQ(got.count, UINT32_MAX);
}

TEST(stats_come_back_with_unknown_numbers)
{
    struct msg_stats m, got;

    memset(&m, 0xff, sizeof(m));
    m.pids = 0;
    ROUND_TRIP(stats, &m, &got);
    CHECK_MEM_EQ(&m, &got, sizeof(m));
}

TEST(ps_comes_back)
{
    struct msg_ps_row row = {.pid = 1, .uid = 5, .cmd = strdup("sh")};
    struct msg_ps m = {&row, 1}, got;

    ROUND_TRIP(ps, &m, &got);
    CHECK_INT_EQ(got.n, 1);
    CHECK_INT_EQ(got.rows[0].uid, 5);
    CHECK_STR_EQ(got.rows[0].cmd, "sh");
    msg_ps_done(&got);
    free(row.cmd);
}
