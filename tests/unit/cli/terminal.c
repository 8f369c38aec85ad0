/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "cli/attach/terminal.h"

static struct err err;

TEST(a_detached_terminal_needs_a_console_socket_and_only_that)
{
    CHECK_OK(terminal_check(true, true, "/s", &err), err);
    CHECK_OK(terminal_check(true, false, NULL, &err), err);
    CHECK_OK(terminal_check(false, true, NULL, &err), err);
    CHECK_ERR(terminal_check(true, true, NULL, &err), -EINVAL);
    CHECK_STR_EQ(err.msg, "cannot allocate tty if runc will detach without setting console socket");
    CHECK_ERR(terminal_check(false, true, "/s", &err), -EINVAL);
    CHECK_ERR(terminal_check(true, false, "/s", &err), -EINVAL);
}

/* The guest has the line discipline: a second one on the host would echo and translate twice. */
TEST(the_slave_is_raw_and_has_the_size_asked_for)
{
    struct terminal t = TERMINAL_INIT;
    struct termios mode;
    struct winsize size;

    if (access("/dev/ptmx", R_OK | W_OK) < 0)
        TEST_SKIP("no /dev/ptmx here");
    CHECK_OK(terminal_open(24, 80, &t, &err), err);
    CHECK(tcgetattr(t.slave, &mode) == 0);
    CHECK(!(mode.c_lflag & (ECHO | ICANON | ISIG)));
    CHECK(!(mode.c_oflag & OPOST));
    CHECK(ioctl(t.slave, TIOCGWINSZ, &size) == 0);
    CHECK_INT_EQ(size.ws_row, 24);
    CHECK_INT_EQ(size.ws_col, 80);
    CHECK(fcntl(t.master, F_GETFD) & FD_CLOEXEC);
    terminal_close(&t);
}

TEST(the_console_socket_gets_the_master_and_its_name)
{
    char dir[] = "/tmp/anyvisor-console-XXXXXX", name[64] = "";
    cleanup_free char *path = NULL;
    cleanup_fd int listener = -1, conn = -1, master = -1;
    struct terminal t = TERMINAL_INIT;
    size_t n = 1;
    char c = 0;

    if (access("/dev/ptmx", R_OK | W_OK) < 0)
        TEST_SKIP("no /dev/ptmx here");
    CHECK(mkdtemp(dir) != NULL);
    path = path_join(dir, "sock");
    CHECK_OK(listener = fd_unix_listen(path, &err), err);
    CHECK_OK(terminal_open(0, 0, &t, &err), err);
    CHECK_OK(terminal_send(path, &t, &err), err);
    CHECK((conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0);
    CHECK(fd_recv(conn, name, sizeof(name) - 1, &master, &n, &err) > 0);
    CHECK_INT_EQ(n, 1);
    CHECK_CONTAINS(name, "/dev/pts/");
    CHECK(write(t.slave, "x", 1) == 1);
    CHECK(read(master, &c, 1) == 1);
    CHECK_INT_EQ(c, 'x');
    terminal_close(&t);
    (void)path_remove_tree(AT_FDCWD, dir, NULL);
}
