/* SPDX-License-Identifier: Apache-2.0 */
/* The host table of the kit: core's own spawn, a cancel descriptor that the kit can make readable,
 * and a log that ends up in the report. */
#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include "base/fd.h"
#include "kit/internal.h"

static void host_log(void *cookie, int level, const char *msg)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};

    kit_note(cookie, "log, %s: %s", level >= 0 && level <= HVP_LOG_DEBUG ? names[level] : "?", msg);
}

static int host_cancelled(void *cookie)
{
    const struct kit *k = cookie;

    return fd_wait(k->cancel_timer, POLLIN, 0) > 0;
}

static int host_spawn(void *cookie, const struct hvp_spawn *what, int32_t *pid, int *pidfd,
                      struct hvp_error *err)
{
    (void)cookie;
    return plugin_spawn(what, NULL, pid, pidfd, err);
}

int kit_host_init(struct kit *k, struct err *err)
{
    k->cancel_timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (k->cancel_timer < 0)
        return err_set(err, errno, "make a timer: %m");
    k->host = (struct hvp_host){
        .struct_size = sizeof(k->host),
        .abi = HVP_ABI,
        .cookie = k,
        .instance = k->o->d->name,
        .arch = k->o->d->arch,
        .version = k->o->host->version,
        .cache_dir = k->o->host->cache_dir,
        .guest_dir = k->o->host->guest_dir,
        .cancel_fd = k->cancel_timer,
        .log = host_log,
        .cancelled = host_cancelled,
        .spawn = host_spawn,
    };
    return 0;
}

void kit_cancel_after(struct kit *k, uint32_t ms)
{
    const struct itimerspec at = {
        .it_value = {.tv_sec = ms / 1000, .tv_nsec = ms ? ms % 1000 * 1000000L : 1}};

    timerfd_settime(k->cancel_timer, 0, &at, NULL);
    if (ms == 0)
        (void)fd_wait(k->cancel_timer, POLLIN, -1);
}

void kit_cancel_clear(struct kit *k)
{
    const struct itimerspec never = {.it_value = {0}};

    timerfd_settime(k->cancel_timer, 0, &never, NULL);
}
