/* SPDX-License-Identifier: Apache-2.0 */
#include "base/netlink.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/cleanup.h"

#define DUMP_BYTES (64u << 10)
#define DUMP_TRIES 8 /* of tables that keep changing */

int netlink_open(struct netlink *ret, struct err *err)
{
    const int on = 1;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0)
        return err_set(err, errno, "open a netlink socket: %m");
    /* Only for better sentences. */
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
    /* Else a dump of rules or addresses tells of other families, too. */
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
    *ret = (struct netlink){.fd = fd};
    return 0;
}

/* Not inlined: with sanitizers gcc 12 warns of overflows that cannot be. */
__attribute__((noinline)) static void *grow(struct netlink_msg *m, size_t len)
{
    size_t at = m->head.nlmsg_len, end = NLMSG_ALIGN(at + len);

    if (m->full || len > NETLINK_MSG_MAX || end > NETLINK_MSG_MAX) {
        m->full = true;
        return NULL;
    }
    memset(m->bytes + at, 0, end - at);
    m->head.nlmsg_len = (uint32_t)end;
    return m->bytes + at;
}

void *netlink_begin(struct netlink_msg *m, uint16_t type, uint16_t flags, size_t header)
{
    m->full = false;
    m->head = (struct nlmsghdr){
        .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = type, .nlmsg_flags = flags | NLM_F_REQUEST};
    return grow(m, header);
}

void netlink_put(struct netlink_msg *m, uint16_t type, const void *data, size_t len)
{
    struct nlattr *a = grow(m, NLA_HDRLEN + len);

    if (!a)
        return;
    a->nla_type = type;
    a->nla_len = (uint16_t)(NLA_HDRLEN + len);
    if (len)
        memcpy((uint8_t *)a + NLA_HDRLEN, data, len);
}

void netlink_put_u32(struct netlink_msg *m, uint16_t type, uint32_t value)
{
    netlink_put(m, type, &value, sizeof(value));
}

void netlink_put_str(struct netlink_msg *m, uint16_t type, const char *text)
{
    netlink_put(m, type, text, strlen(text) + 1);
}

size_t netlink_nest(struct netlink_msg *m, uint16_t type)
{
    size_t mark = m->head.nlmsg_len;

    netlink_put(m, type | NLA_F_NESTED, NULL, 0);
    return mark;
}

void netlink_nest_end(struct netlink_msg *m, size_t mark)
{
    struct nlattr *a = (struct nlattr *)(m->bytes + mark);

    if (!m->full)
        a->nla_len = (uint16_t)(m->head.nlmsg_len - mark);
}

static int send_it(struct netlink *nl, struct netlink_msg *m, struct err *err)
{
    ssize_t n;

    if (m->full)
        return err_set(err, EMSGSIZE, "a netlink request is too long");
    m->head.nlmsg_seq = ++nl->seq;
    do
        n = send(nl->fd, m->bytes, m->head.nlmsg_len, 0);
    while (n < 0 && errno == EINTR);
    return n < 0 ? err_set(err, errno, "send a netlink request: %m") : 0;
}

/* The kernel's own sentence, behind what an acknowledgement repeats of the request. */
static void say_why(const struct nlmsghdr *h, const struct nlmsgerr *e, struct err *err)
{
    const struct nlattr *table[NLMSGERR_ATTR_MSG + 1];
    size_t skip = sizeof(*e);
    char text[256];

    if (!(h->nlmsg_flags & NLM_F_CAPPED))
        skip += e->msg.nlmsg_len - sizeof(e->msg);
    if (h->nlmsg_flags & NLM_F_ACK_TLVS) {
        netlink_parse(h, skip, table, ARRAY_SIZE(table));
        netlink_str(table[NLMSGERR_ATTR_MSG], text, sizeof(text));
    } else {
        text[0] = '\0';
    }
    if (text[0])
        err_set(err, -e->error, "%m (%s)", text);
    else
        err_set(err, -e->error, "%m");
}

/* 1: the request's end was seen, 0 go on; or -errno. */
static int end_of(const struct nlmsghdr *h, struct err *err)
{
    const struct nlmsgerr *e = NLMSG_DATA(h);

    if (h->nlmsg_type == NLMSG_DONE)
        return 1;
    if (h->nlmsg_type != NLMSG_ERROR)
        return 0;
    if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
        return err_set(err, EPROTO, "a netlink answer is cut off");
    if (e->error == 0)
        return 1;
    say_why(h, e, err);
    return e->error;
}

static int take_one(const struct nlmsghdr *h, const struct netlink_walk *walk, bool *changed,
                    struct err *err)
{
    int r = end_of(h, err);

    *changed = *changed || (h->nlmsg_flags & NLM_F_DUMP_INTR);
    if (r != 0 || !walk || h->nlmsg_type < NLMSG_MIN_TYPE)
        return r;
    r = walk->each(walk->ctx, h);
    return r < 0 ? r : 0;
}

/* Until the answer's end. */
static int receive(struct netlink *nl, const struct netlink_walk *walk, bool *changed,
                   struct err *err)
{
    cleanup_free uint8_t *buf = malloc(DUMP_BYTES);
    int r = 0;

    if (!buf)
        return err_set(err, ENOMEM, "no memory for a netlink answer");
    while (r == 0) {
        ssize_t n = recv(nl->fd, buf, DUMP_BYTES, 0);
        struct nlmsghdr *h = (struct nlmsghdr *)buf;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, n < 0 ? errno : EPIPE, "read a netlink answer: %m");
        for (int left = (int)n; r == 0 && NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
            if (h->nlmsg_seq == nl->seq)
                r = take_one(h, walk, changed, err);
    }
    return r < 0 ? r : 0;
}

int netlink_ask(struct netlink *nl, struct netlink_msg *m, struct err *err)
{
    bool changed = false;
    int r;

    m->head.nlmsg_flags |= NLM_F_ACK;
    r = send_it(nl, m, err);
    return r < 0 ? r : receive(nl, NULL, &changed, err);
}

int netlink_dump(struct netlink *nl, struct netlink_msg *m, const struct netlink_walk *walk,
                 struct err *err)
{
    m->head.nlmsg_flags |= NLM_F_DUMP;
    for (int i = 0; i < DUMP_TRIES; i++) {
        bool changed = false;
        int r = send_it(nl, m, err);

        if (r == 0)
            r = receive(nl, walk, &changed, err);
        if (r < 0 || !changed)
            return r;
        if (walk->again)
            walk->again(walk->ctx);
    }
    return err_set(err, EAGAIN, "a table of the kernel keeps changing while it is read");
}

static void parse(const uint8_t *p, size_t left, const struct nlattr **table, size_t n)
{
    memset(table, 0, n * sizeof(*table));
    while (left >= NLA_HDRLEN) {
        const struct nlattr *a = (const struct nlattr *)p;
        size_t type = a->nla_type & NLA_TYPE_MASK, step = NLA_ALIGN(a->nla_len);

        if (a->nla_len < NLA_HDRLEN || a->nla_len > left)
            return;
        if (type < n)
            table[type] = a;
        if (step >= left)
            return;
        p += step;
        left -= step;
    }
}

void netlink_parse(const struct nlmsghdr *h, size_t header, const struct nlattr **table, size_t n)
{
    size_t skip = NLMSG_HDRLEN + NLMSG_ALIGN(header);

    parse((const uint8_t *)h + skip, h->nlmsg_len > skip ? h->nlmsg_len - skip : 0, table, n);
}

void netlink_parse_nest(const struct nlattr *nest, const struct nlattr **table, size_t n)
{
    parse(nest ? netlink_data(nest) : NULL, netlink_len(nest), table, n);
}

const void *netlink_data(const struct nlattr *a)
{
    return (const uint8_t *)a + NLA_HDRLEN;
}

size_t netlink_len(const struct nlattr *a)
{
    return a ? (size_t)a->nla_len - NLA_HDRLEN : 0;
}

uint32_t netlink_u32(const struct nlattr *a, uint32_t otherwise)
{
    uint32_t v = otherwise;

    if (netlink_len(a) >= sizeof(v))
        memcpy(&v, netlink_data(a), sizeof(v));
    return v;
}

void netlink_str(const struct nlattr *a, char *buf, size_t size)
{
    size_t n = MIN(netlink_len(a), size - 1);

    if (n)
        memcpy(buf, netlink_data(a), n);
    buf[n] = '\0';
}
