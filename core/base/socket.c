/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of fd.h: unix sockets by path, descriptors that travel over them. */
#include "base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/str.h"

#define BACKLOG 128

union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(FD_PASS_MAX * sizeof(int))];
};

static ssize_t send_once(int sock, const void *buf, size_t len, const int *fds, size_t n)
{
    struct iovec iov = {.iov_base = (void *)buf, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union control control = {0};
    ssize_t r;

    if (n > 0) {
        struct cmsghdr *c;

        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
        c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    }
    do
        r = sendmsg(sock, &msg, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return r;
}

int fd_send(int sock, const void *buf, size_t len, const int *fds, size_t n, struct err *err)
{
    const char *p = buf;

    if (n > FD_PASS_MAX || (n > 0 && len == 0))
        return err_set(err, EINVAL, "cannot send %zu descriptors with %zu bytes", n, len);
    while (len > 0) {
        ssize_t sent = send_once(sock, p, len, fds, n);

        if (sent < 0 && errno == EAGAIN && fd_wait(sock, POLLOUT, -1) >= 0)
            continue;
        if (sent < 0)
            return err_set(err, errno, "send: %m");
        p += sent;
        len -= (size_t)sent;
        n = 0; /* they went with the first byte */
    }
    return 0;
}

/* Hand over at most room descriptors, close the rest; returns how many came. */
static size_t take_fds(struct msghdr *msg, int *fds, size_t room)
{
    size_t came = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++, came++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (came < room)
                fds[came] = fd;
            else
                close(fd);
        }
    }
    return came;
}

ssize_t fd_recv(int sock, void *buf, size_t len, int *fds, size_t *n_fds, struct err *err)
{
    union control control;
    struct iovec iov = {.iov_base = buf, .iov_len = len};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    size_t room = n_fds ? *n_fds : 0, came;
    ssize_t n;

    do
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return -EAGAIN;
    if (n < 0)
        return err_set(err, errno, "receive: %m");
    came = take_fds(&msg, fds, room);
    if (came > room || (msg.msg_flags & MSG_CTRUNC)) {
        for (size_t i = 0; i < MIN(came, room); i++)
            close(fds[i]);
        return err_set(err, EMFILE, "received more than %zu descriptors with one message", room);
    }
    if (n_fds)
        *n_fds = came;
    return n;
}

/* *ret_dir: kept open while the address is in use, -1 when the path fits as it is. */
static int unix_address(const char *path, struct sockaddr_un *ret, int *ret_dir, struct err *err)
{
    cleanup_free char *dir = NULL;
    const char *slash = strrchr(path, '/');
    int fd, n;

    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    *ret_dir = -1;
    if (!*path)
        return err_set(err, EINVAL, "the path of a socket is empty");
    if (strlen(path) < sizeof(ret->sun_path)) {
        memcpy(ret->sun_path, path, strlen(path) + 1);
        return 0;
    }
    dir = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
    fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, errno, "open '%s': %m", dir);
    n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", fd,
                 slash ? slash + 1 : path);
    if (n < 0 || (size_t)n >= sizeof(ret->sun_path)) {
        close(fd);
        return err_set(err, ENAMETOOLONG, "the file name of the socket '%s' is too long", path);
    }
    *ret_dir = fd;
    return 0;
}

int fd_unix_listen(const char *path, struct err *err)
{
    struct sockaddr_un addr;
    cleanup_fd int dir = -1;
    cleanup_fd int sock = -1;
    int r;

    if ((r = unix_address(path, &addr, &dir, err)) < 0)
        return r;
    sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0)
        return err_set(err, errno, "socket: %m");
    /* Linux gives the file the mode of the socket inode: no moment in which it is open to others.
     */
    if (fchmod(sock, 0600) < 0)
        return err_set(err, errno, "set the mode of a socket: %m");
    if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return err_set(err, errno, "bind a socket to '%s': %m", path);
    if (listen(sock, BACKLOG) < 0)
        return err_set(err, errno, "listen on '%s': %m", path);
    return steal_fd(&sock);
}

int fd_unix_connect(const char *path, struct err *err)
{
    struct sockaddr_un addr;
    cleanup_fd int dir = -1;
    cleanup_fd int sock = -1;
    int r;

    if ((r = unix_address(path, &addr, &dir, err)) < 0)
        return r;
    sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (sock < 0)
        return err_set(err, errno, "socket: %m");
    do
        r = connect(sock, (struct sockaddr *)&addr, sizeof(addr));
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return err_set(err, errno, "connect to '%s': %m", path);
    return steal_fd(&sock);
}
