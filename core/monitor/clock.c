/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's clock follows the host's: one that runs by itself is a second off after days, and
 * hours after a host has slept. Now and then, and at once when the host's clock has jumped, the
 * agent is asked what its clock shows, and told how far that is off.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/timing.h"
#include "monitor/monitor.h"

#define NS_PER_MS 1000000
#define EVERY_S 300            /* a clock that is off by 50 ppm loses 15 ms in it */
#define TOLERATED_NS NS_PER_MS /* what is less is not worth a message */
#define WORTH_A_LINE_MS 500    /* in the log: the agent takes it in one step */

/* In 300 s of the host's clock, or when that is set or the host wakes up. */
static int arm(int fd)
{
    const struct itimerspec when = {.it_value.tv_sec = (time_t)(realtime_s() + EVERY_S)};

    return timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &when, NULL);
}

/*
 * How far the guest's clock is to go: it was read at some time between asking and the answer, and
 * what that leaves open is not corrected. An answer from before 1970 or after 2262 is no time.
 */
static int64_t shift_for(uint64_t asked, uint64_t answered, uint64_t guest)
{
    int64_t doubt = (int64_t)(answered - asked) / 2;
    int64_t off;

    if (answered < asked || guest > INT64_MAX)
        return 0;
    off = (int64_t)asked + doubt - (int64_t)guest;
    return off > doubt + TOLERATED_NS || off < -doubt - TOLERATED_NS ? off : 0;
}

static int send(struct monitor *m, int64_t shift_ns, channel_reply_fn *fn)
{
    cleanup_call(wbuf_done) struct wbuf w = {0};
    int r;

    msg_clock_put(&w, &(struct msg_clock){.shift_ns = shift_ns});
    r = channel_request(m->channel, FRAME_CLOCK, 0, &w, fn, m, NULL);
    agent_link_update(m);
    return r;
}

static void on_told(void *ctx, const struct msg_reply *reply)
{
    struct monitor *m = ctx;
    struct msg_clock guest;
    int64_t shift;

    m->clock.waiting = false;
    if (m->phase != MON_READY || m->channel_lost || reply->code ||
        msg_clock_get(wire_over(reply->body, reply->body_len), &guest) < 0)
        return;
    shift = shift_for(m->clock.asked, realtime_ns(), guest.realtime_ns);
    if (shift == 0 || send(m, shift, NULL) < 0)
        return;
    if (llabs(shift) >= WORTH_A_LINE_MS * NS_PER_MS)
        log_info("the guest's clock was %lld ms off the host's: set",
                 (long long)-shift / NS_PER_MS);
}

static void ask(struct monitor *m)
{
    if (m->clock.waiting || m->phase != MON_READY || !m->channel || m->channel_lost)
        return;
    m->clock.asked = realtime_ns();
    m->clock.waiting = send(m, 0, on_told) == 0;
}

static void on_time(void *ctx, uint32_t events)
{
    struct monitor *m = ctx;
    uint64_t n;

    (void)events;
    if (read(m->clock.timer.fd, &n, sizeof(n)) < 0 && errno != ECANCELED)
        return;
    (void)arm(m->clock.timer.fd);
    ask(m);
}

void clock_keep(struct monitor *m)
{
    cleanup_fd int fd = -1;

    if (m->spec.keep || m->clock.timer.fd >= 0)
        return;
    fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0 || arm(fd) < 0) {
        log_warn("nobody keeps the guest's clock: %m");
        return;
    }
    m->clock.timer = (struct loop_source){.fd = fd, .fn = on_time, .ctx = m};
    if (loop_watch(&m->loop, &m->clock.timer, EPOLLIN) < 0)
        m->clock.timer.fd = -1;
    else
        (void)steal_fd(&fd);
}
