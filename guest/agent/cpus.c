/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processors that come while the machine runs: the kernel tells of each, and leaves it to user
 * space to switch it on. The host that has added them waits until they are in use, for what it
 * starts then may count them.
 */
#include "agent/container/container.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CPUS "/sys/devices/system/cpu"
#define APPEAR_S 20 /* emulated machines are slow */
#define PRESENT_MS 10
#define PRESENT_TRIES 200

static uint32_t in_use(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 ? (uint32_t)n : 0;
}

/*
 * One that is on, or that nobody may switch, is none of ours to complain about. Xen's driver tells
 * of one before it marks it as present, without which it cannot be switched on (EINVAL): of that
 * moment, a few instructions later, nobody tells.
 */
static void switch_on(unsigned cpu)
{
    char path[64], is[8];

    snprintf(path, sizeof(path), CPUS "/cpu%u/online", cpu);
    if (cgroup_read(AT_FDCWD, path, is, sizeof(is)) <= 0 || is[0] != '0')
        return;
    for (int i = 0; cgroup_write(AT_FDCWD, path, "1") == -EINVAL && i < PRESENT_TRIES; i++)
        (void)poll(NULL, 0, PRESENT_MS);
}

static void switch_all_on(void)
{
    DIR *d = opendir(CPUS);
    struct dirent *e;
    unsigned cpu;

    while (d && (e = readdir(d)))
        if (sscanf(e->d_name, "cpu%u", &cpu) == 1)
            switch_on(cpu);
    if (d)
        closedir(d);
}

static void answer(struct agent *a)
{
    struct wbuf w = {0};

    msg_cpus_put(&w, &(struct msg_cpus){in_use()});
    channel_reply_body(a, 0, a->cpus_seq, &w);
    wbuf_done(&w);
    a->cpus_wanted = 0;
    if (a->cpus_timer.fd >= 0)
        loop_close(a, &a->cpus_timer);
}

/* "add@/devices/system/cpu/cpu1", then words that do not matter here. */
static void on_device(struct agent *a, struct source *s, uint32_t events)
{
    char buf[4096];
    unsigned cpu;
    ssize_t n;

    (void)events;
    while ((n = recv(s->fd, buf, sizeof(buf) - 1, 0)) > 0 || (n < 0 && errno == ENOBUFS)) {
        buf[n > 0 ? n : 0] = '\0';
        if (sscanf(buf, "add@/devices/system/cpu/cpu%u", &cpu) == 1)
            switch_on(cpu);
        else if (n < 0)
            switch_all_on(); /* what was said of them may be lost */
    }
    if (a->cpus_wanted && in_use() >= a->cpus_wanted)
        answer(a);
}

static void on_time(struct agent *a, struct source *s, uint32_t events)
{
    (void)s;
    (void)events;
    answer(a);
}

int cpus_watch(struct agent *a, struct err *err)
{
    int fd, r;

    if (a->cpus.fd >= 0)
        return 0;
    fd = uevents_open();
    r = fd < 0 ? err_set(err, -fd, "listen for new processors: %m")
               : loop_watch(a, &a->cpus, fd, EPOLLIN, on_device, err);
    if (r < 0)
        close_fd(&fd);
    return r;
}

static int set_timer(struct agent *a, struct err *err)
{
    struct itimerspec when = {.it_value.tv_sec = APPEAR_S};
    cleanup_fd int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    int r;

    if (fd < 0 || timerfd_settime(fd, 0, &when, NULL) < 0)
        return err_set(err, errno, "timerfd: %m");
    r = loop_watch(a, &a->cpus_timer, fd, EPOLLIN, on_time, err);
    if (r == 0)
        (void)steal_fd(&fd);
    return r;
}

int cpus_await(struct agent *a, uint32_t seq, uint32_t count, struct err *err)
{
    int r = cpus_watch(a, err);

    if (r < 0)
        return r;
    if (a->cpus_wanted) /* who asked before gets what there is */
        answer(a);
    switch_all_on();
    if (in_use() < count && (r = set_timer(a, err)) < 0)
        return r;
    a->cpus_seq = seq;
    a->cpus_wanted = count;
    if (in_use() >= count)
        answer(a);
    return 0;
}
