/* SPDX-License-Identifier: Apache-2.0 */
/*
 * anyvisor-proxy: stands for one process of a guest, with its arguments, for ps. Engines watch its
 * pid, join its namespaces and signal it; it forwards signals to the monitor on fd 3 and ends as
 * the guest's process did. Small and static: one runs for every container and exec. Environment:
 * ANYVISOR_TERMINAL if stdin is a terminal; ANYVISOR_STATE is for people who ask whose it is.
 *
 * Having lost the monitor it exits only when the VMM is gone for certain: a restart policy would
 * start a second writer on the same disk otherwise.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "proxy/link.h"

#define EXIT_LOST 137 /* as if killed by SIGKILL */
#define VMM_MAX 16

struct proxy {
    bool terminal;
    int signals;
    int dev; /* the host's /dev: after create our root is the container's */
    int vmm[VMM_MAX];
    size_t n_vmm;
};

static void send_size(int tty)
{
    struct winsize size;

    if (ioctl(tty, TIOCGWINSZ, &size) == 0 && size.ws_row)
        link_send_resize(size.ws_row, size.ws_col);
}

/* Only for as long as it takes: whoever holds the terminal open keeps its other side from EOF. */
static void on_winch(const struct proxy *p)
{
    int tty = openat(p->dev, "tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

    if (tty < 0)
        return;
    send_size(tty);
    close(tty);
}

/* The terminal's signals (SIGWINCH, SIGHUP) come to the leader of its session. */
static void take_terminal(struct proxy *p)
{
    p->dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
    (void)setsid();
    (void)ioctl(0, TIOCSCTTY, 0);
    send_size(0);
}

static void drop_stdio(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int fd = 0; fd < 3; fd++)
        if (null < 0 || dup2(null, fd) < 0)
            close(fd);
}

/* Blocked signals are queued even where the default is to ignore them, also for a pid 1. */
static int take_signals(void)
{
    sigset_t set;

    sigfillset(&set);
    sigprocmask(SIG_SETMASK, &set, NULL);
    sigdelset(&set, SIGCHLD);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void forward_signals(struct proxy *p)
{
    struct signalfd_siginfo info;

    while (read(p->signals, &info, sizeof(info)) == sizeof(info)) {
        int n = (int)info.ssi_signo;

        if (n == SIGTTIN || n == SIGTTOU)
            continue;
        if (n == SIGWINCH && p->terminal)
            on_winch(p);
        else
            link_send_signal((unsigned)n);
    }
}

/* Ends as the guest's process did; a pid 1 cannot kill itself. */
static _Noreturn void end_as(int status)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigset_t set;

    if (status >= 0)
        _exit(status & 0xff);
    prctl(PR_SET_DUMPABLE, 0); /* the core would be ours, not the guest's */
    sigaction(-status, &dfl, NULL);
    sigemptyset(&set);
    sigaddset(&set, -status);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    kill(getpid(), -status);
    _exit(128 - status);
}

static _Noreturn void wait_for_vmm(struct proxy *p)
{
    for (size_t i = 0; i < p->n_vmm; i++) {
        struct pollfd vmm = {.fd = p->vmm[i], .events = POLLIN};

        while (poll(&vmm, 1, -1) < 1)
            ;
    }
    _exit(EXIT_LOST);
}

static void on_link(struct proxy *p)
{
    struct link_frame f;

    if (link_receive(&f) < 0)
        wait_for_vmm(p);
    if (f.type == IPC_PROXY_EXIT)
        end_as(f.status);
    for (size_t i = 0; i < f.n_fds; i++) {
        if (f.type == IPC_PROXY_VMM && p->n_vmm < VMM_MAX)
            p->vmm[p->n_vmm++] = f.fds[i];
        else
            close(f.fds[i]);
    }
}

int main(void)
{
    struct proxy p = {.dev = -1, .terminal = getenv("ANYVISOR_TERMINAL") != NULL};
    struct pollfd fds[2];

    prctl(PR_SET_NAME, "anyvisor-proxy");
    (void)fcntl(IPC_FIRST_FD, F_SETFD, FD_CLOEXEC);
    p.signals = take_signals();
    if (p.terminal)
        take_terminal(&p);
    drop_stdio();
    (void)chdir("/");
    fds[0] = (struct pollfd){.fd = IPC_FIRST_FD, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = p.signals, .events = POLLIN};
    for (;;) {
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents & POLLIN)
            forward_signals(&p);
        if (fds[0].revents)
            on_link(&p);
    }
}
