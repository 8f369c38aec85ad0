/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that was plugged into the running machine appears when the kernel has got round to it: the
 * container that needs it waits for the kernel's word, the loop does not.
 */
#include "agent/container/container.h"
#include "agent/storage/storage.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"

#define APPEAR_S 20 /* emulated machines are slow */

/* All that wait, again: each may be ready now, or has waited too long. May free containers. */
static void look_again(struct agent *a, bool too_late)
{
    struct container *next;

    for (struct container *c = a->containers; c; c = next) {
        next = c->next;
        if (c->wait_seq && (too_late || !disks_missing(a, &c->plan)))
            container_disks_there(a, c);
    }
}

static void on_uevent(struct agent *a, struct source *s, uint32_t events)
{
    char buf[4096];

    (void)events;
    while (recv(s->fd, buf, sizeof(buf), 0) > 0 || errno == ENOBUFS)
        errno = 0;
    look_again(a, false);
}

static void on_time(struct agent *a, struct source *s, uint32_t events)
{
    uint64_t n;

    (void)events;
    (void)!read(s->fd, &n, sizeof(n));
    look_again(a, true);
}

static int listen_to_kernel(struct agent *a, struct err *err)
{
    cleanup_fd int fd = -1;
    int r;

    if (a->uevents.fd >= 0)
        return 0;
    fd = uevents_open();
    if (fd < 0)
        return err_set(err, -fd, "listen for new disks: %m");
    r = loop_watch(a, &a->uevents, fd, EPOLLIN, on_uevent, err);
    if (r == 0)
        (void)steal_fd(&fd);
    return r;
}

/* One timer for all: a later container gives the earlier ones more time, which does no harm. */
static int set_timer(struct agent *a, struct err *err)
{
    struct itimerspec when = {.it_value.tv_sec = APPEAR_S};
    cleanup_fd int fd = -1;
    int r = 0;

    if (a->disk_timer.fd < 0) {
        fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        r = loop_watch(a, &a->disk_timer, fd, EPOLLIN, on_time, err);
        if (r < 0)
            return r;
        (void)steal_fd(&fd);
    }
    if (timerfd_settime(a->disk_timer.fd, 0, &when, NULL) < 0)
        return err_set(err, errno, "timerfd: %m");
    return r;
}

/* 1: all disks are there; 0: container_disks_there will be called. */
int disks_await(struct agent *a, struct container *c, struct err *err)
{
    int r;

    if (!disks_wanted(&c->plan))
        return 1;
    if (a->at.machine && (r = modules_group(a, "block", err)) < 0)
        return r;
    if (!disks_missing(a, &c->plan))
        return 1;
    if ((r = listen_to_kernel(a, err)) < 0 || (r = set_timer(a, err)) < 0)
        return r;
    return disks_missing(a, &c->plan) ? 0 : 1; /* it may have come before we listened */
}
