/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP connections from the pod's loopback on the host to that of the VM: kubectl's port-forward.
 * One is a process without a pid: its stdin goes to the server, its stdout comes from there.
 */
#include "agent/container/container.h"
#include "agent/network/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/cleanup.h"

static void on_dialled(struct agent *a, struct source *s, uint32_t events);

static int failed(const struct process *p, int code, struct err *err)
{
    return err_set(err, code, "connect to port %u of the pod: %m", p->port);
}

static int dial(struct agent *a, struct process *p, int family, struct err *err)
{
    const struct sockaddr_in v4 = {.sin_family = AF_INET,
                                   .sin_port = htons(p->port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(p->port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool is_v4 = family == AF_INET;
    const struct sockaddr *to = is_v4 ? (const void *)&v4 : (const void *)&v6;
    cleanup_fd int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int r;

    if (fd < 0 || (connect(fd, to, is_v4 ? sizeof(v4) : sizeof(v6)) < 0 && errno != EINPROGRESS))
        return failed(p, errno, err);
    r = loop_watch(a, &p->ctl, fd, EPOLLOUT, on_dialled, err);
    if (r == 0)
        fd = -1;
    return r;
}

/* What a client writes in small pieces shall not wait for the server's acknowledgements. */
static int established(struct agent *a, struct process *p, struct err *err)
{
    const int on = 1;
    int r;

    loop_events(a, &p->ctl, 0);
    (void)setsockopt(p->ctl.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    r = streams_adopt(a, p, steal_fd(&p->ctl.fd), err);
    if (r == 0) {
        p->state = P_RUNNING;
        channel_reply(a, p->id, p->seq, 0, NULL);
    }
    return r;
}

/* A server may listen on one of the two loopbacks only. */
static void on_dialled(struct agent *a, struct source *s, uint32_t events)
{
    struct process *p = (struct process *)((char *)s - offsetof(struct process, ctl));
    int code = EIO, family = AF_UNSPEC, r;
    socklen_t len = sizeof(int);
    struct err err = ERR_INIT;

    (void)events;
    (void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &code, &len);
    (void)getsockopt(s->fd, SOL_SOCKET, SO_DOMAIN, &family, &len);
    if (code == 0) {
        r = established(a, p, &err);
    } else {
        loop_close(a, s);
        r = family == AF_INET ? dial(a, p, AF_INET6, &err) : failed(p, code, &err);
    }
    if (r < 0) {
        channel_reply(a, p->id, p->seq, r, &err);
        process_free(a, p);
    }
}

int connect_begin(struct agent *a, uint32_t id, uint32_t seq, uint16_t port, struct err *err)
{
    struct process *p = process_new(a, id, seq);
    int r;

    if (!p)
        return err_set(err, ENOMEM, "connection: %m");
    p->port = port;
    if ((r = dial(a, p, AF_INET, err)) < 0 && (r = dial(a, p, AF_INET6, err)) < 0)
        process_free(a, p);
    return r;
}

void connect_try_end(struct agent *a, struct process *p)
{
    if (p->streams[STREAM_STDIN].source.fd >= 0 || p->streams[STREAM_STDOUT].source.fd >= 0)
        return;
    p->state = P_DEAD;
    process_try_report(a, p);
}
