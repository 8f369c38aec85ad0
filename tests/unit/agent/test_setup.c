/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which order a guest becomes somebody. What it asks of the kernel comes here (the linker's
 * --wrap), what it asks of the rest of the agent, too: each leaves a word in `done`.
 */
#include "test.h"
#include <errno.h>
#include <stdarg.h>
#include <time.h>
#include <unistd.h>
#include <linux/random.h>
#include "agent/agent.h"
#include "agent/container/container.h"

#define URANDOM 77
#define ALL "entropy reseed time modules spare name share place "

static char done[256];
static uint8_t pool[512]; /* what the kernel was given */
static struct rand_pool_info told;
static unsigned long refused; /* the request that fails */
static time_t set_to;

static void did(const char *what)
{
    size_t n = strlen(done);

    snprintf(done + n, sizeof(done) - n, "%s ", what);
}

int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_clock_settime(clockid_t clock, const struct timespec *t);
int __wrap_sethostname(const char *name, size_t len);
int __wrap_mount(const char *source, const char *target, const char *type, unsigned long flags,
                 const void *data);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...); /* its name where files are large */

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    const struct rand_pool_info *given;
    va_list args;

    va_start(args, request);
    if (fd == URANDOM && request == RNDADDENTROPY) {
        given = va_arg(args, const struct rand_pool_info *);
        told = *given;
        memcpy(pool, given->buf, (size_t)given->buf_size);
        did("entropy");
    } else {
        did(fd == URANDOM && request == RNDRESEEDCRNG ? "reseed" : "ioctl?");
    }
    va_end(args);
    if (request != refused)
        return 0;
    errno = EPERM;
    return -1;
}

int __wrap_clock_settime(clockid_t clock, const struct timespec *t)
{
    did(clock == CLOCK_REALTIME ? "time" : "clock?");
    set_to = t->tv_sec;
    return 0;
}

int __wrap_sethostname(const char *name, size_t len)
{
    did(len == 3 && memcmp(name, "web", 3) == 0 ? "name" : "name?");
    return 0;
}

int __wrap_mount(const char *source, const char *target, const char *type, unsigned long flags,
                 const void *data)
{
    (void)source;
    (void)target;
    (void)flags;
    (void)data;
    did(strcmp(type, "9p") == 0 ? "share" : "mount?");
    return 0;
}

int __wrap_open(const char *path, int flags, ...)
{
    (void)flags;
    did(strcmp(path, AGENT_SHARE) == 0 ? "place" : "open?");
    return 78;
}

int __wrap_open64(const char *path, int flags, ...) __attribute__((alias("__wrap_open")));

int modules_group(const struct agent *a, const char *group, struct err *err)
{
    (void)a;
    (void)group;
    (void)err;
    did("modules");
    return 0;
}

void spare_make(struct agent *a)
{
    (void)a;
    did("spare");
}

void machine_loopback_up(void)
{
    did("loopback");
}

void agent_log(struct agent *a, const char *fmt, ...)
{
    (void)a;
    (void)fmt;
    did("log");
}

/* The set-up of a clone with so many bytes, of which the kernel refuses one request (0 = none). */
static int set_up(size_t entropy_len, unsigned long refuse, struct err *err)
{
    static uint8_t entropy[8192];
    char *groups[] = {strdup("ipvs")};
    struct agent a = {.at.machine = true, .urandom_fd = URANDOM, .share_fd = -1};
    struct msg_setup m = {.realtime_ns = UINT64_C(1700000000000000000),
                          .share_tag = strdup("share"),
                          .hostname = strdup("web"),
                          .entropy = entropy,
                          .entropy_len = entropy_len,
                          .modules = {groups, 1}};
    int r;

    for (size_t i = 0; i < sizeof(entropy); i++)
        entropy[i] = (uint8_t)(i * 167 + 13);
    done[0] = '\0';
    memset(pool, 0, sizeof(pool));
    refused = refuse;
    r = machine_setup(&a, &m, err);
    CHECK_MEM_EQ(pool, entropy, refuse || entropy_len > sizeof(pool) ? 0 : entropy_len);
    free(a.share_dir);
    free(m.share_tag);
    free(m.hostname);
    free(groups[0]);
    return r;
}

TEST(the_hosts_entropy_and_a_reseed_come_before_all_else)
{
    struct err err = ERR_INIT;

    CHECK_OK(set_up(256, 0, &err), err);
    CHECK_STR_EQ(done, ALL);
    CHECK_INT_EQ(told.buf_size, 256);
    CHECK_INT_EQ(told.entropy_count, 8 * 256); /* bits: less would not make the kernel use them */
    CHECK_INT_EQ(set_to, 1700000000);
}

TEST(a_guest_that_cannot_be_made_different_goes_no_further)
{
    struct err err = ERR_INIT;

    CHECK_ERR(set_up(256, RNDADDENTROPY, &err), -EPERM);
    CHECK_CONTAINS(err.msg, "reseed the random number generator");
    CHECK_STR_EQ(done, "entropy ");
    CHECK_ERR(set_up(256, RNDRESEEDCRNG, &err), -EPERM);
    CHECK_CONTAINS(err.msg, "reseed the random number generator");
    CHECK_STR_EQ(done, "entropy reseed ");
    CHECK_ERR(set_up(8192, 0, &err), -EINVAL);
    CHECK_STR_EQ(done, "");
}
