/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

#include "proto/plan.h"

static char *dup(const char *s)
{
    return s ? strdup(s) : NULL;
}

static void fill_process(struct plan_process *p)
{
    plan_list_add(&p->args, "/bin/sh");
    plan_list_add(&p->args, "");
    plan_list_add(&p->env, "A=b");
    p->cwd = dup("/");
    p->uid = 4294967294u;
    p->umask = UINT32_MAX;
    p->n_gids = 2;
    p->gids = calloc(2, sizeof(*p->gids));
    p->gids[1] = 77;
    p->flags = PLAN_P_TERMINAL | PLAN_P_CAPS;
    p->oom_score_adj = -999;
    p->caps[PLAN_CAP_AMBIENT] = UINT64_MAX;
    p->n_rlimits = 1;
    p->rlimits = calloc(1, sizeof(*p->rlimits));
    p->rlimits[0] = (struct plan_rlimit){7, 1024, UINT64_MAX};
    p->seccomp_len = 16;
    p->seccomp = calloc(1, 16);
}

static void fill_container(struct plan_container *c)
{
    c->id = dup("c1");
    c->rootfs = dup("c1");
    c->hostname = dup("host");
    c->ns[PLAN_NS_PID] = PLAN_NS_NEW;
    c->ns[PLAN_NS_USER] = PLAN_NS_JOIN;
    c->join[PLAN_NS_USER] = dup("pause");
    c->n_mounts = 3;
    c->mounts = calloc(3, sizeof(*c->mounts));
    for (size_t i = 0; i < 3; i++)
        c->mounts[i] = (struct plan_mount){.kind = PLAN_M_FS,
                                           .dest = dup("/proc"),
                                           .type = dup("proc"),
                                           .ms_flags = UINT64_C(1) << 40};
    c->n_devices = 1;
    c->devices = calloc(1, sizeof(*c->devices));
    c->devices[0] = (struct plan_device){.path = dup("/dev/x"), .type = 'c', .mode = 0600};
    plan_list_add(&c->masked, "/proc/kcore");
    c->cgroup.n_files = 1;
    c->cgroup.files = calloc(1, sizeof(*c->cgroup.files));
    c->cgroup.files[0] = (struct plan_pair){dup("memory.max"), dup("64")};
    c->cgroup.n_rules = 1;
    c->cgroup.rules = calloc(1, sizeof(*c->cgroup.rules));
    c->cgroup.rules[0] = (struct plan_device_rule){0, 'a', -1, -1, 7};
    c->n_uid_map = 1;
    c->uid_map = calloc(1, sizeof(*c->uid_map));
    c->uid_map[0] = (struct plan_idmap){0, 1000, 65536};
    c->n_hooks = 1;
    c->hooks = calloc(1, sizeof(*c->hooks));
    c->hooks[0].path = dup("/hook");
    plan_list_add(&c->hooks[0].args, "hook");
    fill_process(&c->process);
}

static void encode(struct wbuf *w)
{
    struct plan_container c = {0};

    fill_container(&c);
    plan_container_put(w, &c);
    CHECK(wbuf_ok(w));
    plan_container_done(&c);
    CHECK(c.id == NULL);
}

TEST(a_plan_comes_back_as_it_was)
{
    struct plan_container c;
    struct wbuf w = {0}, again = {0};

    encode(&w);
    CHECK_INT_EQ(plan_container_get(wire_over(w.data, w.len), &c), 0);
    CHECK_STR_EQ(c.id, "c1");
    CHECK_STR_EQ(c.domainname, NULL);
    CHECK_STR_EQ(c.join[PLAN_NS_USER], "pause");
    CHECK_STR_EQ(c.join[PLAN_NS_NET], NULL);
    CHECK_INT_EQ(c.ns[PLAN_NS_PID], PLAN_NS_NEW);
    CHECK_INT_EQ(c.n_mounts, 3);
    CHECK_U64_EQ(c.mounts[2].ms_flags, UINT64_C(1) << 40);
    CHECK_INT_EQ(c.cgroup.rules[0].major, -1);
    CHECK_INT_EQ(c.process.args.n, 2);
    CHECK(c.process.args.v[2] == NULL);
    CHECK_STR_EQ(c.process.args.v[1], "");
    CHECK_INT_EQ(c.process.uid, 4294967294u);
    CHECK_INT_EQ(c.process.gids[1], 77);
    CHECK_INT_EQ(c.process.oom_score_adj, -999);
    CHECK_U64_EQ(c.process.caps[PLAN_CAP_AMBIENT], UINT64_MAX);
    CHECK_U64_EQ(c.process.rlimits[0].hard, UINT64_MAX);
    plan_container_put(&again, &c);
    CHECK_INT_EQ(again.len, w.len);
    CHECK_MEM_EQ(again.data, w.data, w.len);
    plan_container_done(&c);
    wbuf_done(&w);
    wbuf_done(&again);
}

/* A cut at a field's border is a shorter, valid body; anywhere else it must be refused. */
TEST(a_plan_cut_at_any_byte_is_empty_or_shorter)
{
    struct wbuf w = {0};
    size_t refused = 0;

    encode(&w);
    for (size_t n = 0; n < w.len; n++) {
        struct plan_container c;
        uint8_t *copy = malloc(n ? n : 1); /* exact size: ASan sees a read beyond */

        memcpy(copy, w.data, n);
        if (plan_container_get(wire_over(copy, n), &c) < 0) {
            refused++;
            CHECK(c.id == NULL && c.mounts == NULL);
        }
        plan_container_done(&c);
        free(copy);
    }
    CHECK(refused > w.len / 2);
    wbuf_done(&w);
}

TEST(a_plan_with_any_byte_flipped_does_no_harm)
{
    struct wbuf w = {0};

    encode(&w);
    for (size_t n = 0; n < w.len; n++) {
        struct plan_container c;

        w.data[n] ^= 0xff;
        if (plan_container_get(wire_over(w.data, w.len), &c) == 0)
            plan_container_done(&c);
        w.data[n] ^= 0xff;
    }
    wbuf_done(&w);
}

TEST(wrong_enums_and_missing_members_are_refused)
{
    struct plan_container c = {0}, got;
    struct wbuf w = {0};

    c.ns[0] = 3;
    plan_container_put(&w, &c);
    CHECK_ERR(plan_container_get(wire_over(w.data, w.len), &got), -EPROTO);
    wbuf_done(&w);
    c.ns[0] = PLAN_NS_JOIN; /* of nobody */
    plan_container_put(&w, &c);
    CHECK_ERR(plan_container_get(wire_over(w.data, w.len), &got), -EPROTO);
    wbuf_done(&w);
    c.ns[0] = PLAN_NS_NEW;
    c.n_mounts = 1;
    c.mounts = calloc(1, sizeof(*c.mounts));
    c.mounts[0].kind = PLAN_M_SHARE;
    c.mounts[0].dest = dup("/x"); /* no source */
    plan_container_put(&w, &c);
    CHECK_ERR(plan_container_get(wire_over(w.data, w.len), &got), -EPROTO);
    wbuf_done(&w);
    plan_container_done(&c);
}

TEST(lists_are_bounded)
{
    struct plan_process p;
    struct wbuf w = {0};

    for (size_t i = 0; i < PLAN_LIST_MAX; i++)
        wire_put_str(&w, 1, "x");
    CHECK_INT_EQ(plan_process_get(wire_over(w.data, w.len), &p), 0);
    CHECK_INT_EQ(p.args.n, PLAN_LIST_MAX);
    plan_process_done(&p);
    wire_put_str(&w, 1, "x");
    CHECK_ERR(plan_process_get(wire_over(w.data, w.len), &p), -E2BIG);
    wbuf_done(&w);
}

TEST(a_seccomp_filter_is_whole_and_bounded)
{
    struct plan_process p = {.seccomp_len = 12}, got;
    struct wbuf w = {0};

    p.seccomp = calloc(1, 12);
    plan_process_put(&w, &p);
    CHECK_ERR(plan_process_get(wire_over(w.data, w.len), &got), -EPROTO);
    plan_process_done(&p);
    wbuf_done(&w);
}

TEST(tags_of_a_newer_peer_are_skipped)
{
    struct plan_cgroup c;
    struct wbuf w = {0};

    wire_put_str(&w, 900, "from the future");
    CHECK_INT_EQ(plan_cgroup_get(wire_over(w.data, w.len), &c), 0);
    CHECK_INT_EQ(c.n_files, 0);
    wbuf_done(&w);
}

/* Members smaller than a pointer at the end of an array: freeing must not look at them as pointers.
 */
TEST(arrays_of_small_structs_are_freed_within_their_bounds)
{
    struct plan_container c = {0}, got;
    struct wbuf w = {0};

    c.n_uid_map = 4;
    c.uid_map = calloc(4, sizeof(*c.uid_map));
    plan_container_put(&w, &c);
    CHECK_INT_EQ(plan_container_get(wire_over(w.data, w.len), &got), 0);
    CHECK_INT_EQ(got.n_uid_map, 4);
    plan_container_done(&got);
    plan_container_done(&c);
    wbuf_done(&w);
}
