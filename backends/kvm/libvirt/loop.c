/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt wants one event loop per process, registered before the first connection, and offers no
 * way to take it back: so this file has globals. Its thread runs until the process ends.
 */
#include <errno.h>
#include <libvirt/virterror.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "lv.h"

#define SETTLE_S 5

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int loop_error;
static pthread_mutex_t turn_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static unsigned turns; /* of the loop, that somebody has waited for */

/* libvirt would print every error; each is part of a sentence of ours. */
static void be_quiet(void *ctx, virErrorPtr e)
{
    (void)ctx;
    (void)e;
}

/* It speaks to the daemon and no more. Core can take rights from the threads that it knows only. */
static void drop_rights(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

    (void)syscall(SYS_capset, &head, none);
}

static void *run(void *arg)
{
    drop_rights();
    while (virEventRunDefaultImpl() == 0)
        ;
    return arg;
}

static void start(void)
{
    virSetErrorFunc(NULL, be_quiet);
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
        loop_error = EIO;
    else
        loop_error = lv_thread(run, NULL, NULL);
}

int lv_loop_start(struct hvp_error *err)
{
    pthread_once(&once, start);
    if (loop_error)
        return hvp_fail(err, loop_error, "start libvirt's event loop: %s", strerror(loop_error));
    return 0;
}

static void never(int timer, void *opaque)
{
    (void)timer;
    (void)opaque;
}

static void on_freed(void *opaque)
{
    (void)opaque;
    pthread_mutex_lock(&turn_lock);
    turns++;
    pthread_cond_broadcast(&turned);
    pthread_mutex_unlock(&turn_lock);
}

/*
 * What is removed the loop frees when it has nothing more urgent to do, timers for one: so it is
 * the freeing of one that is waited for, which comes after all that was removed before. The loop
 * may be stuck, and then it is not.
 */
static void wait_turn(void)
{
    struct timespec end;
    unsigned before;
    int timer;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += SETTLE_S;
    pthread_mutex_lock(&turn_lock);
    before = turns;
    pthread_mutex_unlock(&turn_lock);
    timer = virEventAddTimeout(-1, never, NULL, on_freed);
    if (timer < 0)
        return;
    virEventRemoveTimeout(timer);
    pthread_mutex_lock(&turn_lock);
    while (turns == before &&
           pthread_cond_clockwait(&turned, &turn_lock, CLOCK_MONOTONIC, &end) == 0)
        ;
    pthread_mutex_unlock(&turn_lock);
}

/* In the first turn it finds what is to be freed, and frees it before the second one is over. */
void lv_loop_settle(void)
{
    wait_turn();
    wait_turn();
}
