/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread model is enforced by core. Two threads call vm_pause, in which plug.c waits until both
 * are inside: where the model forbids that, they never meet.
 */
#include <errno.h>
#include <pthread.h>
#include "base/cleanup.h"
#include "fixture.h"
#include "test.h"

enum { MEET_MS = 20000, MISS_MS = 150 };

struct caller {
    struct plugin_vm *vm;
    uint32_t timeout_ms;
    int r;
};

static void *call(void *arg)
{
    struct caller *c = arg;
    struct err err = ERR_INIT;

    c->r = plugin_vm_pause(c->vm, c->timeout_ms, &err);
    return NULL;
}

/* Do two simultaneous calls meet inside the plug-in? */
static bool two_meet(struct plugin_vm *a, struct plugin_vm *b, uint32_t timeout_ms)
{
    struct caller callers[2] = {{a, timeout_ms, 0}, {b, timeout_ms, 0}};
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        CHECK_INT_EQ(pthread_create(&threads[i], NULL, call, &callers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT_EQ(callers[0].r, callers[1].r);
    return callers[0].r == 0;
}

struct pair {
    struct fixture f[2];
    struct plugin *p[2];
    struct plugin_vm *vm[3]; /* two of the first instance, one of the second */
};

static void pair_init(struct pair *pair, const char *so)
{
    for (int i = 0; i < 2; i++) {
        fixture_init(&pair->f[i], so, NULL);
        pair->p[i] = fixture_probed(&pair->f[i]);
    }
    for (int i = 0; i < 3; i++)
        pair->vm[i] = fixture_vm(pair->p[i == 2]);
}

static void pair_done(struct pair *pair)
{
    for (int i = 0; i < 3; i++)
        plugin_vm_close(pair->vm[i]);
    for (int i = 0; i < 2; i++) {
        plugin_close(pair->p[i]);
        fixture_done(&pair->f[i]);
    }
}

TEST(serial_ops_never_overlap_even_over_instances)
{
    cleanup_call(pair_done) struct pair pair = {0};

    pair_init(&pair, "plug");
    CHECK(!two_meet(pair.vm[0], pair.vm[0], MISS_MS));
    CHECK(!two_meet(pair.vm[0], pair.vm[1], MISS_MS));
    CHECK(!two_meet(pair.vm[0], pair.vm[2], MISS_MS));
}

TEST(per_vm_ops_overlap_between_vms_but_not_on_one)
{
    cleanup_call(pair_done) struct pair pair = {0};

    pair_init(&pair, "per-vm");
    CHECK(!two_meet(pair.vm[0], pair.vm[0], MISS_MS));
    CHECK(two_meet(pair.vm[0], pair.vm[1], MEET_MS));
    CHECK(two_meet(pair.vm[0], pair.vm[2], MEET_MS));
}

TEST(parallel_ops_overlap)
{
    cleanup_call(pair_done) struct pair pair = {0};

    pair_init(&pair, "parallel");
    CHECK(two_meet(pair.vm[0], pair.vm[0], MEET_MS));
    CHECK(two_meet(pair.vm[0], pair.vm[1], MEET_MS));
}
