/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/relay.h"
#include <errno.h>
#include <stdlib.h>
#include "base/cleanup.h"

#define CHUNK 4096
#define ROUNDS 16 /* others have their turn, too */

void relay_end(struct relay *r)
{
    if (r->dead)
        return;
    (void)loop_watch(r->loop, &r->from, 0);
    (void)loop_watch(r->loop, &r->to, 0);
    close_fd(&r->from.fd);
    close_fd(&r->to.fd);
    free(r->rest);
    r->rest = NULL;
    r->dead = true;
    if (r->stdin_of)
        r->stdin_of->stdin_relay = NULL;
}

static ssize_t write_some(struct relay *r, const uint8_t *data, size_t n)
{
    ssize_t done;

    do
        done = write(r->to.fd, data, n);
    while (done < 0 && errno == EINTR);
    return done < 0 && errno == EAGAIN ? 0 : done;
}

/* Until there is room: nothing more is read. */
static void wait_for_room(struct relay *r)
{
    (void)loop_watch(r->loop, &r->from, 0);
    if (loop_watch(r->loop, &r->to, EPOLLOUT) < 0)
        relay_end(r);
}

static void wait_for_data(struct relay *r)
{
    (void)loop_watch(r->loop, &r->to, 0);
    if (loop_watch(r->loop, &r->from, EPOLLIN) < 0)
        relay_end(r);
}

/* 1: go on, 0: wait for the next event or ended. */
static int move(struct relay *r)
{
    uint8_t chunk[CHUNK];
    ssize_t n = read(r->from.fd, chunk, sizeof(chunk)), done;

    if (n < 0 && (errno == EINTR || (errno == EAGAIN && !r->last)))
        return 0;
    if (n <= 0) { /* also EIO: the terminal's other side has closed */
        relay_end(r);
        return 0;
    }
    done = write_some(r, chunk, (size_t)n);
    if (done < 0) {
        relay_end(r);
        return 0;
    }
    if (done == n)
        return 1;
    r->len = (size_t)(n - done);
    r->sent = 0;
    r->rest = xmemdup(chunk + done, r->len);
    wait_for_room(r);
    return 0;
}

static void on_from(void *ctx, uint32_t events)
{
    struct relay *r = ctx;

    (void)events;
    for (int i = 0; (r->last || i < ROUNDS) && move(r) > 0; i++)
        ;
}

static void on_to(void *ctx, uint32_t events)
{
    struct relay *r = ctx;
    ssize_t done = write_some(r, r->rest + r->sent, r->len - r->sent);

    (void)events;
    if (done < 0) {
        relay_end(r);
        return;
    }
    r->sent += (size_t)done;
    if (r->sent < r->len)
        return;
    free(r->rest);
    r->rest = NULL;
    if (r->last)
        on_from(r, 0);
    if (!r->dead && !r->rest)
        wait_for_data(r);
}

void relay_finish(struct relay *r)
{
    r->last = true;
    if (!r->rest)
        on_from(r, 0);
}

struct relay *relay_start(struct shim *s, int from, int to)
{
    struct relay *r = xcalloc(1, sizeof(*r));

    r->loop = &s->loop;
    r->from = (struct loop_source){.fd = from, .fn = on_from, .ctx = r};
    r->to = (struct loop_source){.fd = to, .fn = on_to, .ctx = r};
    r->next = s->relays;
    s->relays = r;
    wait_for_data(r);
    return r;
}
