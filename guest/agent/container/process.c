/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes as the loop sees them: forked, set up by child.c, started, dead, reported, forgotten.
 * Every step is an event: the child's packet on ctl (CLOEXEC: its end means "exec'ed"), the pidfd.
 */
#include "agent/container/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"
#include "base/macros.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static bool take_report(struct agent *a, struct process *p);
static void on_ctl(struct agent *a, struct source *s, uint32_t events);
static void on_pidfd(struct agent *a, struct source *s, uint32_t events);

struct process *process_find(struct agent *a, uint32_t id)
{
    struct process *p = a->processes;

    while (p && p->id != id)
        p = p->next;
    return p;
}

/* In the agent's list, with nothing to it yet; NULL: no memory. */
struct process *process_new(struct agent *a, uint32_t id, uint32_t seq)
{
    struct process *p = calloc(1, sizeof(*p));

    if (!p)
        return NULL;
    *p = (struct process){.id = id, .seq = seq, .pidfd.fd = -1, .ctl.fd = -1, .next = a->processes};
    streams_init(p);
    a->processes = p;
    return p;
}

void process_free(struct agent *a, struct process *p)
{
    struct process **at = &a->processes;

    while (*at && *at != p)
        at = &(*at)->next;
    if (*at)
        *at = p->next;
    if (p->container && p->container->init == p)
        p->container->init = NULL;
    streams_done(a, p);
    loop_close(a, &p->ctl);
    loop_close(a, &p->pidfd);
    free(p->fail_text);
    free(p);
}

static void reply(struct agent *a, struct process *p, int r, const struct err *err)
{
    if (!p->owes_reply)
        return;
    p->owes_reply = false;
    channel_reply(a, p->id, p->seq, r, err);
}

/* The process, and the loop's end of its socket; its pid. */
static int begin(struct job *j, int *ret_ctl, int *ret_pidfd, bool *ret_in_cgroup, struct err *err)
{
    cleanup_fd int ours = -1, theirs = -1;
    int pair[2], r = j->exec ? 0 : sparechild_use(j, ret_ctl, ret_pidfd);

    if (r > 0) {
        *ret_in_cgroup = true;
        return r;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return err_set(err, errno, "socketpair: %m");
    ours = pair[0];
    theirs = j->ctl = pair[1];
    r = fork_child(j, ours, ret_pidfd, ret_in_cgroup, err);
    if (r >= 0)
        *ret_ctl = steal_fd(&ours);
    return r;
}

static int spawn(struct process *p, struct job *j, struct err *err)
{
    struct agent *a = j->a;
    cleanup_fd int ours = -1;
    bool in_cgroup = false;
    int pidfd = -1, r;
    char go = CTL_GO;

    r = begin(j, &ours, &pidfd, &in_cgroup, err);
    if (r < 0)
        return r;
    p->pid = r;
    r = loop_watch(a, &p->pidfd, pidfd, EPOLLIN, on_pidfd, err);
    if (r < 0) {
        close(pidfd);
        return r; /* the child sees ctl's end and goes */
    }
    (void)fcntl(ours, F_SETFL, O_NONBLOCK | O_RDWR);
    if ((r = fork_prepare(a, j->c, j->p, !j->exec, in_cgroup, p->pid, err)) < 0 ||
        (r = streams_watch(a, p, err)) < 0 ||
        (r = loop_watch(a, &p->ctl, ours, EPOLLIN, on_ctl, err)) < 0)
        return r;
    ours = -1;
    if (j->await_go)
        (void)!write(p->ctl.fd, &go, 1);
    return 0;
}

int process_spawn(struct agent *a, struct container *c, uint32_t id, uint32_t seq, bool init,
                  const struct plan_process *plan, struct err *err)
{
    struct process *p = process_new(a, id, seq);
    int joins[PLAN_NS_COUNT];
    struct job j = {.a = a,
                    .c = c,
                    .p = plan,
                    .exec = !init,
                    .unattended = !init && !(plan->flags & PLAN_P_TERMINAL),
                    .join_pidfds = joins,
                    .ctl = -1,
                    .init_pidfd = -1,
                    .master = -1,
                    .slave = -1};
    int r;

    if (!p)
        return err_set(err, ENOMEM, "process: %m");
    p->container = c;
    p->is_init = init;
    p->state = j.unattended ? P_STARTING : P_SETUP;
    p->terminal = plan->flags & PLAN_P_TERMINAL;
    r = streams_pipes(p, plan, a->null_fd, j.stdio, err);
    if (r == 0)
        fork_chown_stdio(c, plan, j.stdio);
    if (r == 0)
        r = init ? fork_join_fds(a, &c->plan, joins, err) : 0;
    if (r == 0 && init)
        r = mounts_lend(&c->plan, &j.lent, err);
    if (r == 0 && !init)
        j.init_pidfd = c->init->pidfd.fd;
    if (r == 0)
        r = spawn(p, &j, err);
    mounts_lend_done(&j.lent);
    for (int i = 0; i < 3; i++)
        close_fd(&j.stdio[i]);
    if (r < 0 && p->pidfd.fd < 0) {
        process_free(a, p);
        return r;
    }
    if (init)
        c->init = p;
    p->owes_reply = true;
    if (r < 0) { /* the child lives: the error is told when it has gone */
        p->fail_code = -r;
        p->fail_text = strdup(err->msg);
        (void)sys_pidfd_send_signal(p->pidfd.fd, SIGKILL);
    }
    return 0;
}

static void send_start(struct process *p)
{
    char start = CTL_START;

    p->state = P_STARTING;
    (void)!send(p->ctl.fd, &start, 1, MSG_NOSIGNAL);
}

int process_start(struct agent *a, struct process *p, uint32_t seq, struct err *err)
{
    (void)a;
    if (!p->is_init || p->state != P_CREATED)
        return err_set(err, EINVAL, "container is not in state 'created'");
    p->seq = seq;
    p->owes_reply = true;
    send_start(p);
    return 0;
}

/* The child is ready to exec, and waits. */
static void child_ready(struct agent *a, struct process *p, const struct ctl_report *m)
{
    struct err err = ERR_INIT;
    int master = m->master < 0 ? -1 : sys_pidfd_getfd(p->pidfd.fd, m->master), r = 0;

    if (m->master >= 0 && master < 0)
        r = err_set(&err, errno, "take the terminal: %m");
    else if (master >= 0)
        r = streams_adopt(a, p, master, &err);
    if (r < 0) {
        p->fail_code = -r;
        p->fail_text = strdup(err.msg);
        (void)sys_pidfd_send_signal(p->pidfd.fd, SIGKILL);
    } else if (p->is_init) {
        p->state = P_CREATED;
        reply(a, p, 0, NULL);
    } else {
        send_start(p);
    }
}

/* One packet or the end of ctl; false when there is neither. */
static bool take_report(struct agent *a, struct process *p)
{
    struct ctl_report m;
    ssize_t n = p->ctl.fd < 0 ? -1 : recv(p->ctl.fd, &m, sizeof(m), 0);

    if (p->ctl.fd < 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return false;
    if (n != (ssize_t)sizeof(m)) {
        /* The end: exec'ed, or died on the way, which the pidfd tells. */
        loop_close(a, &p->ctl);
        if (p->state == P_STARTING && !p->fail_code) {
            p->state = P_RUNNING;
            reply(a, p, 0, NULL);
        }
        return false;
    }
    m.text[sizeof(m.text) - 1] = '\0';
    if (m.code == 0) {
        child_ready(a, p, &m);
    } else if (!p->fail_code) {
        p->fail_code = m.code;
        p->fail_text = strdup(m.text);
    }
    return true;
}

static void on_ctl(struct agent *a, struct source *s, uint32_t events)
{
    (void)events;
    (void)take_report(a, (struct process *)((char *)s - offsetof(struct process, ctl)));
}

int process_signal(struct agent *a, struct process *p, int signo, struct err *err)
{
    static const char not_fatal[] = {SIGCHLD, SIGCONT, SIGURG,  SIGWINCH,
                                     SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};

    (void)a;
    if (p->state == P_DEAD || p->pidfd.fd < 0)
        return err_set(err, ESRCH, "process already finished");
    /* The kernel shields pid 1 of a namespace from signals without a handler; before its exec the
     * container has no handlers, and a signal must not be lost. */
    if (p->state <= P_STARTING && signo && !memchr(not_fatal, signo, sizeof(not_fatal))) {
        p->kill_signo = signo;
        signo = SIGKILL;
    }
    if (sys_pidfd_send_signal(p->pidfd.fd, signo) < 0)
        return err_set(err, errno, "signal %d: %m", signo);
    return 0;
}

static void report_failure(struct agent *a, struct process *p)
{
    struct err err = ERR_INIT;

    if (!p->fail_code) {
        p->fail_code = EIO;
        err_set(&err, EIO, "process died during its set-up (status %d)", p->status);
    } else {
        err_set(&err, p->fail_code, "%s", p->fail_text ? p->fail_text : "out of memory");
    }
    reply(a, p, -p->fail_code, &err);
}

/* A process that never got as far as its program: the reply tells, there is no EXITED. */
static void died_in_setup(struct agent *a, struct process *p)
{
    struct container *c = p->container;

    if (p->is_init) {
        c = NULL;
        p->container->init = NULL;
        container_discard(a, steal_ptr(&p->container)); /* the reply says: nothing is left */
    }
    report_failure(a, p);
    process_free(a, p);
    container_changed(a, c);
}

static void on_pidfd(struct agent *a, struct source *s, uint32_t events)
{
    struct process *p = (struct process *)((char *)s - offsetof(struct process, pidfd));
    enum process_state was = p->state;
    uint32_t cid = p->container->id;
    siginfo_t si = {0};

    (void)events;
    if (waitid((idtype_t)P_PIDFD, (id_t)s->fd, &si, WEXITED | WNOHANG) < 0 || si.si_pid == 0)
        return;
    /* A report or the sign of the exec may still be in the socket. */
    while (take_report(a, p))
        ;
    p->status = si.si_code == CLD_EXITED ? si.si_status : -si.si_status;
    if (p->kill_signo && si.si_code != CLD_EXITED)
        p->status = -p->kill_signo;
    loop_close(a, &p->pidfd);
    loop_close(a, &p->streams[STREAM_STDIN].source);
    if (p->fail_code && was != P_SETUP && p->is_init)
        p->status = p->fail_code == ENOENT ? 127 : 126;
    if (was == P_SETUP || (p->fail_code && !p->is_init)) {
        p->state = P_DEAD;
        died_in_setup(a, p);
        return;
    }
    if (p->fail_code)
        report_failure(a, p);
    reply(a, p, 0, NULL);
    p->state = P_DEAD;
    if (p->is_init)
        container_init_gone(a, p->container);
    process_try_report(a, p); /* may free it, and with it a container to be deleted */
    container_changed(a, container_of_init(a, cid));
}

static bool streams_open(const struct process *p)
{
    return p->streams[STREAM_STDOUT].source.fd >= 0 || p->streams[STREAM_STDERR].source.fd >= 0;
}

void process_try_report(struct agent *a, struct process *p)
{
    struct msg_exited m = {.status = p->status,
                           .oom = p->oom,
                           .left_stdout = stream_left(p, STREAM_STDOUT),
                           .left_stderr = stream_left(p, STREAM_STDERR)};
    struct container *c = p->container;
    struct wbuf w = {0};

    if (p->state != P_DEAD)
        return;
    if (!p->exited_sent) {
        if (!a->channel.connected)
            return;
        if (p->is_init)
            machine_sync_share(a); /* what it wrote is the host's when it hears of it */
        fault_point(a, "exit");
        p->exited_sent = true;
        msg_exited_put(&w, &m);
        channel_send(a, FRAME_EXITED, p->id, 0, w.data, w.len);
        wbuf_done(&w);
    }
    if (!streams_open(p)) {
        process_free(a, p);
        container_changed(a, c);
    }
}

void processes_report(struct agent *a)
{
    struct process *next;

    for (struct process *p = a->processes; p; p = next) {
        next = p->next;
        process_try_report(a, p);
    }
}

/* DELETE: whoever is left is gone or dying; nobody is to hear of it any more. */
void processes_forget(struct agent *a, struct container *c)
{
    struct process *next;

    for (struct process *p = a->processes; p; p = next) {
        next = p->next;
        if (p->container != c)
            continue;
        /* The death of a process is told even when nobody took its last output. */
        streams_done(a, p);
        p->container = NULL;
        if (p->state == P_DEAD && !p->exited_sent && a->channel.connected)
            process_try_report(a, p);
        else
            process_free(a, p);
    }
    c->init = NULL;
}

bool processes_alive(const struct agent *a, const struct container *c)
{
    for (const struct process *p = a->processes; p; p = p->next)
        if (p->container == c && p->pidfd.fd >= 0)
            return true;
    return false;
}

/* As pid 1 we inherit what containers leave behind; our own children are reaped by their pidfd. */
void process_reap_strangers(struct agent *a)
{
    for (;;) {
        siginfo_t si = {0};
        struct process *p = a->processes;

        if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || si.si_pid == 0)
            return;
        while (p && (p->pid != si.si_pid || p->pidfd.fd < 0))
            p = p->next;
        if (p)
            on_pidfd(a, &p->pidfd, EPOLLIN);
        else
            (void)waitid(P_PID, (id_t)si.si_pid, &si, WEXITED | WNOHANG);
    }
}
