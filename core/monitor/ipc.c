/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/ipc.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/timing.h"

#define LAST_WORDS_MS 2000
#define SEQ_ALIVE 0x7fffffffu
#define SEQ_CALL                                                                                   \
    (UINT32_C(1) << 31) /* ipc_call's numbers are never those of pipelined requests                \
                         */

int ipc_connect(const char *sandbox_dir, struct err *err)
{
    cleanup_free char *path = path_join(sandbox_dir, IPC_SOCKET);
    int fd = fd_unix_connect(path, err);

    return fd < 0 ? err_wrap(err, "monitor") : fd;
}

int ipc_send(int sock, uint16_t type, uint32_t seq, const struct wbuf *body, const int *fds,
             size_t n_fds, struct err *err)
{
    struct frame_head head = {.type = type, .seq = seq};
    cleanup_free uint8_t *buf = NULL;

    if (body && !wbuf_ok(body))
        return err_set(err, ENOMEM, "no memory for a request to the monitor");
    if (body && body->len > FRAME_BODY_MAX)
        return err_set(err, E2BIG, "a request of %zu bytes is too large for the monitor",
                       body->len);
    head.len = body ? (uint32_t)body->len : 0;
    buf = xcalloc(1, FRAME_HEAD_SIZE + head.len);
    frame_head_put(buf, &head);
    if (head.len)
        memcpy(buf + FRAME_HEAD_SIZE, body->data, head.len);
    if (fd_send(sock, buf, FRAME_HEAD_SIZE + head.len, fds, n_fds, err) < 0)
        return err_wrap(err, "monitor");
    return 0;
}

static int read_some(int sock, uint8_t *p, size_t len, uint64_t deadline_ns, struct err *err)
{
    while (len > 0) {
        ssize_t n;
        int r = fd_wait(sock, POLLIN, deadline_left_ms(deadline_ns));

        if (r < 0)
            return err_set(err, -r, "wait for the monitor: %m");
        if (r == 0)
            return err_set(err, ETIMEDOUT, "the monitor has not answered in time");
        n = read(sock, p, len);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0 && errno != ECONNRESET)
            return err_set(err, errno, "read from the monitor: %m");
        if (n <= 0)
            return err_set(err, EPIPE, "the monitor has died");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

/* One whole frame; *ret_body is the caller's. Reads nothing beyond it. */
static int read_frame(int sock, uint64_t deadline_ns, struct frame_head *ret, uint8_t **ret_body,
                      struct err *err)
{
    uint8_t head[FRAME_HEAD_SIZE];
    cleanup_free uint8_t *body = NULL;
    int r;

    if ((r = read_some(sock, head, sizeof(head), deadline_ns, err)) < 0)
        return r;
    if (frame_head_get(head, ret) < 0)
        return err_set(err, EPROTO, "the monitor has sent a malformed frame");
    body = xcalloc(1, ret->len + 1);
    if ((r = read_some(sock, body, ret->len, deadline_ns, err)) < 0)
        return r;
    *ret_body = steal_ptr(&body);
    return 0;
}

static int reply_error(const struct ipc_reply *reply, struct err *err)
{
    return err_set_phase(err, (enum err_phase)reply->phase, reply->code, "%s",
                         reply->text ? reply->text : strerror(reply->code));
}

int ipc_wait(int sock, uint32_t seq, uint64_t deadline_ns, struct ipc_reply *ret, struct err *err)
{
    for (;;) {
        cleanup_free uint8_t *body = NULL;
        cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
        struct frame_head head;
        int r;

        if ((r = read_frame(sock, deadline_ns, &head, &body, err)) < 0)
            return r;
        if (head.type != IPC_REPLY && head.type != IPC_END)
            continue;
        if (ipc_reply_get(wire_over(body, head.len), &reply) < 0)
            return err_set(err, EPROTO, "the monitor has sent a malformed reply");
        if (reply.code) /* of the request, or why there will be no reply */
            return reply_error(&reply, err);
        if (head.type == IPC_END || head.seq != seq)
            continue;
        if (ret) {
            *ret = reply;
            reply = (struct ipc_reply){0};
        }
        return 0;
    }
}

int ipc_last_words(int sock, struct err *err)
{
    uint64_t deadline = deadline_in_ms(LAST_WORDS_MS);

    /* A process that dies closes its sockets one by one: one that answers has not died. */
    (void)ipc_send(sock, IPC_TIMINGS, SEQ_ALIVE, NULL, NULL, 0, NULL);
    for (;;) {
        cleanup_free uint8_t *body = NULL;
        cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
        struct frame_head head;
        int r = read_frame(sock, deadline, &head, &body, err);

        if (r == -ETIMEDOUT)
            return 0;
        if (r < 0) {
            (void)err_set(err, EPIPE, "the container's monitor was killed");
            return 1;
        }
        if (head.type == IPC_REPLY && head.seq == SEQ_ALIVE)
            return 0;
        if (head.type != IPC_END || ipc_reply_get(wire_over(body, head.len), &reply) < 0)
            continue;
        if (reply.code)
            (void)reply_error(&reply, err);
        return reply.code != 0;
    }
}

int ipc_call(int sock, uint16_t type, const struct wbuf *body, uint64_t deadline_ns,
             struct ipc_reply *ret, struct err *err)
{
    uint32_t seq = (uint32_t)(now_ns() >> 10) | SEQ_CALL;
    int r = ipc_send(sock, type, seq, body, NULL, 0, err);

    return r < 0 ? r : ipc_wait(sock, seq, deadline_ns, ret, err);
}
