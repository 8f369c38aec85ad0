/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first container's process before there is a container: forked into the spare cgroup and into
 * namespaces of its own, it waits to be told whose it is. To fork is a part of what an emulator
 * has to translate until a container's program runs; clones of a template find it done. It shares
 * the agent's mounts until then, for the share is not mounted yet.
 */
#include "agent/container/child.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/storage/storage.h"
#include "agent/sys.h"
#include "base/cleanup.h"
#include "base/macros.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/* What it is told, in one packet with its stdio; the body of CREATE follows. */
struct word {
    uint32_t id, has_stdio; /* bit i: a descriptor comes for i */
    char share_dir[256];
};

static void plan_namespaces(struct plan_container *plan)
{
    plan->ns[PLAN_NS_PID] = plan->ns[PLAN_NS_IPC] = plan->ns[PLAN_NS_UTS] = PLAN_NS_NEW;
}

/* The end of an IPC namespace and of its file system would come before the news of the process's.
 */
static int hold_ipc(const struct agent *a, pid_t pid)
{
    char path[64];

    snprintf(path, sizeof(path), "%d/ns/ipc", (int)pid);
    return openat(a->proc_fd, path, O_RDONLY | O_CLOEXEC);
}

void sparechild_make(struct agent *a, struct container *c)
{
    struct sparechild *s = &a->sparechild;
    cleanup_fd int ours = -1, theirs = -1;
    int joins[PLAN_NS_COUNT] = {-1, -1, -1, -1, -1, -1, -1}, pair[2], pidfd = -1;
    struct job j = {.a = a,
                    .c = c,
                    .p = &c->plan.process,
                    .spare = true,
                    .stdio = {-1, -1, -1},
                    .join_pidfds = joins,
                    .init_pidfd = -1,
                    .master = -1,
                    .slave = -1};
    struct err err = ERR_INIT;
    bool in_cgroup;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return;
    ours = pair[0];
    theirs = j.ctl = pair[1];
    plan_namespaces(&c->plan);
    s->pid = fork_child(&j, ours, &pidfd, &in_cgroup, &err);
    if (s->pid < 0)
        return; /* each container forks for itself, and says why it cannot */
    s->ctl = steal_fd(&ours);
    s->pidfd = pidfd;
    c->ipc_fd = hold_ipc(a, s->pid);
    if (!in_cgroup)
        sparechild_drop(a);
}

void sparechild_drop(struct agent *a)
{
    struct sparechild *s = &a->sparechild;

    if (s->pidfd < 0)
        return;
    (void)sys_pidfd_send_signal(s->pidfd, SIGKILL);
    close_fd(&s->ctl);
    /* The cgroup that it is in counts it until it is reaped. */
    (void)waitid((idtype_t)P_PIDFD, (id_t)s->pidfd, NULL, WEXITED);
    close_fd(&s->pidfd);
}

/* It has the namespaces that nearly all containers want, and can make no others before those. It
 * hears what the host has asked for, which does not know the numbers of the disks' devices. */
static bool fits(const struct job *j)
{
    const struct plan_container *plan = &j->c->plan;
    struct plan_container own = {0};

    plan_namespaces(&own);
    for (int i = 0; i < PLAN_NS_COUNT; i++)
        if (i != PLAN_NS_MNT && i != PLAN_NS_CGROUP && plan->ns[i] != own.ns[i])
            return false;
    return plan->ns[PLAN_NS_CGROUP] != PLAN_NS_JOIN && j->c->request.p && !disks_wanted(plan);
}

static bool tell(const struct job *j, int ctl)
{
    struct word word = {.id = j->c->id};
    struct wire body = j->c->request;
    struct iovec iov[] = {{&word, sizeof(word)},
                          {(void *)(uintptr_t)body.p, (size_t)(body.end - body.p)}};
    union {
        char bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(iov)};
    int fds[3], n = 0;

    if (j->a->share_dir && strlen(j->a->share_dir) >= sizeof(word.share_dir))
        return false;
    strncpy(word.share_dir, j->a->share_dir ? j->a->share_dir : "", sizeof(word.share_dir) - 1);
    for (int i = 0; i < 3; i++) {
        if (j->stdio[i] < 0)
            continue;
        word.has_stdio |= 1u << i;
        fds[n++] = j->stdio[i];
    }
    if (n) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
        *CMSG_FIRSTHDR(&m) = (struct cmsghdr){.cmsg_len = CMSG_LEN((size_t)n * sizeof(int)),
                                              .cmsg_level = SOL_SOCKET,
                                              .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), fds, (size_t)n * sizeof(int));
    }
    return sendmsg(ctl, &m, MSG_NOSIGNAL) > 0; /* a plan may be too long for a packet */
}

pid_t sparechild_use(struct job *j, int *ret_ctl, int *ret_pidfd)
{
    struct sparechild *s = &j->a->sparechild;

    if (s->pidfd < 0)
        return 0;
    if (!fits(j) || !tell(j, s->ctl)) {
        sparechild_drop(j->a);
        return 0;
    }
    j->await_go = true;
    *ret_ctl = steal_fd(&s->ctl);
    *ret_pidfd = steal_fd(&s->pidfd);
    return s->pid;
}

static void take_stdio(struct msghdr *m, uint32_t has_stdio)
{
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    int fd, n = 0;

    for (int i = 0; i < 3; i++) {
        if (!(has_stdio & 1u << i) || !c)
            continue;
        memcpy(&fd, CMSG_DATA(c) + (size_t)n++ * sizeof(int), sizeof(fd));
        (void)dup2(fd, i);
        close(fd);
    }
}

/* In the child. The agent's end without a word is its end, too. */
void sparechild_await(struct job *j)
{
    static struct word word; /* j goes on with it */
    ssize_t n = recv(j->ctl, NULL, 0, MSG_PEEK | MSG_TRUNC);
    size_t len = n < (ssize_t)sizeof(word) ? 0 : (size_t)n - sizeof(word);
    cleanup_free uint8_t *body = malloc(len + 1);
    struct iovec iov[] = {{&word, sizeof(word)}, {body, len}};
    char control[CMSG_SPACE(3 * sizeof(int))] __attribute__((aligned(8)));
    struct msghdr m = {.msg_iov = iov,
                       .msg_iovlen = ARRAY_SIZE(iov),
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};

    if (n < (ssize_t)sizeof(word) || !body || recvmsg(j->ctl, &m, MSG_CMSG_CLOEXEC) != n)
        _exit(127);
    take_stdio(&m, word.has_stdio);
    memset(&j->c->plan, 0, sizeof(j->c->plan));
    if (plan_container_get(wire_over(body, len), &j->c->plan) < 0)
        _exit(127);
    j->c->id = word.id;
    j->a->share_dir = word.share_dir;
    j->await_go = true;
}
