/* SPDX-License-Identifier: Apache-2.0 */
/* From a member of the pool to a container's VM. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/path.h"
#include "base/timing.h"
#include "cli/lifecycle.h"
#include "cli/pool/pool.h"
#include "net/net.h"

#define PROCS_MAX (64u << 10)
#define CGROUP_MS 200 /* nobody is left in it */
#define END_MS 10000

/* Whose it will be is in it before it has its name: gc finds all that a crash leaves. */
static int write_state(const struct creation *c, const struct pool_member *m, struct err *err)
{
    cleanup_free char *owner = path_join(c->state.run_dir, CLI_OWNER_FILE);
    cleanup_free char *path = path_join(c->cli->root, c->id);
    int r;

    if ((r = state_write(&m->c.dir, &c->state, err)) < 0)
        return r;
    if (fault_point("cli.pool-written") < 0)
        return err_set(err, EIO, "fault cli.pool-written");
    return path_replace(AT_FDCWD, owner, path, strlen(path), 0600, err);
}

/* A user of containers learns nothing of the pool: a name that is taken is taken. */
static int rename_to(const struct creation *c, const struct pool_member *m, struct err *err)
{
    cleanup_free char *path = path_join(c->cli->root, c->id);

    if (renameat2(AT_FDCWD, m->c.dir.path, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
        return errno == EEXIST
                   ? err_set(err, EEXIST, "container with id '%s' already exists", c->id)
                   : err_set(err, errno, "rename '%s' to '%s': %m", m->c.dir.path, path);
    return fault_point("cli.pool-renamed") < 0 ? err_set(err, EIO, "fault cli.pool-renamed") : 0;
}

static void inherit(struct creation *c, const struct pool_member *m)
{
    cleanup_free char *cgroup = xasprintf(POOL_CGROUP "/%s", m->name);

    free(c->state.run_dir);
    c->state.run_dir = xstrdup(m->c.state.run_dir);
    for (size_t i = 0; i < m->c.state.cgroups.n; i++)
        strv_add(&c->state.cgroups, m->c.state.cgroups.v[i]);
    (void)cgroup_paths(&c->cgroup_host, cgroup, m->name, &c->pool_cgroups, NULL);
    c->pool_member = xstrdup(m->name);
}

/* From the first step on it is of no use to anybody else. */
static int adopt(struct creation *c, const struct pool *p, struct pool_member *m, struct err *err)
{
    int r;

    inherit(c, m);
    if ((r = write_state(c, m, err)) == 0)
        r = rename_to(c, m, err);
    if (r < 0 && access(m->c.dir.path, F_OK) == 0) {
        (void)pool_member_drop(p, m, NULL);
        return r;
    }
    c->dir.fd = steal_fd(&m->c.dir.fd);
    c->dir.path = path_join(c->cli->root, c->id);
    c->made_dir = true;
    return r < 0 ? r : 1;
}

static bool fits(const struct creation *c, const struct pool_member *m, const char *wanted)
{
    char has[TEMPLATE_NAME];

    if (pool_member_look(m, &c->choice.config) != POOL_READY)
        return false;
    template_name(&m->facts, has);
    return strcmp(has, wanted) == 0;
}

static bool is_taken(const struct creation *c)
{
    cleanup_free char *path = path_join(c->cli->root, c->id);

    return access(path, F_OK) == 0; /* state_dir_create says it */
}

int pool_take(struct creation *c, struct err *err)
{
    cleanup_call(pool_close) struct pool p = {.dir = NULL};
    cleanup_call(strv_done) struct strv names = {0};
    char wanted[TEMPLATE_NAME];
    int r = 0;

    if (!pool_possible(c, NULL) || is_taken(c))
        return 0;
    pool_open(c->cli, &p);
    (void)state_list(p.dir, &names, NULL);
    if (names.n == 0)
        return 0;
    template_name(&c->pool_facts, wanted);
    for (size_t i = 0; i < names.n && r == 0; i++) {
        cleanup_call(pool_member_close) struct pool_member m = POOL_MEMBER_INIT;

        if (pool_member_open(&p, names.v[i], true, &m, NULL) == 0 && fits(c, &m, wanted))
            r = adopt(c, &p, &m, err);
    }
    return r;
}

/* What the VMM would have inherited from the command that starts it. */
static void take_oom_score(const char *pid)
{
    cleanup_free char *path = xasprintf("/proc/%s/oom_score_adj", pid);
    cleanup_free char *own = NULL;

    if (path_read(AT_FDCWD, "/proc/self/oom_score_adj", 32, &own, NULL, NULL) == 0)
        (void)path_write(AT_FDCWD, path, own, NULL);
}

static int move_processes(const char *from, const char *to, pid_t monitor, struct err *err)
{
    cleanup_free char *procs = path_join(from, "cgroup.procs"),
                      *into = path_join(to, "cgroup.procs");
    cleanup_free char *text = NULL;
    char *save = NULL;
    uint64_t n;
    int r = path_read(AT_FDCWD, procs, PROCS_MAX, &text, NULL, err);

    if (r < 0)
        return r;
    for (char *pid = strtok_r(text, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save)) {
        if ((r = path_write(AT_FDCWD, into, pid, err)) < 0 && r != -ESRCH)
            return err_wrap(err, "enter cgroup '%s'", to);
        if (str_to_u64(pid, 1, INT32_MAX, &n) == 0 && (pid_t)n != monitor)
            take_oom_score(pid);
    }
    return 0;
}

/* What it has used so far stays accounted to the pool. */
static int move_to_cgroups(struct creation *c, struct err *err)
{
    const struct strv *to = c->vm_cgroups.n ? &c->vm_cgroups : &c->cgroups;
    int r = 0;

    if (fault_point("cli.pool-cgroups") < 0)
        return err_set(err, EIO, "fault cli.pool-cgroups");
    for (size_t i = 0; i < c->pool_cgroups.n && i < to->n && r == 0; i++)
        r = move_processes(c->pool_cgroups.v[i], to->v[i], c->monitor.pid, err);
    if (r == 0)
        (void)cgroup_remove(&c->pool_cgroups, c->dir.path, deadline_in_ms(CGROUP_MS), NULL);
    return r;
}

static int know_monitor(struct creation *c, struct err *err)
{
    struct proc_id id;
    int r = state_monitor_read(c->dir.fd, &id, err);

    if (r < 0)
        return r;
    c->monitor.pidfd = proc_open(&id, err);
    if (c->monitor.pidfd < 0)
        return err_set(err, ESRCH, "its monitor has ended");
    c->monitor.pid = id.pid;
    return 0;
}

static int send_take(struct creation *c, uint32_t seq, int pass, struct err *err)
{
    cleanup_call(wbuf_done) struct wbuf body = {0};
    const uint64_t ms = c->choice.decision.boot_timeout_s * 1000;
    int r;
    struct ipc_take m = {
        .id = (char *)c->id,
        .pod = c->choice.workload.is_sandbox,
        .log_level = c->cli->debug ? LOG_L_DEBUG : LOG_L_INFO,
        .boot_timeout_ms = (uint32_t)MIN(MAX(ms / 2, UINT64_C(1)), UINT32_MAX - 1),
        .own_network = network_taps_end(c->spec, &c->state.attach),
    };

    sandbox_metadata(c, &m.metadata);
    ipc_take_put(&body, &m);
    r = ipc_send(c->sock, IPC_TAKE, seq, &body, &pass, 1, err);
    kvs_done(&m.metadata);
    return r;
}

int pool_ask(struct creation *c, uint32_t seq, struct err *err)
{
    cleanup_fd int theirs = -1;
    int ends[2], r;

    if ((r = know_monitor(c, err)) < 0)
        return r;
    if (fault_point("cli.pool-ask") < 0)
        return err_set(err, EIO, "fault cli.pool-ask");
    if ((c->sock = ipc_connect(c->dir.path, err)) < 0)
        return -err->code;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(err, errno, "socketpair: %m");
    c->pool_pass = ends[0];
    theirs = ends[1];
    r = send_take(c, seq, theirs, err);
    if (r == 0 && fault_point("cli.pool-asked") < 0)
        r = err_set(err, EIO, "fault cli.pool-asked");
    return r;
}

/* Closes pool_pass: it has told what it had to. */
static int take_namespace(struct creation *c, struct err *err)
{
    size_t n = 1;
    char byte;
    bool taken = fd_recv(c->pool_pass, &byte, 1, &c->pool_ns, &n, err) == 1 && n == 1;

    close_fd(&c->pool_pass);
    return taken ? 0
                 : err_set(err, EPROTO, "the monitor has not handed over the network namespace");
}

static int move_taps(struct creation *c, struct err *err)
{
    cleanup_call(net_ns_close) struct net_ns from = NET_NS_INIT;
    cleanup_free char *to = xasprintf("/proc/%d/ns/net", (int)c->proxy.pid);
    cleanup_free char *path = xasprintf("/proc/self/fd/%d", c->pool_ns);
    int r = net_ns_open(path, &from, err);

    if (fault_point("cli.pool-taps") < 0)
        return err_set(err, EIO, "fault cli.pool-taps");
    return r < 0 ? r : net_taps_move(&from, to, err);
}

struct cgroup_move {
    struct creation *c;
    struct err err;
    int r;
};

static void *run_cgroup_move(void *arg)
{
    struct cgroup_move *m = arg;

    m->r = move_to_cgroups(m->c, &m->err);
    return NULL;
}

/* Each waits for a grace period of RCU of its own, 10 ms and more: they do it side by side. */
static int move_both(struct creation *c, struct err *err)
{
    struct cgroup_move cgroups = {.c = c, .err = ERR_INIT};
    pthread_t thread;
    bool beside = pthread_create(&thread, NULL, run_cgroup_move, &cgroups) == 0;
    int r = move_taps(c, err);

    if (beside)
        pthread_join(thread, NULL);
    else
        (void)run_cgroup_move(&cgroups);
    if (cgroups.r < 0) {
        *err = cgroups.err;
        r = cgroups.r;
    }
    return r;
}

/* A container with a network namespace of its own has got that of the VM. */
int pool_move(struct creation *c, struct err *err)
{
    int r = network_is_own(c->spec) ? move_to_cgroups(c, err) : move_both(c, err);

    close_fd(&c->pool_ns);
    return r;
}

int pool_settle(struct creation *c, uint32_t seq, uint64_t deadline, struct err *err)
{
    int r = interrupt_wait(&c->interrupt, c->sock, deadline, err);

    if (r == 0)
        r = ipc_wait(c->sock, seq, deadline, NULL, err);
    if (r == 0)
        r = take_namespace(c, err);
    (void)unlinkat(c->dir.fd, POOL_FACTS, 0);
    return r;
}

/* The directory, which has our state by now, stays. The monitor is killed before it can see our end
 * close: it would tell a proxy that there is no container. */
int pool_abandon(struct creation *c, struct err *err)
{
    const struct container self = {.dir = c->dir, .state = c->state};
    int r;

    free(steal_ptr(&c->pool_member));
    if (c->monitor.pidfd >= 0 && proc_wait_gone(c->monitor.pidfd, 0) < 0) {
        (void)pidfd_send_signal(c->monitor.pidfd, SIGKILL, NULL, 0);
        if (proc_wait_gone(c->monitor.pidfd, END_MS) < 0)
            return err_set(err, ETIMEDOUT, "the monitor of a VM of the pool does not end");
    }
    c->monitor.pid = 0;
    close_fd(&c->monitor.pidfd);
    close_fd(&c->sock);
    close_fd(&c->pool_pass);
    close_fd(&c->pool_ns);
    if ((r = container_end_vm(c->cli, &self, true, err)) < 0)
        return r;
    state_vm_forget(c->dir.fd);
    (void)unlinkat(c->dir.fd, POOL_FACTS, 0);
    (void)unlinkat(c->dir.fd, IPC_SOCKET, 0);
    return run_dir_remove(c->state.run_dir, err);
}
