/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes that the guest's kernel mounts from NFS servers: when the container has its network,
 * which is after its set-up and before its start. The kernel waits for a server, so a forked helper
 * does it, in the container's mount namespace but with the agent's rights, for a container in a
 * user namespace has none; the loop gives it some time.
 */
#include "agent/container/container.h"
#include "agent/files/files.h"
#include "agent/storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"
#include "base/macros.h"

#define MOUNT_S 30 /* less than the host waits for the reply */
#define NO_ANSWER "it does not answer; can it be reached from the container's network?"
#define CLIENT_ID "/sys/module/nfs/parameters/nfs4_unique_id"

struct nfs_job {
    struct source report, timer;
    struct agent *a;
    uint32_t id, seq; /* of the request */
    int pidfd;
};

/* The helper's word, one packet: before a volume, if there were others, and at the end. */
struct nfs_report {
    int32_t code;  /* 0, or a positive errno with text */
    uint32_t n;    /* mounts that are behind us, in the plan's order */
    uint32_t last; /* nothing follows */
    char text[512];
};

bool nfs_wanted(const struct plan_container *c)
{
    for (size_t i = 0; i < c->n_mounts; i++)
        if (c->mounts[i].kind == PLAN_M_NFS)
            return true;
    return false;
}

/* Servers know a client by its host name and this. Machines with one name would take each other's
 * locks and leases away. */
static void name_client(void)
{
    char id[64] = "";

    if (cgroup_read(AT_FDCWD, CLIENT_ID, id, sizeof(id)) > 0 && id[0] && id[0] != '\n')
        return;
    if (cgroup_read(AT_FDCWD, "/proc/sys/kernel/random/uuid", id, sizeof(id)) > 0) {
        id[strcspn(id, "\n")] = '\0';
        (void)cgroup_write(AT_FDCWD, CLIENT_ID, id);
    }
}

/* NULL: the kernel's word is all there is. */
static const char *reason(int code)
{
    static const struct {
        int code;
        const char *text;
    } known[] = {
        {ENOENT, "the server exports no such directory"},
        {EACCES, "the server does not let this client have it"},
        {EPERM, "the server does not let this client have it"},
        {ECONNREFUSED, "no NFS server listens there"},
        {ENETUNREACH, "the container's network has no way to it"},
        {EHOSTUNREACH, "the container's network has no way to it"},
        {ETIMEDOUT, NO_ANSWER},
        {EPROTONOSUPPORT, "it speaks none of the versions of NFS that are wanted"},
        {ENODEV, "the guest's kernel has no NFS"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (known[i].code == code)
            return known[i].text;
    return NULL;
}

/* 4.2, unless the host or the server wants it otherwise. */
static int mount_version(const struct plan_mount *m, int *ret_mount, struct err *err)
{
    static const char *const versions[] = {"4.2", "4.1"};
    int r = -EPROTONOSUPPORT;

    if (m->data && strstr(m->data, "vers="))
        return mountapi_new("nfs4", m->source, m->data, m->ms_flags, ret_mount, err);
    for (size_t i = 0; i < ARRAY_SIZE(versions) && r == -EPROTONOSUPPORT; i++) {
        char data[1024];

        snprintf(data, sizeof(data), "vers=%s,%s", versions[i], m->data ? m->data : "");
        r = mountapi_new("nfs4", m->source, data, m->ms_flags, ret_mount, err);
    }
    return r;
}

static int mount_one(int root, const struct plan_mount *m, struct err *err)
{
    cleanup_fd int mount = -1;
    cleanup_fd int dest = inroot_open(root, m->dest, O_PATH | O_DIRECTORY);
    int r;

    if (dest < 0)
        return err_set(err, -dest, "open '%s' in the container: %m", m->dest);
    r = mount_version(m, &mount, err);
    if (r < 0 && reason(-r))
        return err_set(err, -r, "NFS volume '%s': %s", m->source, reason(-r));
    if (r < 0)
        return err_wrap(err, "NFS volume '%s'", m->source);
    return mounts_put(mount, dest, m, err);
}

static void tell(int report, const struct nfs_report *m)
{
    (void)!send(report, m, sizeof(*m), MSG_NOSIGNAL);
}

static int mount_rest(const struct container *c, int report, struct nfs_report *word,
                      struct err *err)
{
    uint32_t *n = &word->n, first = word->n;
    cleanup_fd int root = -1;
    int r = modules_load("late", "nfs", err);

    if (r < 0)
        return err_wrap(err, "NFS");
    name_client();
    if (setns(c->init->pidfd.fd, CLONE_NEWNS) < 0)
        return err_set(err, errno, "enter the container: %m");
    root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_set(err, errno, "open the container's root: %m");
    for (; *n < c->plan.n_mounts; (*n)++) {
        const struct plan_mount *m = &c->plan.mounts[*n];

        if (m->kind != PLAN_M_NFS)
            continue;
        if (*n > first) /* a time-out ends us without a last word */
            tell(report, word);
        if ((r = mount_one(root, m, err)) < 0)
            return err_wrap(err, "mount on '%s'", m->dest);
    }
    return 0;
}

static void helper(const struct container *c, int report) __attribute__((noreturn));
static void helper(const struct container *c, int report)
{
    struct nfs_report m = {.n = (uint32_t)c->n_nfs_mounts};
    struct err err = ERR_INIT;
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    m.code = -mount_rest(c, report, &m, &err);
    m.last = 1;
    snprintf(m.text, sizeof(m.text), "%.*s", (int)sizeof(m.text) - 1, err.msg);
    tell(report, &m);
    _exit(0);
}

/* Frees the job; its process is reaped like any stranger. */
static void end(struct container *c)
{
    struct nfs_job *j = steal_ptr(&c->nfs);

    (void)sys_pidfd_send_signal(j->pidfd, SIGKILL);
    loop_close(j->a, &j->report);
    loop_close(j->a, &j->timer);
    close_fd(&j->pidfd);
    free(j);
}

static void reply(struct container *c, int r, const struct err *err)
{
    struct agent *a = c->nfs->a;
    uint32_t id = c->nfs->id, seq = c->nfs->seq;

    end(c);
    channel_reply(a, id, seq, r, err);
}

/* 1: it goes on, and there may be more to hear; 0: nothing was said; -1: that was the end. */
static int hear(struct container *c)
{
    struct err err = ERR_INIT;
    struct nfs_report m;
    ssize_t n = recv(c->nfs->report.fd, &m, sizeof(m), 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n != (ssize_t)sizeof(m)) {
        reply(c, err_set(&err, EIO, "the mounting of NFS volumes has died"), &err);
        return -1;
    }
    m.text[sizeof(m.text) - 1] = '\0';
    c->n_nfs_mounts = m.n;
    if (!m.last)
        return 1;
    reply(c, m.code ? err_set(&err, m.code, "%s", m.text) : 0, &err);
    return -1;
}

static void on_report(struct agent *a, struct source *s, uint32_t events)
{
    struct nfs_job *j = (struct nfs_job *)((char *)s - offsetof(struct nfs_job, report));

    (void)events;
    (void)hear(container_of_init(a, j->id));
}

static void on_time(struct agent *a, struct source *s, uint32_t events)
{
    struct nfs_job *j = (struct nfs_job *)((char *)s - offsetof(struct nfs_job, timer));
    struct container *c = container_of_init(a, j->id);
    struct err err = ERR_INIT;
    const struct plan_mount *m;
    int r;

    (void)events;
    while ((r = hear(c)) > 0)
        ;
    if (r < 0)
        return;
    m = c->plan.mounts + c->n_nfs_mounts;
    while (m->kind != PLAN_M_NFS)
        m++;
    err_set(&err, ETIMEDOUT, "mount on '%s': NFS volume '%s': " NO_ANSWER " (%d s)", m->dest,
            m->source, MOUNT_S);
    reply(c, -ETIMEDOUT, &err);
}

static int watch(struct agent *a, struct nfs_job *j, int report, struct err *err)
{
    struct itimerspec when = {.it_value.tv_sec = MOUNT_S};
    cleanup_fd int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    int r;

    if (timer < 0 || timerfd_settime(timer, 0, &when, NULL) < 0)
        return err_set(err, errno, "timer: %m");
    if ((r = loop_watch(a, &j->timer, timer, EPOLLIN, on_time, err)) < 0)
        return r;
    (void)steal_fd(&timer);
    return loop_watch(a, &j->report, report, EPOLLIN, on_report, err);
}

static int begin(struct agent *a, struct container *c, struct nfs_job *j, struct err *err)
{
    cleanup_fd int ours = -1, theirs = -1;
    int pair[2], r;
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, errno, "socketpair: %m");
    ours = pair[0];
    theirs = pair[1];
    pid = fork();
    if (pid == 0) {
        close(ours);
        helper(c, theirs);
    }
    if (pid < 0)
        return err_set(err, errno, "make a process: %m");
    j->pidfd = sys_pidfd_open(pid);
    if (j->pidfd < 0) {
        (void)err_set(err, errno, "watch a process: %m");
        (void)kill(pid, SIGKILL); /* it is not reaped before we return */
        return -err->code;
    }
    (void)fcntl(ours, F_SETFL, O_NONBLOCK | O_RDWR);
    r = watch(a, j, ours, err);
    if (r == 0)
        (void)steal_fd(&ours);
    return r;
}

int nfs_mount(struct agent *a, struct container *c, uint32_t seq, struct err *err)
{
    int r;

    if (!nfs_wanted(&c->plan) || c->n_nfs_mounts == c->plan.n_mounts)
        return 1;
    if (!a->at.machine)
        return err_set(err, ENOTSUP, "this guest has no network of its own, which NFS needs");
    if (!c->init || c->init->state != P_CREATED || c->nfs)
        return err_set(err, EINVAL, "container is not in state 'created'");
    c->nfs = calloc(1, sizeof(*c->nfs));
    if (!c->nfs)
        return err_set(err, ENOMEM, "NFS: %m");
    *c->nfs = (struct nfs_job){
        .report.fd = -1, .timer.fd = -1, .a = a, .id = c->id, .seq = seq, .pidfd = -1};
    r = begin(a, c, c->nfs, err);
    if (r < 0)
        end(c);
    return r;
}

/* The container goes: whoever waits for its mounts hears of it. */
void nfs_cancel(struct agent *a, struct container *c)
{
    (void)a;
    if (c->nfs)
        reply(c, -ESRCH, NULL);
}
