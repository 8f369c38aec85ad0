/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections to the pod's loopback on the host, each relayed to the server of that port in the
 * guest. One is a process of the sandbox's container that has no proxy and whose end nobody awaits.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "monitor/monitor.h"

#define CONNECTIONS_MAX 128 /* two descriptors each; others wait to be accepted */

/* Its client hears what it would have heard of the guest's server: a reset. */
static void refuse(int fd)
{
    static const struct linger at_once = {1, 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
}

static void on_connected(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    struct channel *channel = p->c->m->channel;

    (void)to;
    if (reply->code == 0) {
        stdio_start(p);
        return;
    }
    log_debug("forward: %s", reply->text ? reply->text : "the agent is gone");
    if (channel) { /* it may still come about: the reply was late */
        (void)channel_send_eof(channel, p->id, STREAM_STDIN);
        (void)channel_send_close(channel, p->id, STREAM_STDOUT);
    }
    refuse(p->io[STREAM_STDOUT].source.fd);
    p->dead = true;
}

static int ask_agent(struct process *p, uint16_t port, struct err *err)
{
    const struct msg_connect msg = {.port = port};
    const struct reply_to nobody = {0};
    struct wbuf w = {0};
    int r = process_open(p, err);

    msg_connect_put(&w, &msg);
    if (r == 0)
        r = agent_call(p, FRAME_CONNECT, &w, on_connected, nobody, err);
    wbuf_done(&w);
    return r;
}

/* The port is the one that the client has asked for, not the listener's. */
static void relay(struct container *c, int fd, uint16_t port)
{
    int fds[3] = {fcntl(fd, F_DUPFD_CLOEXEC, 0), fd, -1};
    struct process *p = process_add(c, fds, false, true);
    struct err err = ERR_INIT;

    p->forwarded = p->finished = p->no_wait = true;
    c->m->forward.n++;
    if (ask_agent(p, port, &err) < 0) {
        log_debug("forward: %s", err.msg);
        refuse(p->io[STREAM_STDOUT].source.fd);
        p->dead = true;
    }
}

static void watch(struct monitor *m)
{
    bool more = m->forward.n < CONNECTIONS_MAX;

    if (m->forward.listener.fd >= 0)
        (void)loop_watch(&m->loop, &m->forward.listener, more ? EPOLLIN : 0);
}

static void on_client(void *ctx, uint32_t events)
{
    struct monitor *m = ctx;
    struct container *c = container_find(m, m->spec.id);
    struct sockaddr_in to = {0};
    socklen_t len = sizeof(to);
    const int on = 1;
    cleanup_fd int fd = accept4(m->forward.listener.fd, NULL, NULL, SOCK_CLOEXEC);

    (void)events;
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) /* until one ends */
            (void)loop_watch(&m->loop, &m->forward.listener, 0);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (m->phase == MON_READY && c && c->status == STATE_RUNNING &&
        getsockname(fd, (struct sockaddr *)&to, &len) == 0)
        relay(c, steal_fd(&fd), ntohs(to.sin_port));
    else
        refuse(fd);
    watch(m);
}

void forward_ended(struct monitor *m)
{
    m->forward.n--;
    watch(m);
}

void forward_take(struct monitor *m, struct reply_to to, int fds[2])
{
    struct err err = {EALREADY, PHASE_NETWORK, "connections are forwarded already"};

    if (m->forward.link >= 0) {
        reply_err(m, &to, &err);
        return;
    }
    m->forward.listener = (struct loop_source){.fd = steal_fd(&fds[0]), .fn = on_client, .ctx = m};
    m->forward.link = steal_fd(&fds[1]);
    watch(m);
    reply_ok(m, &to, NULL, 0);
}
