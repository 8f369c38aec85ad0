/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/publish.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include "base/cleanup.h"
#include "base/log.h"
#include "base/timing.h"
#include "shim.pb-c.h"
#include "shim/message.h"
#include "shim/ttrpc.h"

#define SERVICE "containerd.services.events.ttrpc.v1.Events"
#define METHOD "Forward"
#define TIMEOUT_MS 10000 /* for an answer */
#define RETRY_MS 1000    /* a containerd that is being restarted tells nobody when it is back */
#define QUEUE_MAX 4096

struct event {
    struct packed request;
    struct event *next;
};

struct publisher {
    struct ttrpc_link link; /* first: its callbacks get it */
    struct loop *loop;
    struct loop_timer timer;
    char *ns, *path;
    uint32_t stream; /* of the first event's request; even: it is not sent */
    struct event *first;
    size_t n;
};

static void next(struct publisher *p);

static void drop_first(struct publisher *p)
{
    struct event *e = p->first;

    p->first = e->next;
    p->n--;
    free(e->request.data);
    free(e);
}

static void not_sent(struct publisher *p)
{
    p->stream += p->stream % 2;
}

static void retry_later(struct publisher *p)
{
    not_sent(p);
    if (p->first)
        loop_arm(p->loop, &p->timer, deadline_in_ms(RETRY_MS));
}

static void on_closed(struct ttrpc_link *l)
{
    retry_later((struct publisher *)l);
}

/* What containerd refuses it would refuse again. */
static void on_frame(struct ttrpc_link *l, const struct ttrpc_head *h, const uint8_t *data)
{
    struct publisher *p = (struct publisher *)l;
    cleanup_call(message_free) Pb__Response *r = NULL;

    if (h->type != TTRPC_RESPONSE || h->stream != p->stream || !p->first)
        return;
    r = pb__response__unpack(NULL, h->len, data);
    if (r && r->status && r->status->code)
        log_warn("containerd refuses an event: %s", r->status->message);
    not_sent(p);
    drop_first(p);
    next(p);
}

static int connect_now(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    cleanup_fd int fd = -1;

    if (strlen(path) >= sizeof(addr.sun_path))
        return -ENAMETOOLONG;
    memcpy(addr.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
        return -errno;
    return steal_fd(&fd);
}

static bool connected(struct publisher *p)
{
    int fd;

    if (p->link.source.fd >= 0)
        return true;
    fd = connect_now(p->path);
    if (fd < 0)
        return false;
    ttrpc_link_open(&p->link, p->loop, fd);
    return p->link.source.fd >= 0;
}

/* One at a time: the order is kept, whatever has to be sent again. */
static void next(struct publisher *p)
{
    if (!p->first) {
        loop_disarm(p->loop, &p->timer);
        return;
    }
    if (p->stream % 2)
        return;
    if (!connected(p)) {
        retry_later(p);
        return;
    }
    loop_arm(p->loop, &p->timer, deadline_in_ms(TIMEOUT_MS));
    p->stream++;
    ttrpc_link_send(&p->link, p->stream, TTRPC_REQUEST, p->first->request.data,
                    p->first->request.len);
}

static void on_timer(void *ctx)
{
    struct publisher *p = ctx;

    if (p->stream % 2)
        ttrpc_link_close(&p->link); /* which tries again */
    else
        next(p);
}

struct publisher *publish_open(struct loop *loop, const char *ns, const char *path)
{
    struct publisher *p = xcalloc(1, sizeof(*p));

    if (path && str_starts_with(path, "unix://"))
        path += strlen("unix://");
    p->link = (struct ttrpc_link){.loop = loop, .frame = on_frame, .closed = on_closed};
    p->link.source.fd = -1;
    p->loop = loop;
    p->timer = (struct loop_timer){.fn = on_timer, .ctx = p};
    p->ns = xstrdup(ns);
    p->path = path && *path ? xstrdup(path) : NULL;
    return p;
}

static struct packed make_request(const struct publisher *p, const char *topic, const char *type,
                                  const ProtobufCMessage *m)
{
    Pb__Request request = PB__REQUEST__INIT;
    Pb__ForwardRequest forward = PB__FORWARD_REQUEST__INIT;
    Pb__Envelope envelope = PB__ENVELOPE__INIT;
    Pb__Timestamp at = PB__TIMESTAMP__INIT;
    Pb__Any any = PB__ANY__INIT;
    struct packed event = message_pack(m), body, packed;
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    at.seconds = now.tv_sec;
    at.nanos = (int32_t)now.tv_nsec;
    any.type_url = (char *)type;
    any.value.data = event.data;
    any.value.len = event.len;
    envelope.timestamp = &at;
    envelope.namespace_ = p->ns;
    envelope.topic = (char *)topic;
    envelope.event = &any;
    forward.envelope = &envelope;
    body = message_pack(&forward.base);
    request.service = (char *)SERVICE;
    request.method = (char *)METHOD;
    request.payload.data = body.data;
    request.payload.len = body.len;
    request.timeout_nano = TIMEOUT_MS * INT64_C(1000000);
    packed = message_pack(&request.base);
    free(event.data);
    free(body.data);
    return packed;
}

void publish(struct publisher *p, const char *topic, const char *type, const ProtobufCMessage *m)
{
    struct event **end = &p->first, *e;

    if (!p->path)
        return;
    if (p->n >= QUEUE_MAX) {
        log_warn("containerd does not listen: an event '%s' is lost", topic);
        return;
    }
    e = xcalloc(1, sizeof(*e));
    e->request = make_request(p, topic, type, m);
    while (*end)
        end = &(*end)->next;
    *end = e;
    p->n++;
    next(p);
}

bool publish_idle(const struct publisher *p)
{
    return !p->first;
}
