/* SPDX-License-Identifier: Apache-2.0 */
#include "vsock.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/vm_sockets.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include "common/util.h"

#define CID_FIRST 1024u /* 0 to 2 have a meaning; ports below 1024 are for the privileged */
#define CID_LAST 0xfffffffeu
#define TRIES 64
#define BACKLOG 4

static uint32_t random_cid(void)
{
    uint32_t n = 0;

    if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != sizeof(n))
        n = (uint32_t)getpid();
    return CID_FIRST + n % (CID_LAST - CID_FIRST);
}

int vsock_claim(uint32_t wanted, uint32_t *ret_cid, int *ret_fd, struct hvp_error *err)
{
    cleanup_close int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return hvp_fail(err, errno, "open '/dev/vhost-vsock': %m");
    for (int i = 0; i < TRIES; i++) {
        uint64_t cid = wanted ? wanted : random_cid();

        if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid) == 0) {
            *ret_cid = (uint32_t)cid;
            *ret_fd = steal_fd(&fd);
            return 0;
        }
        if (wanted || errno != EADDRINUSE)
            return hvp_fail(err, errno, "claim vsock address %u: %m", (unsigned)cid);
    }
    return hvp_fail(err, EADDRINUSE, "no free vsock address found in %d tries", TRIES);
}

static int listen_on(uint32_t port, int *ret_fd)
{
    struct sockaddr_vm at = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
    cleanup_close int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    *ret_fd = steal_fd(&fd);
    return 0;
}

/* No two guests have one address, so no two of our ports are the same; a stranger's may be. */
int vsock_listen(uint32_t *ret_cid, int *ret_fd, int *ret_listen_fd, struct hvp_error *err)
{
    for (int i = 0; i < TRIES; i++) {
        cleanup_close int fd = -1;
        uint32_t cid;
        int r;

        if (vsock_claim(0, &cid, &fd, err) < 0)
            return err->code;
        r = listen_on(cid, ret_listen_fd);
        if (r == 0) {
            *ret_cid = cid;
            *ret_fd = steal_fd(&fd);
            return 0;
        }
        if (r != -EADDRINUSE)
            return hvp_fail(err, -r, "listen on vsock port %u: %s", cid, strerror(-r));
    }
    return hvp_fail(err, EADDRINUSE, "no free vsock port found in %d tries", TRIES);
}

static bool has_ended(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) != 0;
}

/* An agent that gave up waiting for us has connected again: the last one is it.  -1 = none. */
static int take_newest(int listen_fd, uint32_t cid)
{
    int newest = -1;

    for (;;) {
        struct sockaddr_vm from = {0};
        socklen_t len = sizeof(from);
        cleanup_close int fd = accept4(listen_fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);

        if (fd < 0 && errno != ECONNABORTED && errno != EINTR)
            return newest;
        if (fd < 0 || from.svm_cid != cid || has_ended(fd))
            continue;
        if (newest >= 0)
            close(newest);
        newest = steal_fd(&fd);
    }
}

int vsock_accept(int listen_fd, uint32_t cid, int alive_fd, const struct deadline *d, int *ret_fd,
                 struct hvp_error *err)
{
    int fd;

    while ((fd = take_newest(listen_fd, cid)) < 0) {
        struct pollfd p[] = {{.fd = listen_fd, .events = POLLIN},
                             {.fd = alive_fd, .events = POLLIN}};
        int r = deadline_poll(d, p, ARRAY_SIZE(p));

        if (r < 0)
            return hvp_fail(err, -r, "wait for the guest to connect to vsock port %u: %s", cid,
                            strerror(-r));
        if (p[1].revents)
            return hvp_fail(err, EPIPE, "the guest has ended before it connected over vsock");
    }
    *ret_fd = fd;
    return 0;
}
