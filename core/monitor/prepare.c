/* SPDX-License-Identifier: Apache-2.0 */
/* What the monitor makes of its own process before it boots anything; the order matters. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/path.h"
#include "hostmod/hostmod.h"
#include "monitor/disks.h"
#include "monitor/monitor.h"

#define LOG_MAX (8u << 20) /* a guest's agent writes here, too */
#define OOM_SCORE "-900"   /* the VM goes first; without the right to ask for it, so be it */

/* They stay open for a VMM that somebody else starts, as long as it is being made. */
static int enter_cgroups(struct monitor *m, struct err *err)
{
    const struct strv *dirs = &m->spec.cgroups;

    m->cgroup_fds = xcalloc(dirs->n + 1, sizeof(*m->cgroup_fds));
    for (size_t i = 0; i < dirs->n; i++) {
        cleanup_free char *file = path_join(dirs->v[i], "cgroup.procs");
        int r = proc_enter_cgroup(dirs->v[i]);
        int fd = r < 0 ? -1 : open(file, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
            return err_set(err, r < 0 ? -r : errno, "enter cgroup '%s': %m", dirs->v[i]);
        m->cgroup_fds[m->n_cgroup_fds++] = fd;
    }
    return 0;
}

static void guard_from_oom_killer(struct monitor *m)
{
    cleanup_free char *text = NULL;
    int64_t score = 0;

    if (path_read(AT_FDCWD, "/proc/self/oom_score_adj", 32, &text, NULL, NULL) == 0) {
        text[strcspn(text, "\n")] = '\0';
        (void)str_to_i64(text, -1000, 1000, &score);
    }
    m->oom_score = (int)score;
    (void)path_write(AT_FDCWD, "/proc/self/oom_score_adj", OOM_SCORE, NULL);
}

static int open_log(struct monitor *m, struct err *err)
{
    int fd = openat(m->state_fd, "monitor.log",
                    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return err_set(err, errno, "open '%s/monitor.log': %m", m->spec.state_dir);
    m->log_fd = fd;
    log_budget(LOG_MAX);
    log_init(fd, LOG_TEXT, MIN((enum log_level)m->spec.log_level, LOG_L_DEBUG));
    return 0;
}

static void on_connection(void *ctx, uint32_t events)
{
    struct monitor *m = ctx;
    int fd = accept4(m->listener.fd, NULL, NULL, SOCK_CLOEXEC);

    (void)events;
    if (fd >= 0)
        (void)conn_add(m, fd, NULL);
}

static int listen_for_cli(struct monitor *m, struct err *err)
{
    cleanup_free char *path = path_join(m->spec.state_dir, IPC_SOCKET);
    int fd = fd_unix_listen(path, err), r;

    if (fd < 0)
        return fd;
    m->listener = (struct loop_source){.fd = fd, .fn = on_connection, .ctx = m};
    if ((r = fd_nonblock(fd, 1, err)) < 0)
        return r;
    if ((r = loop_watch(&m->loop, &m->listener, EPOLLIN)) < 0)
        return err_set(err, -r, "watch '%s': %m", path);
    return 0;
}

static int leave_record(struct monitor *m, struct err *err)
{
    struct proc_id self;
    int r;

    m->state_fd = open(m->spec.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (m->state_fd < 0)
        return err_set(err, errno, "open '%s': %m", m->spec.state_dir);
    if ((r = open_log(m, err)) < 0 || (r = proc_id_of(getpid(), &self, err)) < 0)
        return r;
    return state_monitor_write(m->state_fd, &self, err);
}

/* Cgroups, modules and /lib/modules are out of sight once the mount namespace is entered; the
 * worker starts last, since threads share what unshare() and pivot_root() change. */
int prepare_host(struct monitor *m, const int *disk_fds, size_t n_fds, struct err *err)
{
    int r;

    guard_from_oom_killer(m);
    if ((r = enter_cgroups(m, err)) < 0 ||
        (r = hostmod_ensure((const char *const *)m->spec.modules.v, err)) < 0)
        return r;
    if ((r = mountns_enter(&m->spec, &m->share_fd, err)) < 0 ||
        (r = assets_show(&m->spec, &m->assets, err)) < 0 ||
        (r = disks_show(m->spec.host_mounts, m->spec.disks, m->spec.n_disks, disk_fds, n_fds,
                        err)) < 0)
        return err_in_phase(err, PHASE_STORAGE);
    if ((r = leave_record(m, err)) < 0 || (r = listen_for_cli(m, err)) < 0)
        return r;
    if ((r = fault_point("monitor.listen")) < 0)
        return err_set(err, -r, "fault point 'monitor.listen'");
    m->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (m->cancel_fd < 0)
        return err_set(err, errno, "eventfd: %m");
    return worker_start(&m->worker, &m->loop, err);
}
