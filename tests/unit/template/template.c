/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "template/template.h"

static const struct template_limits limits = {3600, 3, 1 << 20};

/* A store of its own for each test, with a file that a fact is about. */
struct rig {
    char dir[64], store[80], file[80];
    struct kvs facts;
    struct err err;
};

static void rig_init(struct rig *r)
{
    *r = (struct rig){.dir = "/tmp/av-template.XXXXXX"};
    CHECK(mkdtemp(r->dir));
    snprintf(r->store, sizeof(r->store), "%s/store", r->dir);
    snprintf(r->file, sizeof(r->file), "%s/kernel", r->dir);
    CHECK_INT_EQ(path_replace(AT_FDCWD, r->file, "1", 1, 0600, NULL), 0);
    template_fact(&r->facts, "scope", "shared");
    template_fact_boot(&r->facts);
    template_fact_file(&r->facts, "kernel", r->file);
}

static void rig_done(struct rig *r)
{
    kvs_done(&r->facts);
    CHECK_INT_EQ(path_remove_tree(AT_FDCWD, r->dir, NULL), 0);
}

static struct template open_it(struct rig *r, int lock)
{
    struct template t = TEMPLATE_INIT;

    CHECK_OK(template_open(r->store, &r->facts, lock, deadline_in_ms(5000), &t, &r->err), r->err);
    return t;
}

/* Saved by "the plug-in" and published. */
static struct template made(struct rig *r)
{
    struct template t = open_it(r, LOCK_EX);
    cleanup_free char *dir = NULL, *memory = NULL;

    CHECK_OK(template_begin(&t, &dir, &r->err), r->err);
    memory = path_join(dir, "memory");
    CHECK_INT_EQ(path_replace(AT_FDCWD, memory, "ram", 3, 0600, NULL), 0);
    CHECK_OK(template_publish(&t, &r->facts, "key 1", &r->err), r->err);
    return t;
}

TEST(another_fact_is_another_template)
{
    struct rig r;
    char name[TEMPLATE_NAME], same[TEMPLATE_NAME], other[TEMPLATE_NAME];
    struct kvs changed = {0};

    rig_init(&r);
    template_name(&r.facts, name);
    template_name(&r.facts, same);
    CHECK_STR_EQ(name, same);
    CHECK_INT_EQ(strlen(name), TEMPLATE_NAME - 1);
    template_fact(&changed, "scope", "tenant a");
    template_fact_boot(&changed);
    template_fact_file(&changed, "kernel", r.file);
    template_name(&changed, other);
    CHECK(strcmp(name, other) != 0);
    kvs_done(&changed);
    rig_done(&r);
}

TEST(facts_hold_until_a_file_is_another)
{
    struct rig r;

    rig_init(&r);
    CHECK(template_facts_hold(&r.facts));
    CHECK_INT_EQ(path_replace(AT_FDCWD, r.file, "2", 1, 0600, NULL), 0);
    CHECK(!template_facts_hold(&r.facts));
    rig_done(&r);
}

TEST(facts_do_not_hold_after_the_next_boot)
{
    struct kvs facts = {0};

    template_fact(&facts, "boot", "00000000-0000-0000-0000-000000000000");
    CHECK(!template_facts_hold(&facts));
    kvs_done(&facts);
}

TEST(what_was_published_is_ready_with_its_key_and_facts)
{
    struct rig r;
    struct template t;
    cleanup_free char *live = NULL;

    rig_init(&r);
    t = open_it(&r, LOCK_SH);
    CHECK_INT_EQ(template_look(&t, &limits), TEMPLATE_MISSING);
    template_close(&t);
    t = made(&r);
    CHECK_INT_EQ(template_look(&t, &limits), TEMPLATE_READY);
    CHECK_STR_EQ(t.key, "key 1");
    CHECK_STR_EQ(kvs_get(&t.facts, "scope"), "shared");
    CHECK(template_facts_hold(&t.facts));
    CHECK(t.size > 0);
    live = template_live(&t);
    CHECK_INT_EQ(access(live, F_OK), 0);
    template_close(&t);
    rig_done(&r);
}

TEST(a_check_finds_the_file_that_was_changed_and_the_one_that_has_gone)
{
    cleanup_free char *live = NULL, *key = NULL;
    struct template t;
    struct rig r;

    rig_init(&r);
    t = made(&r);
    CHECK_OK(template_check(&t, &limits, &r.err), r.err);
    live = template_live(&t);
    key = path_join(live, "key");
    CHECK_OK(path_replace(AT_FDCWD, key, "key 1", 5, 0600, &r.err), r.err);
    CHECK_INT_EQ(template_check(&t, &limits, &r.err), -ESTALE);
    CHECK_CONTAINS(r.err.msg, "'key' was changed");
    CHECK_INT_EQ(unlink(key), 0);
    CHECK_INT_EQ(template_check(&t, &limits, &r.err), -ENOENT); /* it is none any more */
    template_close(&t);
    rig_done(&r);
}

TEST(a_template_is_used_up_and_grows_old)
{
    const struct template_limits young = {0, 100, 1 << 20};
    const struct timespec past[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
    struct rig r;
    struct template t;

    rig_init(&r);
    t = made(&r);
    for (int i = 0; i < 3; i++) {
        CHECK_INT_EQ(template_look(&t, &limits), TEMPLATE_READY);
        template_used(&t);
    }
    CHECK_INT_EQ(template_look(&t, &limits), TEMPLATE_EXPIRED);
    CHECK_INT_EQ(t.uses, 3);
    template_close(&t);
    t = made(&r); /* which begins to count anew */
    CHECK_INT_EQ(template_look(&t, &limits), TEMPLATE_READY);
    CHECK_INT_EQ(utimensat(t.dir, "live/key", past, 0), 0);
    CHECK_INT_EQ(template_look(&t, &young), TEMPLATE_EXPIRED);
    template_close(&t);
    rig_done(&r);
}

TEST(what_a_killed_builder_left_is_not_ready_and_in_nobodys_way)
{
    struct rig r;
    struct template t;
    cleanup_free char *dir = NULL, *again = NULL, *left = NULL;

    rig_init(&r);
    t = open_it(&r, LOCK_EX);
    CHECK_OK(template_begin(&t, &dir, &r.err), r.err);
    left = path_join(dir, "memory");
    CHECK_INT_EQ(path_replace(AT_FDCWD, left, "x", 1, 0600, NULL), 0);
    template_close(&t);
    t = open_it(&r, LOCK_EX);
    CHECK_INT_EQ(template_look(&t, &limits), TEMPLATE_MISSING);
    CHECK_OK(template_begin(&t, &again, &r.err), r.err);
    CHECK(access(left, F_OK) < 0);
    template_close(&t);
    rig_done(&r);
}

TEST(one_failure_is_tried_again_two_are_not_and_a_success_forgives)
{
    struct rig r;
    struct template t;

    rig_init(&r);
    t = made(&r);
    template_fail(&t, "it hung\nfor ever", false);
    CHECK_INT_EQ(template_look(&t, &limits), TEMPLATE_MISSING);
    CHECK_STR_EQ(t.reason, "it hung");
    template_fail(&t, "it hung again", false);
    CHECK_INT_EQ(template_look(&t, &limits), TEMPLATE_FAILED);
    CHECK_STR_EQ(t.reason, "it hung again");
    template_close(&t);
    t = made(&r);
    CHECK_INT_EQ(template_look(&t, &limits), TEMPLATE_READY);
    template_used(&t);
    template_close(&t);
    t = open_it(&r, LOCK_EX);
    template_fail(&t, "the first one", false);
    CHECK_INT_EQ(template_look(&t, &limits), TEMPLATE_MISSING);
    template_fail(&t, "there is no such thing", true);
    CHECK_INT_EQ(template_look(&t, &limits), TEMPLATE_FAILED);
    template_close(&t);
    rig_done(&r);
}

TEST(cloners_share_the_lock_and_a_builder_waits_for_them)
{
    struct rig r;
    struct template a, b, c = TEMPLATE_INIT;

    rig_init(&r);
    a = open_it(&r, LOCK_SH);
    b = open_it(&r, LOCK_SH);
    CHECK_INT_EQ(template_open(r.store, &r.facts, LOCK_EX, deadline_in_ms(50), &c, &r.err),
                 -ETIMEDOUT);
    CHECK_CONTAINS(r.err.msg, "by others");
    template_close(&b);
    CHECK_INT_EQ(template_relock(&a, LOCK_EX, deadline_in_ms(50), &r.err), 0);
    template_close(&a);
    rig_done(&r);
}

TEST(a_store_that_others_may_write_to_is_refused)
{
    struct rig r;
    struct template t = TEMPLATE_INIT;

    rig_init(&r);
    CHECK_INT_EQ(mkdir(r.store, 0700), 0);
    CHECK_INT_EQ(chmod(r.store, 0777), 0);
    CHECK_INT_EQ(template_open(r.store, &r.facts, LOCK_SH, 0, &t, &r.err), -EPERM);
    CHECK_CONTAINS(r.err.msg, "not ours alone");
    rig_done(&r);
}

TEST(a_sweep_takes_what_nobody_can_use_and_leaves_what_is_at_work)
{
    struct rig r;
    struct template t, at_work;
    struct strv names = {0};

    rig_init(&r);
    t = made(&r);
    template_close(&t);
    CHECK_INT_EQ(template_sweep(r.store, &limits, NULL), 0);
    CHECK_INT_EQ(path_replace(AT_FDCWD, r.file, "2", 1, 0600, NULL), 0);
    at_work = open_it(&r, LOCK_SH);
    CHECK_INT_EQ(template_sweep(r.store, &limits, NULL), 0);
    template_close(&at_work);
    CHECK_INT_EQ(template_sweep(r.store, &limits, NULL), 1);
    CHECK_OK(template_list(r.store, &names, &r.err), r.err);
    CHECK_INT_EQ(names.n, 0);
    strv_done(&names);
    rig_done(&r);
}

TEST(a_sweep_makes_room_but_keeps_the_one_it_is_for)
{
    const struct template_limits tight = {3600, 3, 1};
    struct rig r;
    struct template t;
    char keep[TEMPLATE_NAME];

    rig_init(&r);
    t = made(&r);
    snprintf(keep, sizeof(keep), "%s", t.name);
    template_close(&t);
    CHECK_INT_EQ(template_sweep(r.store, &tight, keep), 0);
    CHECK_INT_EQ(template_sweep(r.store, &tight, NULL), 1);
    rig_done(&r);
}

TEST(a_removed_template_is_made_again_by_who_waited_for_it)
{
    struct rig r;
    struct template t, later;
    int status;
    pid_t pid;

    rig_init(&r);
    t = made(&r);
    pid = fork();
    if (pid == 0) {         /* waits for the lock of a directory that is gone then */
        template_close(&t); /* its copy would hold the lock on */
        later = (struct template)TEMPLATE_INIT;
        _exit(template_open(r.store, &r.facts, LOCK_EX, deadline_in_ms(5000), &later, &r.err) < 0);
    }
    CHECK_OK(template_remove(&t, &r.err), r.err);
    template_close(&t);
    CHECK_INT_EQ(waitpid(pid, &status, 0), pid);
    CHECK_INT_EQ(status, 0);
    rig_done(&r);
}
