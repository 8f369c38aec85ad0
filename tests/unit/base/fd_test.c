/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "scratch.h"

static void make_pipe(int *r, int *w)
{
    int ends[2];

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    *r = ends[0];
    *w = ends[1];
}

static void make_pair(int pair[2])
{
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
}

TEST(read_all_takes_exactly_the_limit_and_refuses_one_more)
{
    cleanup_free char *buf = NULL;
    char data[5000];
    struct err err = ERR_INIT;
    size_t len = 0;

    memset(data, 'x', sizeof(data));
    for (size_t max = sizeof(data) - 1; max <= sizeof(data); max++) {
        int r, w;

        make_pipe(&r, &w);
        CHECK_OK(fd_write_all(w, data, sizeof(data), &err), err);
        close(w);
        if (max < sizeof(data))
            CHECK_ERR(fd_read_all(r, max, &buf, &len, &err), -EFBIG);
        else
            CHECK_OK(fd_read_all(r, max, &buf, &len, &err), err);
        close(r);
    }
    CHECK_INT_EQ(len, sizeof(data));
    CHECK_MEM_EQ(buf, data, len);
    CHECK_INT_EQ(buf[len], 0);
}

TEST(read_exact_reports_an_early_end)
{
    struct err err = ERR_INIT;
    char buf[8];
    int r, w;

    make_pipe(&r, &w);
    CHECK_OK(fd_write_all(w, "abcdef", 6, &err), err);
    close(w);
    CHECK_OK(fd_read_exact(r, buf, 4, &err), err);
    CHECK_MEM_EQ(buf, "abcd", 4);
    CHECK_ERR(fd_read_exact(r, buf, 4, &err), -EPIPE);
    CHECK_CONTAINS(err.msg, "2 bytes missing");
    CHECK_ERR(fd_read_exact(r, buf, 1, &err), -EPIPE);
    close(r);
    CHECK_ERR(fd_read_exact(-1, buf, 1, &err), -EBADF);
}

/* More than a pipe holds, both ends non-blocking: each side must wait for the other. */
TEST(big_transfer_over_nonblocking_pipe_arrives_whole)
{
    enum { SIZE = 1 << 20 };
    struct err err = ERR_INIT;
    cleanup_free char *out = xcalloc(SIZE, 1);
    cleanup_free char *in = xcalloc(SIZE, 1);
    int r, w;
    pid_t pid;

    for (size_t i = 0; i < SIZE; i++)
        out[i] = (char)(i * 7);
    make_pipe(&r, &w);
    CHECK_OK(fd_nonblock(r, 1, &err), err);
    CHECK_OK(fd_nonblock(w, 1, &err), err);
    pid = fork();
    if (pid == 0)
        _exit(fd_write_all(w, out, SIZE, NULL) == 0 ? 0 : 1);
    close(w);
    CHECK_OK(fd_read_exact(r, in, SIZE, &err), err);
    CHECK_MEM_EQ(in, out, SIZE);
    CHECK(waitpid(pid, NULL, 0) == pid);
    close(r);
}

TEST(nonblock_can_be_set_and_taken_back)
{
    struct err err = ERR_INIT;
    int r, w;

    make_pipe(&r, &w);
    CHECK_OK(fd_nonblock(r, 1, &err), err);
    CHECK(fcntl(r, F_GETFL) & O_NONBLOCK);
    CHECK_OK(fd_nonblock(r, 0, &err), err);
    CHECK(!(fcntl(r, F_GETFL) & O_NONBLOCK));
    CHECK_ERR(fd_nonblock(-1, 1, &err), -EBADF);
    close(r);
    close(w);
}

TEST(wait_tells_ready_from_timed_out_from_bad)
{
    int r, w;

    make_pipe(&r, &w);
    CHECK_INT_EQ(fd_wait(r, POLLIN, 0), 0);
    CHECK(write(w, "x", 1) == 1);
    CHECK_INT_EQ(fd_wait(r, POLLIN, -1), 1);
    close(r);
    close(w);
    CHECK_ERR(fd_wait(r, POLLIN, 0), -EBADF);
}

TEST(descriptors_travel_with_the_first_byte_and_arrive_cloexec)
{
    struct err err = ERR_INIT;
    int pair[2], r, w, got[4] = {-1, -1, -1, -1};
    size_t n = 4;
    char buf[16];

    make_pair(pair);
    make_pipe(&r, &w);
    CHECK_OK(fd_send(pair[0], "hello", 5, (int[]){r, w}, 2, &err), err);
    CHECK_INT_EQ(fd_recv(pair[1], buf, sizeof(buf), got, &n, &err), 5);
    CHECK_INT_EQ(n, 2);
    CHECK(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
    CHECK(write(got[1], "y", 1) == 1 && read(r, buf, 1) == 1 && buf[0] == 'y');
    n = 4;
    CHECK_OK(fd_send(pair[0], "z", 1, NULL, 0, &err), err);
    CHECK_INT_EQ(fd_recv(pair[1], buf, sizeof(buf), got + 2, &n, &err), 1);
    CHECK_INT_EQ(n, 0);
    close(pair[0]);
    CHECK_INT_EQ(fd_recv(pair[1], buf, sizeof(buf), NULL, NULL, &err), 0);
    close(pair[1]);
    close(got[0]);
    close(got[1]);
    close(r);
    close(w);
}

TEST(surplus_descriptors_are_refused_and_closed)
{
    struct err err = ERR_INIT;
    int pair[2], r, w, got[1] = {-1};
    size_t n = 1;
    char byte;

    make_pair(pair);
    make_pipe(&r, &w);
    CHECK_OK(fd_send(pair[0], "x", 1, (int[]){w, w, w}, 3, &err), err);
    close(w);
    CHECK_ERR(fd_recv(pair[1], &byte, 1, got, &n, &err), -EMFILE);
    CHECK_INT_EQ(n, 1);
    CHECK_INT_EQ(read(r, &byte, 1), 0); /* EOF: no writer is left anywhere */
    close(r);
    close(pair[0]);
    close(pair[1]);
}

TEST(the_most_descriptors_the_kernel_takes_go_through)
{
    struct err err = ERR_INIT;
    int pair[2], many[FD_PASS_MAX + 1], got[FD_PASS_MAX];
    size_t n = FD_PASS_MAX;
    char byte;

    make_pair(pair);
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = pair[0];
    CHECK_ERR(fd_send(pair[0], "x", 1, many, FD_PASS_MAX + 1, &err), -EINVAL);
    CHECK_ERR(fd_send(pair[0], "", 0, many, 1, &err), -EINVAL);
    CHECK_OK(fd_send(pair[0], "x", 1, many, FD_PASS_MAX, &err), err);
    CHECK_INT_EQ(fd_recv(pair[1], &byte, 1, got, &n, &err), 1);
    CHECK_INT_EQ(n, FD_PASS_MAX);
    for (size_t i = 0; i < n; i++)
        close(got[i]);
    close(pair[0]);
    close(pair[1]);
}

TEST(receive_on_a_nonblocking_socket_says_again)
{
    struct err err = ERR_INIT;
    int pair[2];
    char byte;

    make_pair(pair);
    CHECK_OK(fd_nonblock(pair[1], 1, &err), err);
    CHECK_ERR(fd_recv(pair[1], &byte, 1, NULL, NULL, &err), -EAGAIN);
    CHECK_STR_EQ(err.msg, "");
    close(pair[0]);
    CHECK_ERR(fd_send(pair[1], "x", 1, NULL, 0, &err), -EPIPE); /* and no SIGPIPE */
    close(pair[1]);
}

static void check_listen_and_connect(const char *path)
{
    struct err err = ERR_INIT;
    struct stat st;
    int listener, client, server;

    listener = fd_unix_listen(path, &err);
    CHECK_OK(listener, err);
    CHECK(stat(path, &st) == 0);
    CHECK_INT_EQ(st.st_mode & 0777, 0600);
    CHECK(fcntl(listener, F_GETFD) & FD_CLOEXEC);
    client = fd_unix_connect(path, &err);
    CHECK_OK(client, err);
    CHECK(fcntl(client, F_GETFD) & FD_CLOEXEC);
    server = accept(listener, NULL, NULL);
    CHECK(server >= 0);
    close(server);
    close(client);
    CHECK_ERR(fd_unix_listen(path, &err), -EADDRINUSE);
    close(listener);
    CHECK_ERR(fd_unix_connect(path, &err), -ECONNREFUSED);
}

TEST(unix_socket_by_short_and_by_long_path)
{
    struct scratch s = scratch_make();
    struct err err = ERR_INIT;
    cleanup_free char *brief = path_join(s.path, "sock");
    cleanup_free char *dir = xasprintf("%s/%0100d/%0100d", s.path, 1, 2);
    cleanup_free char *deep = path_join(dir, "sock");
    cleanup_free char *name = xasprintf("%s/%0120d", dir, 3);

    check_listen_and_connect(brief);
    CHECK_OK(path_mkdirs(dir, 0755, &err), err);
    check_listen_and_connect(deep);
    CHECK_ERR(fd_unix_listen(name, &err), -ENAMETOOLONG);
    CHECK_ERR(fd_unix_connect("", &err), -EINVAL);
    CHECK_ERR(fd_unix_connect("/nonexistent/x", &err), -ENOENT);
    scratch_done(&s);
}

TEST(reserved_descriptors_can_be_used_once_they_are_released)
{
    struct fd_reserve reserve = {.n = 0}, more;
    struct err err = ERR_INIT;
    struct rlimit old, low;

    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    CHECK_OK(fd_reserve(&reserve, &err), err);
    CHECK(fcntl(reserve.fds[0], F_GETFD) & FD_CLOEXEC);
    low = (struct rlimit){(rlim_t)reserve.fds[FD_RESERVE - 1] + 1, old.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    CHECK_ERR(fd_reserve(&more, &err), -EMFILE);
    fd_release(&reserve);
    fd_release(&reserve);
    CHECK_OK(fd_reserve(&more, &err), err);
    fd_release(&more);
    CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
}
