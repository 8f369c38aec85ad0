/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include "base/fd.h"
#include "base/layout.h"
#include "base/log.h"
#include "base/path.h"
#include "monitor/monitor.h"

struct spawn_call {
    struct monitor *m;
    const struct hvp_spawn *what;
    int32_t *pid;
    int *pidfd;
    struct hvp_error *err;
};

/* The kernel's OOM killer shall look at the VM before it looks at the monitor. */
static void restore_oom_score(const struct monitor *m, int pid)
{
    char path[64], score[16];

    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
    snprintf(score, sizeof(score), "%d", m->oom_score);
    (void)path_write(AT_FDCWD, path, score, NULL);
}

/* The sandbox's cgroups are inherited: the monitor lives in them. */
static int spawn_on_main(void *arg)
{
    struct spawn_call *call = arg;
    /* The VMM of a guest must not write what root reads later. */
    const char *const hide[] = {call->m->spec.state_dir, NULL};
    int32_t pid;
    int r = plugin_spawn(call->what, hide, &pid, call->pidfd, call->err);

    if (r < 0)
        return r;
    restore_oom_score(call->m, pid);
    *call->pid = pid;
    return r;
}

static int host_spawn(void *cookie, const struct hvp_spawn *what, int32_t *pid, int *pidfd,
                      struct hvp_error *err)
{
    struct monitor *m = cookie;
    struct spawn_call call = {m, what, pid, pidfd, err};

    if (m->boot.sealed)
        return hvp_fail(err, EPERM,
                        "start '%s': a back-end whose VMM is core's child starts "
                        "programs before its VM runs, not later",
                        what->argv && what->argv[0] ? what->argv[0] : "");
    return worker_on_main(&m->worker, spawn_on_main, &call);
}

static int host_adopt(void *cookie, int32_t pid, struct hvp_error *err)
{
    const struct monitor *m = cookie;

    for (size_t i = 0; i < m->n_cgroup_fds; i++)
        if (dprintf(m->cgroup_fds[i], "%d", (int)pid) < 0)
            return hvp_fail(err, errno, "move process %d into cgroup '%.300s': %m", (int)pid,
                            m->spec.cgroups.v[i]);
    return 0;
}

static void host_log(void *cookie, int level, const char *msg)
{
    static const enum log_level levels[] = {LOG_L_ERROR, LOG_L_WARN, LOG_L_INFO, LOG_L_DEBUG};

    (void)cookie;
    log_line(levels[level < 0 || level > HVP_LOG_DEBUG ? HVP_LOG_DEBUG : level], "%s", msg);
}

static int host_cancelled(void *cookie)
{
    const struct monitor *m = cookie;

    return fd_wait(m->cancel_fd, POLLIN, 0) > 0;
}

void host_services_init(struct hvp_host *host, struct monitor *m)
{
    *host = (struct hvp_host){
        .struct_size = sizeof(*host),
        .abi = HVP_ABI,
        .cookie = m,
        .instance = m->spec.descriptor,
        .arch = m->spec.arch,
        .version = layout_version(),
        .cache_dir = m->spec.cache_dir,
        .guest_dir = m->spec.guest_dir,
        .cancel_fd = m->cancel_fd,
        .log = host_log,
        .cancelled = host_cancelled,
        .spawn = host_spawn,
        .adopt = host_adopt,
    };
}
