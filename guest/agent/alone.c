/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine that has no interface but lo: looked at when it boots, with a socket that hears of any
 * that comes. As long as it has heard nothing, a first container without a network has nothing to
 * be hidden from it, and a clone of a template needs no netlink for this: a thirtieth of its start.
 */
#include "agent/agent.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>

#include "agent/network/links.h"
#include "base/cleanup.h"

static bool has_only_lo(void)
{
    cleanup_free struct links *all = calloc(1, sizeof(*all));
    struct netlink nl = {.fd = -1};
    bool only = all && netlink_open(&nl, NULL) == 0 && links_list(&nl, all, NULL) == 0 &&
                all->n == 1 && all->v[0].flags & IFF_LOOPBACK;

    close_fd(&nl.fd);
    return only;
}

/* Listens before it looks: what comes in between is heard. */
void alone_watch(struct agent *a)
{
    struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    cleanup_fd int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&to, sizeof(to)) == 0 && has_only_lo())
        a->alone_fd = steal_fd(&fd);
}

/* Answers once: then a process runs that may change what there is without a NIC. */
bool alone_still(struct agent *a)
{
    cleanup_fd int fd = steal_fd(&a->alone_fd);
    char byte;

    return fd >= 0 && recv(fd, &byte, 1, 0) < 0 && errno == EAGAIN;
}
