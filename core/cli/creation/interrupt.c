/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/creation/interrupt.h"
#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/macros.h"
#include "base/str.h"
#include "base/timing.h"

int interrupt_begin(struct interrupt *i, struct err *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    sigset_t set;

    sigemptyset(&set);
    for (size_t k = 0; k < ARRAY_SIZE(signals); k++) {
        struct sigaction action;

        if (sigaction(signals[k], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&set, signals[k]);
    }
    i->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (i->fd < 0)
        return err_set(err, errno, "signalfd: %m");
    sigprocmask(SIG_BLOCK, &set, &i->old_mask);
    return 0;
}

int interrupt_check(const struct interrupt *i, struct err *err)
{
    struct signalfd_siginfo info;
    int r = 0;

    /* All of them: what is left would act as soon as it is unblocked. */
    while (i->fd >= 0 && read(i->fd, &info, sizeof(info)) == sizeof(info))
        r = err_set(err, EINTR, "interrupted by %s", signal_name((int)info.ssi_signo));
    return r;
}

int interrupt_wait(const struct interrupt *i, int fd, uint64_t deadline_ns, struct err *err)
{
    struct pollfd p[2] = {{fd, POLLIN, 0}, {i->fd, POLLIN, 0}};
    int n;

    do
        n = poll(p, 2, deadline_left_ms(deadline_ns));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set(err, errno, "poll: %m");
    return interrupt_check(i, err);
}

void interrupt_end(struct interrupt *i)
{
    if (i->fd < 0)
        return;
    close_fd(&i->fd);
    sigprocmask(SIG_SETMASK, &i->old_mask, NULL);
}
