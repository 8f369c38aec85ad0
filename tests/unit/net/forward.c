/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"

#define PORT 8080

/* A connected socket, or -errno. */
static int client_of(const char *address)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    cleanup_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && inet_pton(AF_INET, address, &to.sin_addr) == 1);
    return connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : steal_fd(&fd);
}

static int accepted(int listener)
{
    CHECK_INT_EQ(fd_wait(listener, POLLIN, 5000), 1);
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

/* Of a namespace that has an interface and nothing that listens. */
static void begin(struct net_ns *ns, int fds[2])
{
    struct err err = ERR_INIT;

    rig_begin(ns);
    if (net_forward_open(ns, fds, &err) < 0)
        TEST_SKIP("%s", err.msg);
}

TEST(who_connects_to_any_port_of_the_loopback_comes_to_the_socket)
{
    struct net_ns ns;
    struct sockaddr_in asked;
    socklen_t len = sizeof(asked);
    int fds[2];

    begin(&ns, fds);
    cleanup_fd int client = client_of("127.0.0.1"), server = accepted(fds[0]);

    CHECK(client >= 0 && server >= 0);
    CHECK_INT_EQ(getsockname(server, (struct sockaddr *)&asked, &len), 0);
    CHECK_INT_EQ(ntohs(asked.sin_port), PORT);
    CHECK_INT_EQ(client_of("127.0.0.11"), -ECONNREFUSED);
    close(fds[0]);
    close(fds[1]);
    rig_end(&ns);
}

TEST(without_the_link_nobody_comes)
{
    struct net_ns ns;
    int fds[2];

    begin(&ns, fds);
    close(fds[1]);
    CHECK_INT_EQ(client_of("127.0.0.1"), -ECONNREFUSED);
    close(fds[0]);
    rig_end(&ns);
}

TEST(without_the_socket_a_connection_is_refused)
{
    struct net_ns ns;
    int fds[2];

    begin(&ns, fds);
    close(fds[0]);
    CHECK_INT_EQ(client_of("127.0.0.1"), -ECONNREFUSED);
    close(fds[1]);
    rig_end(&ns);
}
