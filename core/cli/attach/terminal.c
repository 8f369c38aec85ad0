/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/attach/terminal.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include "base/cleanup.h"
#include "base/fd.h"

void terminal_close(struct terminal *t)
{
    close_fd(&t->master);
    close_fd(&t->slave);
}

static int set_up(struct terminal *t, uint32_t rows, uint32_t cols, struct err *err)
{
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};
    struct termios mode;

    if (tcgetattr(t->slave, &mode) < 0)
        return err_set(err, errno, "tcgetattr of a new terminal: %m");
    cfmakeraw(&mode);
    if (tcsetattr(t->slave, TCSANOW, &mode) < 0)
        return err_set(err, errno, "tcsetattr of a new terminal: %m");
    if (rows && cols && ioctl(t->master, TIOCSWINSZ, &size) < 0)
        return err_set(err, errno, "set the size of a new terminal: %m");
    return 0;
}

int terminal_open(uint32_t rows, uint32_t cols, struct terminal *ret, struct err *err)
{
    cleanup_call(terminal_close) struct terminal t = TERMINAL_INIT;
    int unlock = 0, r;

    t.master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (t.master < 0)
        return err_set(err, errno, "open /dev/ptmx: %m");
    if (ioctl(t.master, TIOCSPTLCK, &unlock) < 0)
        return err_set(err, errno, "unlock a new terminal: %m");
    t.slave = ioctl(t.master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (t.slave < 0)
        return err_set(err, errno, "open the slave of a new terminal: %m");
    if ((r = set_up(&t, rows, cols, err)) < 0)
        return r;
    *ret = t;
    t = (struct terminal)TERMINAL_INIT;
    return 0;
}

int terminal_send(const char *socket_path, const struct terminal *t, struct err *err)
{
    cleanup_fd int sock = fd_unix_connect(socket_path, err);
    char name[64];
    int number;

    if (sock < 0)
        return err_wrap(err, "console socket '%s'", socket_path);
    if (ioctl(t->master, TIOCGPTN, &number) < 0)
        return err_set(err, errno, "name of a new terminal: %m");
    snprintf(name, sizeof(name), "/dev/pts/%d", number);
    if (fd_send(sock, name, strlen(name), &t->master, 1, err) < 0)
        return err_wrap(err, "console socket '%s'", socket_path);
    return 0;
}

int terminal_check(bool terminal, bool detached, const char *console_socket, struct err *err)
{
    if (detached && terminal && !console_socket)
        return err_set(err, EINVAL,
                       "cannot allocate tty if runc will detach without setting console socket");
    if ((!detached || !terminal) && console_socket)
        return err_set(err, EINVAL,
                       "cannot use console socket if runc will not detach or allocate tty");
    return 0;
}
