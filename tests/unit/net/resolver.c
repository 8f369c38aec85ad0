/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include "base/cleanup.h"
#include "base/fd.h"

TEST(the_first_name_server_on_a_loopback_is_found)
{
    static const struct {
        const char *text;
        uint32_t address; /* 0 = none */
    } t[] = {
        {"nameserver 127.0.0.11\noptions ndots:0\n", 0x7f00000b},
        {"# nameserver 127.0.0.1\nsearch a\nnameserver\t 127.0.0.53", 0x7f000035},
        {"nameserver 10.0.0.1\nnameserver 127.0.0.11 \n", 0x7f00000b},
        {"nameserver 10.0.0.1\n", 0},
        {"nameserver ::1\n", 0},
        {"nameserver 127.0.0.11.5\nnameserver 127.1\nnameserver\nnameserver", 0},
        {"nameservers 127.0.0.11\n", 0},
        {"nameserver 127.0.0.11127.0.0.11127.0.0.11\n", 0},
        {"", 0},
    };

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        uint32_t address = 0;

        CHECK_INT_EQ(net_resolver_find(t[i].text, &address) ? address : 0, t[i].address);
    }
}

/* A server on the loopback of the namespace, which nobody outside it reaches. */
static int serve(uint32_t address)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(address)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    return fd;
}

TEST(the_socket_reaches_the_server_of_the_namespace)
{
    cleanup_call(net_ns_close) struct net_ns ns = NET_NS_INIT;
    cleanup_fd int server = -1, fd = -1;
    struct err err = ERR_INIT;
    char got[8] = "";

    rig_begin(&ns);
    server = serve(0x7f00000b);
    CHECK_OK(net_resolver_open(&ns, 0x7f00000b, &fd, &err), err);
    CHECK_INT_EQ(send(fd, "who", 3, 0), 3);
    CHECK_INT_EQ(fd_wait(server, POLLIN, 5000), 1);
    CHECK_INT_EQ(recv(server, got, sizeof(got), 0), 3);
    CHECK_STR_EQ(got, "who");
}
