/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest of Xen has to look after. One that was saved is restored in another domain, where
 * the console device that carries the channel hears nothing until it is opened anew, and nobody
 * says so: but the clock has stopped, which a timer notices, and the domain's UUID is another one.
 * The kernel lets go of the old terminal in a time of its own, and who comes before that opens the
 * old one again: so it is opened until the host has been heard.
 * vCPUs come when Xen likes. The name of a disk that came later is in Xen's store, which the kernel
 * lets root ask in the store's own words.
 */
#include "agent/container/container.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FAR_AWAY ((time_t)1 << 33) /* in seconds since 1970: the timer is not for ringing */
#define HEAR_S 2                   /* a host that has been asked attaches before */
#define HEAR_S_MAX 64

static void read_domain(char *ret, size_t size)
{
    if (cgroup_read(AT_FDCWD, "/sys/hypervisor/uuid", ret, size) < 0)
        ret[0] = '\0';
}

/* It rings in so many seconds, 0 = never, and in any case when the clock jumps. */
static int arm(int fd, unsigned seconds)
{
    struct itimerspec at = {.it_value.tv_sec = FAR_AWAY};

    if (seconds && clock_gettime(CLOCK_REALTIME, &at.it_value) == 0)
        at.it_value.tv_sec += seconds;
    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL);
}

/* Seconds until the channel is opened once more, which it is now; 0 = there is no need. */
static unsigned next_try(struct agent *a)
{
    char domain[sizeof(a->domain)];

    read_domain(domain, sizeof(domain));
    if (strcmp(domain, a->domain) != 0) {
        memcpy(a->domain, domain, sizeof(domain));
        return HEAR_S;
    }
    if (a->hear_s == 0 || a->channel.connected)
        return 0;
    return a->hear_s < HEAR_S_MAX ? a->hear_s * 2 : HEAR_S_MAX;
}

/* Also when a container has set the clock: then the domain is the same, and so is the channel. */
static void on_clock(struct agent *a, struct source *s, uint32_t events)
{
    struct err err = ERR_INIT;
    uint64_t n;

    (void)events;
    (void)!read(s->fd, &n, sizeof(n)); /* ECANCELED: the clock has jumped */
    a->hear_s = next_try(a);
    (void)arm(s->fd, a->hear_s);
    if (a->hear_s && channel_reopen(a, &err) < 0)
        agent_debug(a, "%s, in %u s it is tried again", err.msg, a->hear_s);
}

static int make_timer(void)
{
    cleanup_fd int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);

    return fd < 0 || arm(fd, 0) < 0 ? -errno : steal_fd(&fd);
}

#define STORE_READ 2 /* a type of message; the answer has the same */
struct store_head {
    uint32_t type, request, transaction, len;
};

/* path: of this domain's home. The length of what is there, or -errno. */
static int store_read(const char *path, char *ret, size_t size)
{
    cleanup_fd int fd = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
    struct store_head head = {.type = STORE_READ, .len = (uint32_t)strlen(path) + 1};
    struct iovec ask[] = {{&head, sizeof(head)}, {(void *)(uintptr_t)path, head.len}};

    if (fd < 0 || writev(fd, ask, 2) < 0)
        return -errno;
    if (read(fd, &head, sizeof(head)) != (ssize_t)sizeof(head))
        return -EPROTO;
    if (head.type != STORE_READ || head.len == 0 || head.len >= size)
        return -ENOENT;
    if (read(fd, ret, head.len) != (ssize_t)head.len)
        return -EPROTO;
    ret[head.len] = '\0';
    return (int)head.len;
}

bool xen_is_disk(const struct agent *a, const char *name, const char *tag)
{
    char path[96], is[64];

    if (!a->at.hvc || strncmp(name, "xvd", 3) != 0)
        return false;
    snprintf(path, sizeof(path), "data/anyvisor/%s", name);
    return store_read(path, is, sizeof(is)) > 0 && strcmp(is, tag) == 0;
}

static int watch_clock(struct agent *a, struct err *err)
{
    int fd = make_timer();
    int r = fd < 0 ? err_set(err, -fd, "watch the clock: %m")
                   : loop_watch(a, &a->restored, fd, EPOLLIN, on_clock, err);

    if (r < 0)
        close_fd(&fd);
    return r;
}

int xen_watch(struct agent *a, struct err *err)
{
    int r;

    if (!a->at.hvc)
        return 0;
    read_domain(a->domain, sizeof(a->domain));
    r = watch_clock(a, err);
    return r < 0 ? r : cpus_watch(a, err);
}
