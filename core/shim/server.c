/* SPDX-License-Identifier: Apache-2.0 */
/* The ttrpc server: containerd's connections, its requests by name, our answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/timing.h"
#include "shim.pb-c.h"
#include "shim/message.h"
#include "shim/shim.h"
#include "shim/ttrpc.h"

#define LEAVE_MS 5000 /* for what is still to be said */

/* The messages of both are the same. */
static const char *const services[] = {"containerd.task.v2.Task", "containerd.task.v3.Task"};

struct conn {
    struct ttrpc_link link; /* first: its callbacks get it */
    struct shim *s;
    uint64_t number;
    bool dead;
    struct conn *next;
};

static struct conn *conn_find(struct shim *s, uint64_t number)
{
    struct conn *c = s->conns;

    while (c && (c->number != number || c->dead))
        c = c->next;
    return c;
}

static void respond(struct shim *s, const struct call *to, Pb__Response *response)
{
    struct conn *c = conn_find(s, to->conn);
    struct packed p = message_pack(&response->base);

    if (c)
        ttrpc_link_send(&c->link, to->stream, TTRPC_RESPONSE, p.data, p.len);
    free(p.data);
}

void call_reply(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    Pb__Response response = PB__RESPONSE__INIT;
    struct packed p = message_pack(m);

    response.payload.data = p.data;
    response.payload.len = p.len;
    respond(s, c, &response);
    free(p.data);
}

void call_fail(struct shim *s, const struct call *c, enum code code, const char *text)
{
    Pb__Response response = PB__RESPONSE__INIT;
    Pb__Status status = PB__STATUS__INIT;
    cleanup_free char *message = xstrdup(text);

    message_tame(message);
    status.code = (int32_t)code;
    status.message = message;
    response.status = &status;
    respond(s, c, &response);
}

static bool is_ours(const char *service)
{
    for (size_t i = 0; i < ARRAY_SIZE(services); i++)
        if (strcmp(service, services[i]) == 0)
            return true;
    return false;
}

static const struct method *find_method(const Pb__Request *r)
{
    if (!is_ours(r->service))
        return NULL;
    for (const struct method *m = service_methods; m->name; m++)
        if (strcmp(m->name, r->method) == 0)
            return m;
    return NULL;
}

static void dispatch(struct shim *s, const struct call *c, const Pb__Request *r)
{
    const struct method *method = find_method(r);
    cleanup_call(message_free) ProtobufCMessage *m = NULL;
    cleanup_free char *text = NULL;

    if (!method) {
        text = xasprintf("this shim has no '%s' of '%s'", r->method, r->service);
        call_fail(s, c, CODE_UNIMPLEMENTED, text);
        return;
    }
    log_debug("%s", r->method);
    m = protobuf_c_message_unpack(method->request, NULL, r->payload.len, r->payload.data);
    if (m) {
        method->fn(s, c, m);
        return;
    }
    text = xasprintf("malformed request '%s'", r->method);
    call_fail(s, c, CODE_INVALID_ARGUMENT, text);
}

static void on_frame(struct ttrpc_link *l, const struct ttrpc_head *h, const uint8_t *data)
{
    struct conn *conn = (struct conn *)l;
    const struct call c = {conn->number, h->stream};
    cleanup_call(message_free) Pb__Request *r = NULL;

    if (h->type != TTRPC_REQUEST || h->stream % 2 == 0) {
        ttrpc_link_close(l);
        return;
    }
    r = pb__request__unpack(NULL, h->len, data);
    if (r)
        dispatch(conn->s, &c, r);
    else
        call_fail(conn->s, &c, CODE_INVALID_ARGUMENT, "malformed request");
}

static void on_closed(struct ttrpc_link *l)
{
    ((struct conn *)l)->dead = true;
}

static void on_listener(void *ctx, uint32_t events)
{
    struct shim *s = ctx;
    int fd = accept4(s->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct conn *c;

    (void)events;
    if (fd < 0)
        return;
    c = xcalloc(1, sizeof(*c));
    c->s = s;
    c->number = ++s->last_conn;
    c->link.frame = on_frame;
    c->link.closed = on_closed;
    c->next = s->conns;
    s->conns = c;
    ttrpc_link_open(&c->link, &s->loop, fd);
}

int server_open(struct shim *s, int listener, struct err *err)
{
    int r;

    s->listener = (struct loop_source){.fd = listener, .fn = on_listener, .ctx = s};
    r = loop_watch(&s->loop, &s->listener, EPOLLIN);
    return r < 0 ? err_set(err, -r, "wait for connections: %m") : 0;
}

bool server_idle(const struct shim *s)
{
    for (const struct conn *c = s->conns; c; c = c->next)
        if (!c->dead && c->link.out)
            return false;
    return true;
}

void server_sweep(struct shim *s)
{
    struct conn **p = &s->conns;

    while (*p) {
        struct conn *c = *p;

        if (!c->dead) {
            p = &c->next;
            continue;
        }
        *p = c->next;
        free(c);
    }
}

void shim_leave(struct shim *s)
{
    if (s->leaving)
        return;
    s->leaving = true;
    /* The next task of this name shall not find us. */
    (void)unlink(s->socket);
    loop_arm(&s->loop, &s->grace, deadline_in_ms(LEAVE_MS));
}
