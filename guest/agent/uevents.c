/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's word about devices that come and go. */
#include "agent/agent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include "base/cleanup.h"

int uevents_open(void)
{
    struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_groups = 1};
    cleanup_fd int fd =
        socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        return -errno;
    return steal_fd(&fd);
}
