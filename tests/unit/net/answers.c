/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"

#define NAMES 53
#define OTHER 5353
#define OURS 7777 /* of a socket that is not connected */
#define WAIT_MS 5000
#define QUESTION "who"
#define ANSWER "he"

/* A namespace that is carried into a VM, whose end is the tap, and the server's behind its eth0. */
struct scene {
    struct net_ns ns, world;
    int tap;
};

static void go_to(const struct net_ns *ns)
{
    CHECK_INT_EQ(setns(ns->fd, CLONE_NEWNET), 0);
}

/* The neighbours that the world knows are what the guest would have answered. */
static void address_both(struct scene *s)
{
    char command[128];

    rig_run("ip addr add 10.9.0.2/24 dev eth0 && ip addr add fd09::2/64 dev eth0 nodad");
    snprintf(command, sizeof(command), "ip link set peer netns /proc/%d/fd/%d", (int)getpid(),
             s->world.fd);
    rig_run(command);
    go_to(&s->world);
    rig_run("ip link set peer up && ip addr add 10.9.0.1/24 dev peer && "
            "ip addr add fd09::1/64 dev peer nodad && "
            "ip neigh add 10.9.0.2 lladdr 0a:00:00:00:00:01 dev peer nud permanent && "
            "ip neigh add fd09::2 lladdr 0a:00:00:00:00:01 dev peer nud permanent");
    go_to(&s->ns);
}

static void begin(struct scene *s)
{
    struct err err = ERR_INIT;
    struct net_scan scan;

    rig_begin(&s->world);
    rig_run("ip link del eth0");
    rig_begin(&s->ns);
    address_both(s);
    CHECK_OK(net_tap_make(&s->ns, 0, 1, &s->tap, &err), err);
    rig_scan(&s->ns, &scan);
    CHECK_OK(net_connect(&s->ns, net_scan_find(&scan, "eth0"), net_scan_free_tap(&scan), &err),
             err);
    net_scan_done(&scan);
    if (net_let_answers_in(&s->ns, &err) < 0)
        TEST_SKIP("%s", err.msg);
}

static void end(struct scene *s)
{
    close_fd(&s->tap);
    rig_end(&s->ns);
    rig_end(&s->world);
}

static struct sockaddr_storage address(const char *ip, uint16_t port)
{
    struct sockaddr_storage a = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a;

    if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(port);
    } else {
        CHECK_INT_EQ(inet_pton(AF_INET6, ip, &v6->sin6_addr), 1);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(port);
    }
    return a;
}

/* Of the namespace, at the address, or of the world: there the test is not for longer than this. */
static int socket_at(const struct net_ns *where, int type, const char *ip, uint16_t port)
{
    struct sockaddr_storage at = address(ip, port);
    int fd;

    go_to(where);
    fd = socket(at.ss_family, type | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    return fd;
}

static void connect_to(int fd, const char *ip, uint16_t port)
{
    struct sockaddr_storage to = address(ip, port);
    const struct timeval limit = {WAIT_MS / 1000, 0};

    CHECK_INT_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)), 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        TEST_FAIL("connect to %s: %s", ip, strerror(errno));
}

static void ask_by_datagram(struct scene *s, const char *ours, const char *server)
{
    cleanup_fd int at = socket_at(&s->world, SOCK_DGRAM, server, NAMES);
    cleanup_fd int fd = socket_at(&s->ns, SOCK_DGRAM, ours, 0);
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    char got[8] = "";

    connect_to(fd, server, NAMES);
    CHECK_INT_EQ(send(fd, QUESTION, sizeof(QUESTION), 0), sizeof(QUESTION));
    CHECK_INT_EQ(fd_wait(at, POLLIN, WAIT_MS), 1);
    CHECK_INT_EQ(recvfrom(at, got, sizeof(got), 0, (struct sockaddr *)&from, &len),
                 sizeof(QUESTION));
    CHECK_INT_EQ(sendto(at, ANSWER, sizeof(ANSWER), 0, (struct sockaddr *)&from, len),
                 sizeof(ANSWER));
    CHECK_INT_EQ(fd_wait(fd, POLLIN, WAIT_MS), 1);
    CHECK_INT_EQ(recv(fd, got, sizeof(got), 0), sizeof(ANSWER));
    CHECK_STR_EQ(got, ANSWER);
}

static void ask_by_stream(struct scene *s, const char *ours, const char *server)
{
    cleanup_fd int listener = socket_at(&s->world, SOCK_STREAM, server, NAMES);
    cleanup_fd int fd = -1, accepted = -1;
    char got[8] = "";

    CHECK_INT_EQ(listen(listener, 1), 0);
    fd = socket_at(&s->ns, SOCK_STREAM, ours, 0);
    connect_to(fd, server, NAMES);
    CHECK((accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0);
    CHECK_INT_EQ(send(accepted, ANSWER, sizeof(ANSWER), 0), sizeof(ANSWER));
    CHECK_INT_EQ(fd_wait(fd, POLLIN, WAIT_MS), 1);
    CHECK_INT_EQ(recv(fd, got, sizeof(got), 0), sizeof(ANSWER));
}

TEST(answers_of_name_servers_reach_who_asks_in_the_namespace)
{
    struct scene s;

    begin(&s);
    ask_by_datagram(&s, "10.9.0.2", "10.9.0.1");
    ask_by_datagram(&s, "fd09::2", "fd09::1");
    ask_by_stream(&s, "10.9.0.2", "10.9.0.1");
    ask_by_stream(&s, "fd09::2", "fd09::1");
    end(&s);
}

/* Whether the guest gets a frame with these bytes at that place of it. */
static bool guest_gets(const struct scene *s, size_t at, const void *bytes, size_t n)
{
    uint8_t buf[2048];

    at += sizeof(struct virtio_net_hdr);
    while (fd_wait(s->tap, POLLIN, WAIT_MS) > 0) {
        ssize_t len = read(s->tap, buf, sizeof(buf));

        if (len >= (ssize_t)(at + n) && memcmp(buf + at, bytes, n) == 0)
            return true;
    }
    return false;
}

/* The world sends to the socket of the namespace, and it is the guest that gets it. */
static void check_is_the_guests(const struct scene *s, int fd, uint16_t from, uint16_t to)
{
    const size_t payload = ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr);
    cleanup_fd int server = socket_at(&s->world, SOCK_DGRAM, "10.9.0.1", from);
    struct sockaddr_storage a = address("10.9.0.2", to);
    char got[8];

    CHECK_INT_EQ(sendto(server, ANSWER, sizeof(ANSWER), 0, (struct sockaddr *)&a, sizeof(a)),
                 sizeof(ANSWER));
    CHECK(guest_gets(s, payload, ANSWER, sizeof(ANSWER)));
    CHECK_INT_EQ(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1);
    go_to(&s->ns);
}

TEST(all_else_is_the_guests)
{
    struct scene s;

    begin(&s);
    cleanup_fd int listening = socket_at(&s.ns, SOCK_DGRAM, "10.9.0.2", OURS);
    cleanup_fd int connected = socket_at(&s.ns, SOCK_DGRAM, "10.9.0.2", OURS + 1);

    check_is_the_guests(&s, listening, NAMES, OURS);
    connect_to(connected, "10.9.0.1", OTHER);
    check_is_the_guests(&s, connected, OTHER, OURS + 1);
    check_is_the_guests(&s, connected, NAMES, OURS + 2);
    end(&s);
}

TEST(neighbours_answer_both)
{
    const uint16_t reply[] = {htons(ETH_P_ARP), htons(ARPHRD_ETHER), htons(ETH_P_IP),
                              htons(ETH_ALEN << 8 | 4), htons(ARPOP_REPLY)};
    struct scene s;

    begin(&s);
    ask_by_datagram(&s, "10.9.0.2", "10.9.0.1");
    CHECK(guest_gets(&s, 2 * ETH_ALEN, reply, sizeof(reply)));
    end(&s);
}

TEST(the_filter_goes_with_the_redirect)
{
    struct scene s;
    struct net_scan scan;
    struct err err = ERR_INIT;

    begin(&s);
    CHECK_OK(net_let_answers_in(&s.ns, &err), err); /* as with each 'anyvisor network' */
    CHECK_INT_EQ(rig_try("tc filter show dev eth0 ingress | grep -q 'pref 166 bpf.*anyvisor'"), 0);
    close_fd(&s.tap);
    rig_scan(&s.ns, &scan);
    CHECK_OK(net_disconnect(&s.ns, &scan, "", &err), err);
    CHECK_INT_EQ(rig_try("tc qdisc show dev eth0 | grep -q ingress"), 1);
    net_scan_done(&scan);
    end(&s);
}
