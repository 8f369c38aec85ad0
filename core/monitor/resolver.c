/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions for names go from the guest to the name server of the container's namespace, and its
 * answers to the guest. The socket reaches that one server only, as a container's process would.
 */
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include "base/cleanup.h"
#include "monitor/monitor.h"

#define AT_ONCE 32 /* then others have their turn */

void resolver_ask(struct monitor *m, const uint8_t *question, size_t n)
{
    if (m->resolver.fd >= 0)
        (void)send(m->resolver.fd, question, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void on_answer(void *ctx, uint32_t events)
{
    struct monitor *m = ctx;
    uint8_t answer[NAMES_MAX];

    (void)events;
    for (int i = 0; i < AT_ONCE; i++) {
        ssize_t n = recv(m->resolver.fd, answer, sizeof(answer), MSG_DONTWAIT | MSG_TRUNC);

        if (n < 0) /* also ECONNREFUSED, of a server that is not there: who asks, asks again */
            break;
        if (m->channel && !m->channel_lost && (size_t)n <= sizeof(answer))
            channel_send_names(m->channel, answer, (size_t)n);
    }
    agent_link_update(m);
}

static void on_begun(struct process *p, const struct msg_reply *reply, struct reply_to *to)
{
    reply_agent(p->c->m, to, reply, PHASE_NETWORK);
}

static int begin(struct monitor *m, struct reply_to to, struct err *err)
{
    struct container *c = container_find(m, m->spec.id);
    cleanup_call(wbuf_done) struct wbuf w = {0};
    struct sockaddr_in server = {0};
    socklen_t len = sizeof(server);

    if (!c)
        return err_set_phase(err, PHASE_NETWORK, ENOENT, "the sandbox has no such container");
    if (getpeername(m->resolver.fd, (struct sockaddr *)&server, &len) < 0)
        return err_set_phase(err, PHASE_NETWORK, errno, "address of the name server: %m");
    msg_resolver_put(&w, &(struct msg_resolver){ntohl(server.sin_addr.s_addr)});
    return agent_call(c->processes, FRAME_RESOLVER, &w, on_begun, to, err);
}

void resolver_take(struct monitor *m, struct reply_to to, int *fd)
{
    struct err err = ERR_INIT;

    (void)loop_watch(&m->loop, &m->resolver, 0);
    close_fd(&m->resolver.fd);
    m->resolver = (struct loop_source){.fd = steal_fd(fd), .fn = on_answer, .ctx = m};
    if (loop_watch(&m->loop, &m->resolver, EPOLLIN) < 0)
        err_set_phase(&err, PHASE_NETWORK, ENOMEM, "watch the name server: %m");
    else
        (void)begin(m, to, &err);
    if (err.code)
        reply_err(m, &to, &err);
}
