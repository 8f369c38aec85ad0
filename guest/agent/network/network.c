/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine's network, made like the namespace of the sandbox on the host. What the host sends is
 * the whole of it each time: an address that is not in it goes, and a NIC that is not in it is
 * taken from its driver, so that nobody sees it. A NIC that was plugged into the running machine
 * appears when the kernel has got round to it, and so does a carrier: the request waits for the
 * kernel's word, the loop does not.
 */
#include "agent/container/container.h"
#include "agent/network/network.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>

#include "agent/network/links.h"
#include "base/cleanup.h"
#include "base/macros.h"

#define APPEAR_S 20 /* emulated machines are slow */
#define CARRIER_S 5
#define VIRTIO "/sys/bus/virtio/"

/* A request that waits for NICs or carriers. */
struct network_wait {
    struct msg_network network;
    uint32_t id, seq;
};

/* /sys/class/net/NAME/device/driver/{bind,unbind}: a container sees neither device nor name. */
static void let_go(struct agent *a, const struct link *l)
{
    char path[96], device[128];
    const char *id;
    ssize_t n;

    snprintf(path, sizeof(path), "/sys/class/net/%s/device", l->name);
    n = readlink(path, device, sizeof(device) - 1);
    if (n < 0)
        return; /* lo, or made by a container */
    device[n] = '\0';
    id = strrchr(device, '/');
    snprintf(path, sizeof(path), "/sys/class/net/%s/device/driver/unbind", l->name);
    if (!id || cgroup_write(AT_FDCWD, path, id + 1) < 0)
        agent_log(a, "cannot hide the NIC '%s', ignoring", l->name);
}

/* Those that an earlier request let go may be wanted now. The other kinds of device refuse. */
static void take_back(void)
{
    cleanup_dir DIR *d = opendir(VIRTIO "devices");
    struct dirent *e;

    while (d && (e = readdir(d)))
        if (e->d_name[0] != '.')
            (void)cgroup_write(AT_FDCWD, VIRTIO "drivers/virtio_net/bind", e->d_name);
}

static const struct net_nic *missing_nic(struct links *all, const struct msg_network *n)
{
    for (size_t i = 0; i < n->n_nics; i++)
        if (!links_find_nic(all, &n->nics[i]))
            return &n->nics[i];
    return NULL;
}

static int apply(struct agent *a, struct netlink *nl, struct links *all,
                 const struct msg_network *n, struct err *err)
{
    int r;

    if ((r = nics_set(nl, all, n, err)) < 0 || (r = routes_set(nl, all, n, err)) < 0 ||
        (r = rules_set(nl, n, err)) < 0 || (r = neighbours_set(nl, all, n, err)) < 0)
        return r;
    for (size_t i = 0; a->at.machine && i < all->n; i++)
        if (!all->v[i].wanted)
            let_go(a, &all->v[i]);
    return 0;
}

static bool can_send(struct links *all, const struct msg_network *n)
{
    for (size_t i = 0; i < n->n_nics; i++) {
        const struct link *l = links_find_nic(all, &n->nics[i]);

        if (!l || !l->sends)
            return false;
    }
    return true;
}

/* 1: done; 0: something is not there (yet), which err names. */
static int step(struct agent *a, struct netlink *nl, struct links *all, const struct msg_network *n,
                struct err *err)
{
    const struct net_nic *missing;
    int r = links_list(nl, all, err);

    if (r < 0)
        return r;
    if (n->carriers)
        return can_send(all, n);
    if ((missing = missing_nic(all, n))) {
        err_set(err, ENODEV, "the VM has no NIC for network interface '%s'", missing->name);
        return 0;
    }
    r = apply(a, nl, all, n, err);
    return r < 0 ? r : 1;
}

static int try_it(struct agent *a, const struct msg_network *n, struct err *err)
{
    struct links *all = calloc(1, sizeof(*all));
    struct netlink nl = {.fd = -1};
    int r = all ? netlink_open(&nl, err) : err_set(err, ENOMEM, "no memory for the network");

    if (r == 0)
        r = step(a, &nl, all, n, err);
    close_fd(&nl.fd);
    free(all);
    return r;
}

static bool wants_nics(const struct msg_network *n)
{
    for (size_t i = 0; i < n->n_nics; i++)
        if (n->nics[i].device)
            return true;
    return false;
}

static void end_wait(struct agent *a, int r, const struct err *err)
{
    struct network_wait *w = steal_ptr(&a->network_wait);

    loop_close(a, &a->links);
    loop_close(a, &a->network_timer);
    channel_reply(a, w->id, w->seq, r, err);
    msg_network_done(&w->network);
    free(w);
}

static void on_links(struct agent *a, struct source *s, uint32_t events)
{
    struct err err = ERR_INIT;
    char buf[4096];
    int r;

    (void)events;
    while (recv(s->fd, buf, sizeof(buf), 0) > 0 || errno == ENOBUFS)
        errno = 0;
    r = try_it(a, &a->network_wait->network, &err);
    if (r != 0)
        end_wait(a, r < 0 ? r : 0, &err);
}

/* Without a carrier on the host there is none here: no reason to fail. */
static void on_time(struct agent *a, struct source *s, uint32_t events)
{
    const struct msg_network *n = &a->network_wait->network;
    struct err err = ERR_INIT;
    int r = try_it(a, n, &err);

    (void)s;
    (void)events;
    end_wait(a, r == 0 && !n->carriers ? -ENODEV : MIN(r, 0), &err);
}

static int listen_for_links(struct agent *a, int seconds, struct err *err)
{
    struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    struct itimerspec when = {.it_value.tv_sec = seconds};
    cleanup_fd int fd = -1;
    cleanup_fd int timer = -1;
    int r;

    fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0 || timer < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
        timerfd_settime(timer, 0, &when, NULL) < 0)
        return err_set(err, errno, "listen for new NICs: %m");
    if ((r = loop_watch(a, &a->links, fd, EPOLLIN, on_links, err)) < 0)
        return r;
    (void)steal_fd(&fd);
    if ((r = loop_watch(a, &a->network_timer, timer, EPOLLIN, on_time, err)) == 0)
        (void)steal_fd(&timer);
    else
        loop_close(a, &a->links);
    return r;
}

static bool is_nothing(const struct msg_network *n)
{
    return n->n_nics == 0 && n->n_routes == 0 && n->n_rules == 0 && n->n_neighbours == 0;
}

/* Takes the network over when it waits: then 0 and a reply later; 1: done. */
int network_set(struct agent *a, uint32_t id, uint32_t seq, struct msg_network *n, struct err *err)
{
    struct network_wait *w;
    int r;

    if (a->network_wait)
        return err_set(err, EBUSY, "the network is being changed already");
    if (is_nothing(n) && (n->carriers || alone_still(a)))
        return 1;
    if (a->at.machine && wants_nics(n) && modules_group(a, "net", err) < 0)
        agent_log(a, "module group 'net': %s, ignoring", err->msg);
    if ((r = try_it(a, n, err)) != 0)
        return r;
    if (a->at.machine && !n->carriers)
        take_back();
    if ((r = listen_for_links(a, n->carriers ? CARRIER_S : APPEAR_S, err)) < 0)
        return r;
    w = malloc(sizeof(*w));
    if (!w) {
        loop_close(a, &a->links);
        loop_close(a, &a->network_timer);
        return err_set(err, ENOMEM, "no memory for the network");
    }
    *w = (struct network_wait){*n, id, seq};
    *n = (struct msg_network){0};
    a->network_wait = w;
    r = try_it(a, &w->network, err); /* it may have come before we listened */
    if (r != 0)
        end_wait(a, r < 0 ? r : 0, err);
    return 0;
}
