/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/ttrpc.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "base/cleanup.h"
#include "base/str.h"

#define READ_SIZE 8192
#define OUT_MAX (2u * TTRPC_DATA_MAX) /* a peer that does not read is dropped */

static void put_u32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t get_u32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

void ttrpc_head_put(uint8_t head[TTRPC_HEAD_SIZE], const struct ttrpc_head *h)
{
    put_u32(head, h->len);
    put_u32(head + 4, h->stream);
    head[8] = h->type;
    head[9] = h->flags;
}

int ttrpc_head_get(const uint8_t head[TTRPC_HEAD_SIZE], struct ttrpc_head *ret)
{
    struct ttrpc_head h = {get_u32(head), get_u32(head + 4), head[8], head[9]};

    if (h.len > TTRPC_DATA_MAX)
        return -EMSGSIZE;
    *ret = h;
    return 0;
}

static void keep(struct ttrpc_reader *r, const uint8_t *bytes, size_t n, size_t len)
{
    size_t have = r->got - TTRPC_HEAD_SIZE;

    if (have + n > r->cap) {
        r->cap = MIN(len, MAX(have + n, 2 * r->cap));
        r->data = xreallocarray(r->data, r->cap, 1);
    }
    memcpy(r->data + have, bytes, n);
    r->got += n;
}

long ttrpc_reader_take(struct ttrpc_reader *r, const uint8_t *bytes, size_t n,
                       struct ttrpc_head *ret, int *ret_whole)
{
    struct ttrpc_head h = {0};
    size_t taken = 0, left;

    *ret_whole = 0;
    if (r->got < TTRPC_HEAD_SIZE) {
        taken = MIN(n, TTRPC_HEAD_SIZE - r->got);
        memcpy(r->head + r->got, bytes, taken);
        r->got += taken;
    }
    if (r->got < TTRPC_HEAD_SIZE)
        return (long)taken;
    if (ttrpc_head_get(r->head, &h) < 0)
        return -EMSGSIZE;
    left = TTRPC_HEAD_SIZE + h.len - r->got;
    if (left > 0 && n > taken) {
        size_t more = MIN(left, n - taken);

        keep(r, bytes + taken, more, h.len);
        taken += more;
        left -= more;
    }
    *ret = h;
    *ret_whole = left == 0;
    return (long)taken;
}

void ttrpc_reader_done(struct ttrpc_reader *r)
{
    free(r->data);
    *r = (struct ttrpc_reader){0};
}

void ttrpc_link_close(struct ttrpc_link *l)
{
    if (l->source.fd < 0)
        return;
    (void)loop_watch(l->loop, &l->source, 0);
    close_fd(&l->source.fd);
    ttrpc_reader_done(&l->in);
    free(l->out);
    l->out = NULL;
    l->out_len = l->out_sent = 0;
    l->closed(l);
}

static void flush(struct ttrpc_link *l)
{
    while (l->out_sent < l->out_len) {
        ssize_t n =
            send(l->source.fd, l->out + l->out_sent, l->out_len - l->out_sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            (void)loop_watch(l->loop, &l->source, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0) {
            ttrpc_link_close(l);
            return;
        }
        l->out_sent += (size_t)n;
    }
    free(l->out);
    l->out = NULL;
    l->out_len = l->out_sent = 0;
    (void)loop_watch(l->loop, &l->source, EPOLLIN);
}

void ttrpc_link_send(struct ttrpc_link *l, uint32_t stream, enum ttrpc_type type,
                     const uint8_t *data, size_t len)
{
    struct ttrpc_head h = {(uint32_t)len, stream, (uint8_t)type, 0};

    if (l->source.fd < 0)
        return;
    if (len > TTRPC_DATA_MAX || l->out_len + len > OUT_MAX) {
        ttrpc_link_close(l);
        return;
    }
    l->out = xreallocarray(l->out, l->out_len + TTRPC_HEAD_SIZE + len, 1);
    ttrpc_head_put(l->out + l->out_len, &h);
    if (len > 0)
        memcpy(l->out + l->out_len + TTRPC_HEAD_SIZE, data, len);
    l->out_len += TTRPC_HEAD_SIZE + len;
    flush(l);
}

/* What was read may be several frames; the link may close at any of them. */
static void take(struct ttrpc_link *l, const uint8_t *bytes, size_t n)
{
    while (n > 0 && l->source.fd >= 0) {
        struct ttrpc_head h = {0};
        int whole;
        long taken = ttrpc_reader_take(&l->in, bytes, n, &h, &whole);

        if (taken < 0) {
            ttrpc_link_close(l);
            return;
        }
        bytes += taken;
        n -= (size_t)taken;
        if (!whole)
            continue;
        l->frame(l, &h, l->in.data);
        if (l->source.fd >= 0)
            ttrpc_reader_done(&l->in);
    }
}

static void on_ready(void *ctx, uint32_t events)
{
    struct ttrpc_link *l = ctx;
    uint8_t bytes[READ_SIZE];
    ssize_t n;

    if (events & EPOLLOUT)
        flush(l);
    if (l->source.fd < 0 || !(events & ~(uint32_t)EPOLLOUT))
        return;
    do
        n = recv(l->source.fd, bytes, sizeof(bytes), 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        ttrpc_link_close(l);
    else
        take(l, bytes, (size_t)n);
}

void ttrpc_link_open(struct ttrpc_link *l, struct loop *loop, int fd)
{
    l->loop = loop;
    l->source = (struct loop_source){.fd = fd, .fn = on_ready, .ctx = l};
    if (loop_watch(loop, &l->source, EPOLLIN) < 0)
        ttrpc_link_close(l);
}
