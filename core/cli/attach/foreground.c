/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/attach/foreground.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/proc.h"

int foreground_begin(struct foreground *f, struct err *err)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &f->old_mask);
    f->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    return f->signals < 0 ? err_set(err, errno, "signalfd: %m") : 0;
}

static void copy_size(int from, int to)
{
    struct winsize size;

    if (ioctl(from, TIOCGWINSZ, &size) == 0)
        (void)ioctl(to, TIOCSWINSZ, &size);
}

void foreground_size(int pty_master)
{
    copy_size(STDIN_FILENO, pty_master);
}

int foreground_terminal(struct foreground *f, int pty_master, struct err *err)
{
    struct termios raw;

    if (!isatty(STDIN_FILENO))
        return 0;
    if (tcgetattr(STDIN_FILENO, &f->old_mode) < 0)
        return err_set(err, errno, "tcgetattr: %m");
    raw = f->old_mode;
    cfmakeraw(&raw);
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
        return err_set(err, errno, "tcsetattr: %m");
    f->tty = STDIN_FILENO;
    copy_size(f->tty, pty_master);
    return 0;
}

void foreground_end(struct foreground *f)
{
    if (f->tty >= 0)
        (void)tcsetattr(f->tty, TCSANOW, &f->old_mode);
    f->tty = -1;
    if (f->signals >= 0) {
        close_fd(&f->signals);
        sigprocmask(SIG_SETMASK, &f->old_mask, NULL);
    }
}

bool foreground_ended(const struct foreground *f)
{
    struct signalfd_siginfo s;
    bool ended = false;

    while (read(f->signals, &s, sizeof(s)) == sizeof(s))
        ended = ended || s.ssi_signo == SIGINT || s.ssi_signo == SIGTERM || s.ssi_signo == SIGHUP ||
                s.ssi_signo == SIGQUIT;
    return ended;
}

void foreground_release_stdio(void)
{
    cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        return;
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
}

static void forward_signals(struct foreground *f, pid_t proxy, int pty_master)
{
    struct signalfd_siginfo s;

    while (read(f->signals, &s, sizeof(s)) == sizeof(s)) {
        int signo = (int)s.ssi_signo;

        if (signo == SIGCHLD || signo == SIGPIPE || signo == SIGURG)
            continue;
        if (signo == SIGWINCH && f->tty >= 0 && pty_master >= 0)
            copy_size(f->tty, pty_master);
        else
            (void)kill(proxy, signo);
    }
}

/* What was read from our stdin and the pty has not taken yet. */
struct input {
    char buf[4096];
    size_t len;
    int open;
};

/* 1 = more may come, 0 = end. A pty without slave says EIO. */
static int copy_output(int master)
{
    char buf[8192];
    ssize_t n = read(master, buf, sizeof(buf));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 1;
    if (n <= 0)
        return 0;
    return fd_write_all(STDOUT_FILENO, buf, (size_t)n, NULL) == 0;
}

static void read_input(struct input *in)
{
    ssize_t n = read(STDIN_FILENO, in->buf, sizeof(in->buf));

    if (n > 0)
        in->len = (size_t)n;
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        in->open = 0;
}

static void write_input(struct input *in, int master)
{
    ssize_t n = write(master, in->buf, in->len);

    if (n < 0)
        return;
    in->len -= (size_t)n;
    for (size_t i = 0; i < in->len; i++)
        in->buf[i] = in->buf[(size_t)n + i];
}

/* What the guest wrote before it ended is in the pty already. */
static void drain(int master)
{
    while (master >= 0 && fd_wait(master, POLLIN, 0) == 1 && copy_output(master))
        ;
}

static int status_of(int pidfd, struct err *err)
{
    int status, r;

    if ((r = proc_reap(pidfd, &status, err)) < 0)
        return r;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int foreground_wait(struct foreground *f, pid_t proxy, int pidfd, int pty_master, struct err *err)
{
    struct input in = {.open = pty_master >= 0};
    struct pollfd p[4] = {
        {pidfd, POLLIN, 0}, {f->signals, POLLIN, 0}, {pty_master, 0, 0}, {-1, POLLIN, 0}};

    /* Ours alone, and a program that does not read must not keep signals from it. */
    if (pty_master >= 0)
        (void)fd_nonblock(pty_master, 1, NULL);
    while (!p[0].revents) {
        p[2].events = (short)(POLLIN | (in.len ? POLLOUT : 0));
        p[3].fd = in.open && !in.len ? STDIN_FILENO : -1;
        if (poll(p, 4, -1) < 0 && errno != EINTR)
            return err_set(err, errno, "poll: %m");
        if (p[1].revents)
            forward_signals(f, proxy, pty_master);
        if (p[2].revents & POLLOUT)
            write_input(&in, pty_master);
        if ((p[2].revents & ~POLLOUT) && !copy_output(pty_master))
            p[2].fd = -1;
        if (p[3].fd >= 0 && p[3].revents)
            read_input(&in);
    }
    drain(p[2].fd);
    return status_of(pidfd, err);
}
