/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/timing.h"

#define NS_PER_S UINT64_C(1000000000)
#define LATE_ALARM_NS 10000000L

static void on_alarm(int signo)
{
    (void)signo;
}

/* SIGALRM to this very thread from the deadline on, again and again: the first one may come just
 * before flock. */
static int start_alarm(uint64_t deadline_ns, timer_t *ret)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    struct itimerspec at = {
        .it_interval = {.tv_nsec = LATE_ALARM_NS},
        .it_value = {(time_t)(deadline_ns / NS_PER_S), (long)(deadline_ns % NS_PER_S)},
    };

    event._sigev_un._tid = gettid();
    if (timer_create(CLOCK_MONOTONIC, &event, ret) < 0)
        return -errno;
    (void)timer_settime(*ret, TIMER_ABSTIME, &at, NULL);
    return 0;
}

static int flock_before(int fd, int operation, uint64_t deadline_ns)
{
    while (flock(fd, operation) < 0) {
        if (errno != EINTR)
            return -errno;
        if (deadline_left_ms(deadline_ns) == 0)
            return -ETIMEDOUT;
    }
    return 0;
}

/* flock has no deadline of its own: a signal ends it, which is given back as it was found. */
static int flock_wait(int fd, int operation, uint64_t deadline_ns)
{
    const struct sigaction action = {.sa_handler = on_alarm}; /* without SA_RESTART */
    struct sigaction old_action;
    sigset_t alarm_only, old_mask;
    timer_t timer;
    int r;

    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    sigaction(SIGALRM, &action, &old_action);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, &old_mask);
    r = start_alarm(deadline_ns, &timer);
    if (r == 0) {
        r = flock_before(fd, operation, deadline_ns);
        timer_delete(timer);
    }
    pthread_sigmask(SIG_SETMASK, &old_mask, NULL);
    sigaction(SIGALRM, &old_action, NULL);
    return r;
}

int fd_lock(int fd, int operation, uint64_t deadline_ns)
{
    if (flock(fd, operation | LOCK_NB) == 0)
        return 0;
    if (errno != EWOULDBLOCK)
        return -errno;
    if (deadline_left_ms(deadline_ns) == 0)
        return -ETIMEDOUT; /* and a timer of 0 would never come */
    return deadline_ns == DEADLINE_NEVER ? flock_before(fd, operation, deadline_ns)
                                         : flock_wait(fd, operation, deadline_ns);
}
