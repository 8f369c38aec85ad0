/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/str.h"

int fd_wait(int fd, short events, int timeout_ms)
{
    struct pollfd p = {.fd = fd, .events = events};
    int r;

    do
        r = poll(&p, 1, timeout_ms);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    if (r > 0 && (p.revents & POLLNVAL))
        return -EBADF;
    return r > 0;
}

int fd_nonblock(int fd, int on, struct err *err)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0)
        return err_set(err, errno, "get the flags of fd %d: %m", fd);
    flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (fcntl(fd, F_SETFL, flags) < 0)
        return err_set(err, errno, "set the flags of fd %d: %m", fd);
    return 0;
}

/* EINTR and EAGAIN are waited for; everything else is the caller's. 1 = try again. */
static int again(int fd, short events)
{
    if (errno == EINTR)
        return 1;
    return (errno == EAGAIN || errno == EWOULDBLOCK) && fd_wait(fd, events, -1) >= 0;
}

int fd_read_all(int fd, size_t max, char **ret_buf, size_t *ret_len, struct err *err)
{
    cleanup_free char *buf = NULL;
    size_t len = 0, room = 0;
    ssize_t n;

    for (;;) {
        if (len + 1 >= room) {
            room = room ? room * 2 : 4096;
            buf = xreallocarray(buf, room, 1);
        }
        n = read(fd, buf + len, room - len - 1);
        if (n < 0 && again(fd, POLLIN))
            continue;
        if (n < 0)
            return err_set(err, errno, "read: %m");
        if (n == 0)
            break;
        len += (size_t)n;
        if (len > max)
            return err_set(err, EFBIG, "longer than %zu bytes", max);
    }
    buf[len] = '\0';
    *ret_buf = steal_ptr(&buf);
    if (ret_len)
        *ret_len = len;
    return 0;
}

int fd_write_all(int fd, const void *buf, size_t len, struct err *err)
{
    const char *p = buf;

    while (len > 0) {
        ssize_t n = write(fd, p, len);

        if (n < 0 && again(fd, POLLOUT))
            continue;
        if (n < 0)
            return err_set(err, errno, "write: %m");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int fd_read_exact(int fd, void *buf, size_t len, struct err *err)
{
    char *p = buf;

    while (len > 0) {
        ssize_t n = read(fd, p, len);

        if (n < 0 && again(fd, POLLIN))
            continue;
        if (n < 0)
            return err_set(err, errno, "read: %m");
        if (n == 0)
            return err_set(err, EPIPE, "the other side closed the connection, %zu bytes missing",
                           len);
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int fd_reserve(struct fd_reserve *ret, struct err *err)
{
    for (ret->n = 0; ret->n < FD_RESERVE; ret->n++) {
        ret->fds[ret->n] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (ret->fds[ret->n] < 0) {
            int code = errno;

            fd_release(ret);
            return err_set(err, code, "put %d descriptors aside: %m", FD_RESERVE);
        }
    }
    return 0;
}

void fd_release(struct fd_reserve *r)
{
    while (r->n > 0)
        close_fd(&r->fds[--r->n]);
}
