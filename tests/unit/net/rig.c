/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"

#define PROTOCOL 0x88b5 /* for experiments */

int rig_try(const char *command)
{
    const char *const argv[] = {"sh", "-c", command, NULL};
    const struct proc_fd_map fds[] = {{1, 1}, {2, 2}};
    const struct proc_spawn how = {
        .path = "/bin/sh", .argv = argv, .fds = fds, .n_fds = 2, .null_stdio = 1};
    cleanup_fd int pidfd = -1;
    struct err err = ERR_INIT;
    pid_t pid;
    int status;

    CHECK_OK(proc_spawn(&how, &pid, &pidfd, &err), err);
    CHECK_OK(proc_reap(pidfd, &status, &err), err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

void rig_run(const char *command)
{
    int r = rig_try(command);

    if (r != 0)
        TEST_FAIL("'%s' has ended with status %d", command, r);
}

void rig_begin(struct net_ns *ret)
{
    struct err err = ERR_INIT;

    if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
        TEST_SKIP("network namespaces need root");
    if (rig_try("ip -V >/dev/null") != 0)
        TEST_SKIP("no ip (package iproute2)");
    rig_run("ip link set lo up && ip link add eth0 address 0a:00:00:00:00:01 type veth peer name "
            "peer && ip link set peer up && ip link set eth0 up");
    *ret = (struct net_ns)NET_NS_INIT;
    CHECK_OK(net_ns_open(OWN_NS, ret, &err), err);
}

void rig_end(struct net_ns *ns)
{
    net_ns_close(ns);
}

void rig_scan(struct net_ns *ns, struct net_scan *ret)
{
    struct err err = ERR_INIT;

    CHECK_OK(net_scan(ns, ret, &err), err);
}

const struct net_nic *rig_nic(const struct net_scan *s, const char *name)
{
    for (size_t i = 0; i < s->network.n_nics; i++)
        if (strcmp(s->network.nics[i].name, name) == 0)
            return &s->network.nics[i];
    return NULL;
}

int rig_packet_socket(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(PROTOCOL),
                             .sll_ifindex = (int)if_nametoindex(name)};
    int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(PROTOCOL));

    CHECK(s >= 0 && bind(s, (struct sockaddr *)&at, sizeof(at)) == 0);
    return s;
}

void rig_make_frame(struct rig_frame *f, uint8_t mark)
{
    const uint16_t protocol = htons(PROTOCOL);

    memset(f, 0, sizeof(*f));
    memset(f->bytes, 0xff, 6);
    f->bytes[11] = 1;
    memcpy(f->bytes + 12, &protocol, 2);
    f->bytes[14] = mark;
}

int rig_read(int fd, size_t head)
{
    uint8_t buf[2048];
    ssize_t n = read(fd, buf, sizeof(buf));
    bool ours = n >= (ssize_t)head + RIG_FRAME_LEN && buf[head + 12] == PROTOCOL >> 8 &&
                buf[head + 13] == (PROTOCOL & 0xff);

    return ours ? buf[head + 14] : -1;
}

int rig_receive(int fd, size_t head)
{
    int mark = -1;

    while (mark < 0 && fd_wait(fd, POLLIN, 5000) > 0)
        mark = rig_read(fd, head);
    return mark;
}
