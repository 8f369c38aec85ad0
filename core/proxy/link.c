/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/link.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "proto/message.h"

#define BODY_MAX 256 /* no frame for a proxy is longer */

static void send_frame(uint16_t type, struct wbuf *body)
{
    uint8_t buf[FRAME_HEAD_SIZE + BODY_MAX];
    struct frame_head head = {.type = type, .len = (uint32_t)body->len};
    size_t len = FRAME_HEAD_SIZE + body->len, sent = 0;

    if (wbuf_ok(body) && body->len <= BODY_MAX) {
        frame_head_put(buf, &head);
        if (body->len)
            memcpy(buf + FRAME_HEAD_SIZE, body->data, body->len);
        while (sent < len) {
            ssize_t n = send(IPC_FIRST_FD, buf + sent, len - sent, MSG_NOSIGNAL);

            if (n < 0 && errno != EINTR)
                break;
            sent += n > 0 ? (size_t)n : 0;
        }
    }
    wbuf_done(body);
}

void link_send_signal(unsigned signo)
{
    struct msg_signal msg = {.signo = signo};
    struct wbuf w = {0};

    msg_signal_put(&w, &msg);
    send_frame(IPC_PROXY_SIGNAL, &w);
}

void link_send_resize(unsigned rows, unsigned cols)
{
    struct msg_resize msg = {.rows = rows, .cols = cols};
    struct wbuf w = {0};

    msg_resize_put(&w, &msg);
    send_frame(IPC_PROXY_RESIZE, &w);
}

static void take_fds(struct msghdr *msg, struct link_frame *ret)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t n;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(ret->fds, CMSG_DATA(c), n * sizeof(int));
        ret->n_fds = n;
    }
}

static int read_part(void *p, size_t len, struct link_frame *ret)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(LINK_FDS_MAX * sizeof(int))];
    } control;
    size_t got = 0;

    while (got < len) {
        struct iovec iov = {.iov_base = (char *)p + got, .iov_len = len - got};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
        ssize_t n = recvmsg(IPC_FIRST_FD, &msg, MSG_CMSG_CLOEXEC);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        take_fds(&msg, ret);
        got += (size_t)n;
    }
    return 0;
}

int link_receive(struct link_frame *ret)
{
    uint8_t head[FRAME_HEAD_SIZE], body[BODY_MAX];
    struct frame_head h;
    struct msg_exited exited = {0};

    *ret = (struct link_frame){0};
    if (read_part(head, sizeof(head), ret) < 0 || frame_head_get(head, &h) < 0 ||
        h.len > sizeof(body) || read_part(body, h.len, ret) < 0)
        return -1;
    ret->type = h.type;
    if (h.type == IPC_PROXY_EXIT && msg_exited_get(wire_over(body, h.len), &exited) < 0)
        return -1;
    ret->status = exited.status;
    return 0;
}
