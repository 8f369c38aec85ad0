/* SPDX-License-Identifier: Apache-2.0 */
/* Which connection becomes the agent's channel. The listener here is a unix socket, whose peers
 * have no address: they are the guest of address 0. */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "kvm/vsock.h"

#define GUEST 0u
#define STRANGER 4711u
#define SOON_MS 50

struct listener {
    int fd;
    struct sockaddr_un at;
    socklen_t len;
};

static void start_listener(struct listener *l)
{
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    l->at = (struct sockaddr_un){.sun_family = AF_UNIX};
    l->len = sizeof(sa_family_t); /* the kernel picks an abstract name */
    CHECK(bind(l->fd, (struct sockaddr *)&l->at, l->len) == 0 && listen(l->fd, 4) == 0);
    l->len = sizeof(l->at);
    CHECK(getsockname(l->fd, (struct sockaddr *)&l->at, &l->len) == 0);
}

static int connect_to(const struct listener *l)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(connect(fd, (const struct sockaddr *)&l->at, l->len) == 0);
    return fd;
}

static int wait_for(const struct listener *l, uint32_t cid, int alive_fd, int *ret_fd,
                    struct hvp_error *err)
{
    struct deadline d = deadline_start(NULL, SOON_MS);

    return vsock_accept(l->fd, cid, alive_fd, &d, ret_fd, err);
}

TEST(the_newest_living_connection_is_the_channel)
{
    struct hvp_error err = {0};
    struct listener l;
    int first, second, third, fd = -1;
    char c = 0;

    start_listener(&l);
    first = connect_to(&l);
    second = connect_to(&l);
    third = connect_to(&l);
    close(third);
    CHECK_OK(wait_for(&l, GUEST, -1, &fd, &err), err);
    CHECK_INT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_INT_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    CHECK_INT_EQ(write(second, "2", 1), 1);
    CHECK_INT_EQ(read(fd, &c, 1), 1);
    CHECK_INT_EQ(c, '2');
    CHECK_INT_EQ(read(first, &c, 1), 0); /* an older one is closed */
    close(fd);
    close(first);
    close(second);
    close(l.fd);
}

TEST(another_guest_is_not_let_in)
{
    struct hvp_error err = {0};
    struct listener l;
    int fd = -1, other;
    char c;

    start_listener(&l);
    other = connect_to(&l);
    CHECK_INT_EQ(wait_for(&l, STRANGER, -1, &fd, &err), -ETIMEDOUT);
    CHECK_CONTAINS(err.msg, "vsock port 4711");
    CHECK_INT_EQ(fd, -1);
    CHECK_INT_EQ(read(other, &c, 1), 0);
    close(other);
    close(l.fd);
}

TEST(nobody_waits_for_a_guest_that_has_ended)
{
    struct hvp_error err = {0};
    struct listener l;
    int fd = -1, ended[2];

    start_listener(&l);
    CHECK_INT_EQ(pipe2(ended, O_CLOEXEC), 0);
    close(ended[1]);
    CHECK_INT_EQ(wait_for(&l, GUEST, ended[0], &fd, &err), -EPIPE);
    CHECK_INT_EQ(fd, -1);
    close(ended[0]);
    close(l.fd);
}
