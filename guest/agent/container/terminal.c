/* SPDX-License-Identifier: Apache-2.0 */
/* A pty of the container's own devpts as stdin, stdout, stderr and controlling terminal. */
#include "agent/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

int terminal_open(struct job *j, int root, struct err *err)
{
    struct winsize ws = {.ws_row = (unsigned short)j->p->rows,
                         .ws_col = (unsigned short)j->p->cols};
    cleanup_fd int master = inroot_open(root, "/dev/pts/ptmx", O_RDWR | O_NOCTTY);
    struct stat st;
    int unlock = 0;

    if (master < 0)
        return err_set(err, -master, "open /dev/pts/ptmx for the terminal: %m");
    if (fstat(master, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(5, 2))
        return err_set(err, ENODEV, "/dev/pts/ptmx is no pty multiplexer");
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0)
        return err_set(err, errno, "unlock the terminal: %m");
    j->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (j->slave < 0)
        return err_set(err, errno, "open the terminal: %m");
    if ((ws.ws_row || ws.ws_col) && ioctl(master, TIOCSWINSZ, &ws) < 0)
        return err_set(err, errno, "set the terminal's size: %m");
    j->master = steal_fd(&master); /* until the loop has fetched it */
    return 0;
}

int terminal_claim(struct job *j, struct err *err)
{
    if (j->slave < 0)
        return 0;
    if (fchown(j->slave, j->p->uid, (gid_t)-1) < 0)
        return err_set(err, errno, "give the terminal to user %u: %m", j->p->uid);
    if (ioctl(j->slave, TIOCSCTTY, 0) < 0)
        return err_set(err, errno, "make it the controlling terminal: %m");
    for (int i = 0; i < 3; i++)
        if (dup2(j->slave, i) < 0)
            return err_set(err, errno, "terminal as stdio: %m");
    close_fd(&j->slave);
    return 0;
}
