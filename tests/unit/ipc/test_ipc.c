/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/timing.h"
#include "monitor/ipc.h"
#include "test.h"

static void make_pair(int pair[2])
{
    CHECK_INT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static void send_reply(int sock, uint32_t seq, int code, const char *text)
{
    struct ipc_reply reply = {.code = code, .phase = PHASE_AGENT, .text = (char *)text};
    struct wbuf w = {0};
    struct err err = ERR_INIT;

    ipc_reply_put(&w, &reply);
    CHECK_OK(ipc_send(sock, IPC_REPLY, seq, &w, NULL, 0, &err), err);
    wbuf_done(&w);
}

static void fill_sandbox(struct ipc_sandbox *s)
{
    *s = (struct ipc_sandbox){
        .id = xstrdup("c1"),
        .uuid = xstrdup("u"),
        .state_dir = xstrdup("/s"),
        .run_dir = xstrdup("/r"),
        .descriptor = xstrdup("kvm"),
        .descriptor_file = xstrdup("/d.yaml"),
        .library = xstrdup("/kvm.so"),
        .arch = xstrdup("x86_64"),
        .guest_dir = xstrdup("/g"),
        .kernel = xstrdup("/g/vmlinux"),
        .memory = UINT64_C(1) << 40,
        .vcpus = 3,
        .boot_timeout_ms = 1234,
    };
    kvs_add(&s->config, "accel", "tcg");
    kvs_add(&s->config, "empty", "");
    strv_add(&s->modules, "tun");
    strv_add(&s->cgroups, "/cg/a");
    strv_add(&s->cgroups, "/cg/b");
}

static int after_the_way(uint32_t use, const char *dir, const char *key)
{
    struct ipc_sandbox in, out;
    struct wbuf w = {0};
    int r;

    fill_sandbox(&in);
    in.template_use = use;
    in.template_dir = xstrdup(dir);
    in.template_key = xstrdup(key);
    ipc_sandbox_put(&w, &in);
    r = ipc_sandbox_get(wire_over(w.data, w.len), &out);
    if (r == 0)
        ipc_sandbox_done(&out);
    ipc_sandbox_done(&in);
    wbuf_done(&w);
    return r;
}

TEST(a_template_is_named_where_one_is_needed)
{
    CHECK_INT_EQ(after_the_way(IPC_TEMPLATE_NONE, NULL, NULL), 0);
    CHECK_INT_EQ(after_the_way(IPC_TEMPLATE_BUILD, "/t", NULL), 0);
    CHECK_INT_EQ(after_the_way(IPC_TEMPLATE_CLONE, "/t", "k"), 0);
    CHECK_INT_EQ(after_the_way(IPC_TEMPLATE_BUILD, NULL, NULL), -EPROTO);
    CHECK_INT_EQ(after_the_way(IPC_TEMPLATE_CLONE, "/t", NULL), -EPROTO);
    CHECK_INT_EQ(after_the_way(7, "/t", "k"), -EPROTO);
}

TEST(a_sandbox_survives_the_way_to_the_monitor)
{
    struct ipc_sandbox in, out;
    struct wbuf w = {0};

    fill_sandbox(&in);
    ipc_sandbox_put(&w, &in);
    CHECK_INT_EQ(ipc_sandbox_get(wire_over(w.data, w.len), &out), 0);
    CHECK_STR_EQ(out.id, "c1");
    CHECK_STR_EQ(out.cache_dir, NULL);
    CHECK_U64_EQ(out.memory, UINT64_C(1) << 40);
    CHECK_INT_EQ(out.vcpus, 3);
    CHECK_STR_EQ(kvs_get(&out.config, "accel"), "tcg");
    CHECK_STR_EQ(kvs_get(&out.config, "empty"), "");
    CHECK_INT_EQ(out.cgroups.n, 2);
    CHECK_STR_EQ(out.cgroups.v[1], "/cg/b");
    CHECK(out.cgroups.v[2] == NULL);
    ipc_sandbox_done(&in);
    ipc_sandbox_done(&out);
    wbuf_done(&w);
}

TEST(a_sandbox_cut_anywhere_is_refused_or_whole)
{
    struct ipc_sandbox in, out;
    struct wbuf w = {0};
    int refused = 0;

    fill_sandbox(&in);
    ipc_sandbox_put(&w, &in);
    for (size_t len = 0; len < w.len; len++) {
        if (ipc_sandbox_get(wire_over(w.data, len), &out) == 0)
            ipc_sandbox_done(&out);
        else
            refused++;
    }
    CHECK(refused > 100);
    ipc_sandbox_done(&in);
    wbuf_done(&w);
}

TEST(a_create_without_its_plan_is_refused)
{
    struct ipc_create in = {.id = (char *)"c"}, out;
    struct wbuf w = {0};

    ipc_create_put(&w, &in);
    CHECK_ERR(ipc_create_get(wire_over(w.data, w.len), &out), -EPROTO);
    wbuf_done(&w);
}

TEST(a_create_keeps_mounts_and_proxy)
{
    struct ipc_mount mounts[] = {{.name = (char *)"c"}, {.name = (char *)"c/m1", .is_file = 1}};
    struct ipc_create in = {.id = (char *)"c",
                            .plan = (uint8_t *)"plan",
                            .plan_len = 4,
                            .proxy = {77, 123456789},
                            .mounts = mounts,
                            .n_mounts = 2},
                      out;
    struct wbuf w = {0};

    ipc_create_put(&w, &in);
    CHECK_INT_EQ(ipc_create_get(wire_over(w.data, w.len), &out), 0);
    CHECK_INT_EQ(out.n_mounts, 2);
    CHECK_STR_EQ(out.mounts[1].name, "c/m1");
    CHECK_INT_EQ(out.mounts[1].is_file, 1);
    CHECK_INT_EQ(out.proxy.pid, 77);
    CHECK_U64_EQ(out.proxy.start_time, 123456789);
    CHECK_MEM_EQ(out.plan, "plan", 4);
    ipc_create_done(&out);
    wbuf_done(&w);
}

TEST(exec_target_event_sizes_and_timings_survive)
{
    struct ipc_exec exec = {.id = (char *)"c", .process = (uint8_t *)"p", .process_len = 1};
    struct ipc_target target = {.id = (char *)"c", .signo = 9, .all = 1, .proxy = {7, 8}};
    struct ipc_event event = {.kind = IPC_EV_EXIT, .status = -9};
    struct ipc_timings times = {.begin = 1, .exited = UINT64_MAX};
    struct ipc_memory memory = {.bytes = UINT64_MAX};
    struct ipc_vcpus vcpus = {.vcpus = UINT32_MAX};
    struct wbuf w[6] = {0};

    ipc_exec_put(&w[0], &exec);
    ipc_target_put(&w[1], &target);
    ipc_event_put(&w[2], &event);
    ipc_timings_put(&w[3], &times);
    ipc_memory_put(&w[4], &memory);
    ipc_vcpus_put(&w[5], &vcpus);
    CHECK_INT_EQ(ipc_exec_get(wire_over(w[0].data, w[0].len), &exec), 0);
    CHECK_INT_EQ(ipc_target_get(wire_over(w[1].data, w[1].len), &target), 0);
    CHECK_INT_EQ(ipc_event_get(wire_over(w[2].data, w[2].len), &event), 0);
    CHECK_INT_EQ(ipc_timings_get(wire_over(w[3].data, w[3].len), &times), 0);
    CHECK_STR_EQ(exec.id, "c");
    CHECK_INT_EQ(target.signo, 9);
    CHECK_INT_EQ(target.all, 1);
    CHECK_INT_EQ(target.proxy.pid, 7);
    CHECK_INT_EQ(event.status, -9);
    CHECK_U64_EQ(times.exited, UINT64_MAX);
    vcpus.vcpus = 0;
    CHECK_INT_EQ(ipc_vcpus_get(wire_over(w[5].data, w[5].len), &vcpus), 0);
    CHECK_U64_EQ(vcpus.vcpus, UINT32_MAX);
    memory.bytes = 0;
    CHECK_INT_EQ(ipc_memory_get(wire_over(w[4].data, w[4].len), &memory), 0);
    CHECK_U64_EQ(memory.bytes, UINT64_MAX);
    ipc_exec_done(&exec);
    ipc_target_done(&target);
    for (size_t i = 0; i < sizeof(w) / sizeof(w[0]); i++)
        wbuf_done(&w[i]);
}

TEST(names_of_interfaces_survive_and_are_not_more_than_there_are_nics)
{
    struct ipc_hostifs in = {0}, out;
    struct wbuf w = {0};

    kvs_add(&in.v, "net0", "vif1.0");
    ipc_hostifs_put(&w, &in);
    CHECK_INT_EQ(ipc_hostifs_get(wire_over(w.data, w.len), &out), 0);
    CHECK_STR_EQ(kvs_get(&out.v, "net0"), "vif1.0");
    ipc_hostifs_done(&out);
    CHECK_INT_EQ(ipc_hostifs_get(wire_over(NULL, 0), &out), 0); /* of a back-end with taps */
    CHECK_INT_EQ(out.v.n, 0);
    wbuf_done(&w);
    while (in.v.n <= IPC_NICS_MAX)
        kvs_add(&in.v, "net0", "vif1.0");
    ipc_hostifs_put(&w, &in);
    CHECK_INT_EQ(ipc_hostifs_get(wire_over(w.data, w.len), &out), -EPROTO);
    ipc_hostifs_done(&in);
    wbuf_done(&w);
}

TEST(who_takes_a_held_vm_says_its_id)
{
    struct ipc_take in = {.id = (char *)"c", .pod = 1, .log_level = 2, .boot_timeout_ms = 3}, out;
    struct wbuf w[3] = {0};

    kvs_add(&in.metadata, "pod", "web");
    ipc_take_put(&w[0], &in);
    CHECK_INT_EQ(ipc_take_get(wire_over(w[0].data, w[0].len), &out), 0);
    CHECK_STR_EQ(out.id, "c");
    CHECK_INT_EQ(out.pod, 1);
    CHECK_INT_EQ(out.log_level, 2);
    CHECK_INT_EQ(out.boot_timeout_ms, 3);
    CHECK_STR_EQ(kvs_get(&out.metadata, "pod"), "web");
    ipc_take_done(&out);
    in.id = (char *)"../c";
    ipc_take_put(&w[1], &in);
    CHECK_ERR(ipc_take_get(wire_over(w[1].data, w[1].len), &out), -EPROTO);
    in.id = NULL;
    ipc_take_put(&w[2], &in);
    CHECK_ERR(ipc_take_get(wire_over(w[2].data, w[2].len), &out), -EPROTO);
    kvs_done(&in.metadata);
    for (int i = 0; i < 3; i++)
        wbuf_done(&w[i]);
}

TEST(a_signal_above_64_is_refused)
{
    struct ipc_target in = {.id = (char *)"c", .signo = 65}, out;
    struct wbuf w = {0};

    ipc_target_put(&w, &in);
    CHECK_ERR(ipc_target_get(wire_over(w.data, w.len), &out), -EPROTO);
    wbuf_done(&w);
}

TEST(waiting_skips_other_replies_and_events)
{
    struct wbuf event = {0};
    struct err err = ERR_INIT;
    int pair[2];

    make_pair(pair);
    send_reply(pair[1], 1, 0, NULL);
    CHECK_OK(ipc_send(pair[1], IPC_EVENT, 9, &event, NULL, 0, &err), err);
    send_reply(pair[1], 2, 0, NULL);
    send_reply(pair[1], 3, 0, NULL);
    CHECK_OK(ipc_wait(pair[0], 2, deadline_in_ms(5000), NULL, &err), err);
    CHECK_OK(ipc_wait(pair[0], 3, deadline_in_ms(5000), NULL, &err), err);
    close(pair[0]);
    close(pair[1]);
}

TEST(waiting_ends_with_an_earlier_request_that_failed)
{
    struct err err = ERR_INIT;
    int pair[2];

    make_pair(pair);
    send_reply(pair[1], 1, EIO, "100% of %s failed");
    CHECK_ERR(ipc_wait(pair[0], 2, deadline_in_ms(5000), NULL, &err), -EIO);
    CHECK_STR_EQ(err.msg, "100% of %s failed");
    CHECK_INT_EQ(err.phase, PHASE_AGENT);
    close(pair[0]);
    close(pair[1]);
}

TEST(a_dead_monitor_is_epipe_and_a_silent_one_times_out)
{
    struct err err = ERR_INIT;
    int pair[2];

    make_pair(pair);
    CHECK_ERR(ipc_wait(pair[0], 1, deadline_in_ms(20), NULL, &err), -ETIMEDOUT);
    close(pair[1]);
    CHECK_ERR(ipc_wait(pair[0], 1, deadline_in_ms(5000), NULL, &err), -EPIPE);
    close(pair[0]);
}

TEST(descriptors_travel_with_their_frame)
{
    uint8_t buf[64];
    struct err err = ERR_INIT;
    int pair[2], fds[4];
    size_t n = ARRAY_SIZE(fds);

    make_pair(pair);
    CHECK_OK(ipc_send(pair[0], IPC_EXEC, 5, NULL, (int[]){0, 1}, 2, &err), err);
    CHECK_INT_EQ(fd_recv(pair[1], buf, sizeof(buf), fds, &n, &err), FRAME_HEAD_SIZE);
    CHECK_INT_EQ(n, 2);
    close(fds[0]);
    close(fds[1]);
    close(pair[0]);
    close(pair[1]);
}

TEST(a_call_gets_the_body_of_its_own_reply)
{
    struct ipc_reply reply = {.body = (uint8_t *)"abc", .body_len = 3}, got;
    struct frame_head head;
    uint8_t raw[FRAME_HEAD_SIZE];
    struct wbuf w = {0};
    struct err err = ERR_INIT;
    int pair[2];
    pid_t child;

    make_pair(pair);
    child = fork();
    if (child == 0) {
        if (fd_read_exact(pair[1], raw, sizeof(raw), NULL) < 0 || frame_head_get(raw, &head) < 0)
            _exit(1);
        ipc_reply_put(&w, &reply);
        _exit(ipc_send(pair[1], IPC_REPLY, head.seq, &w, NULL, 0, NULL) < 0);
    }
    CHECK(child > 0);
    CHECK_OK(ipc_call(pair[0], IPC_TIMINGS, NULL, deadline_in_ms(5000), &got, &err), err);
    CHECK_INT_EQ(got.body_len, 3);
    CHECK_MEM_EQ(got.body, "abc", 3);
    ipc_reply_done(&got);
    close(pair[0]);
    close(pair[1]);
}

TEST(connecting_without_a_monitor_tells_what_is_missing)
{
    struct err err = ERR_INIT;

    CHECK_ERR(ipc_connect("/nonexistent", &err), -ENOENT);
    CHECK_CONTAINS(err.msg, "/nonexistent/monitor.sock");
}

TEST(disks_survive_the_wire_and_need_their_descriptors)
{
    struct kv option = {(char *)"host", (char *)"h"}, file = {(char *)"conf", (char *)"/c"};
    struct ipc_disk disks[] = {
        {.tag = (char *)"t-1", .protocol = 1, .format = 2, .flags = 1, .path = (char *)"/i"},
        {.tag = (char *)"t-2",
         .secret_file = (char *)"/s",
         .options = {&option, 1},
         .files = {&file, 1}},
    };
    struct ipc_sandbox s, got;
    struct wbuf w = {0};

    fill_sandbox(&s);
    s.disks = disks;
    s.n_disks = 2;
    ipc_sandbox_put(&w, &s);
    s.disks = NULL;
    s.n_disks = 0;
    CHECK_INT_EQ(ipc_sandbox_get(wire_over(w.data, w.len), &got), 0);
    CHECK_INT_EQ(got.n_disks, 2);
    CHECK_STR_EQ(got.disks[0].path, "/i");
    CHECK_INT_EQ(got.disks[0].format, 2);
    CHECK_STR_EQ(got.disks[1].options.v[0].value, "h");
    CHECK_INT_EQ(ipc_disk_fds(&got.disks[0]), 1);
    CHECK_INT_EQ(ipc_disk_fds(&got.disks[1]), 2);
    ipc_sandbox_done(&got);
    ipc_sandbox_done(&s);
    wbuf_done(&w);
}
