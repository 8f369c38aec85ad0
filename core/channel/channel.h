/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel.h - host side of the agent protocol over one non-blocking stream.
 * For the monitor, whose loop watches channel_fd() for channel_events() and calls on_readable and
 * on_writable. The guest is hostile: whatever breaks the protocol closes the channel with -EPROTO,
 * frames for processes that do not exist (any more) are dropped, log lines are rate limited, and
 * what waits to be written is bounded.
 */
#ifndef CHANNEL_CHANNEL_H
#define CHANNEL_CHANNEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "proto/wire.h"

#define CHANNEL_QUEUE_MAX (8u << 20) /* bytes that may wait to be written */
#define CHANNEL_PENDING_MAX 4096u    /* requests without a reply */

struct channel;

/*
 * What the guest sends by itself. Called from channel_on_readable; they may call everything here
 * but channel_free. Bodies and texts are borrowed.
 */
struct channel_ops {
    void (*hello)(void *ctx, const struct msg_hello *m);
    void (*exited)(void *ctx, uint32_t id, const struct msg_exited *m);
    void (*oom)(void *ctx, uint32_t id, const struct msg_oom *m);
    void (*log)(void *ctx, const char *text); /* printable */
    void (*data)(void *ctx, uint32_t id, unsigned stream, const uint8_t *p, size_t n);
    void (*eof)(void *ctx, uint32_t id, unsigned stream);
    void (*credit)(void *ctx, uint32_t id, unsigned stream); /* channel_window has grown */
    void (*gone)(void *ctx, uint32_t id, unsigned stream);   /* the guest's reader has closed */
    void (*names)(void *ctx, const uint8_t *p, size_t n);    /* a question to the name server */
};

/*
 * The reply to a request, or, when the channel ends before it came, a reply with code EPIPE.
 * *reply is borrowed.
 */
typedef void channel_reply_fn(void *ctx, const struct msg_reply *reply);

/*
 * Takes over fd, which becomes non-blocking, and begins a session: ATTACH is queued. Until the
 * guest's HELLO answers it, what comes is skipped as an older session's.
 */
int channel_new(int fd, const struct channel_ops *ops, void *ctx, struct channel **ret,
                struct err *err);
void channel_free(struct channel *c); /* pending requests get EPIPE; NULL is fine */

int channel_fd(const struct channel *c);
/* More waits to be written than is worth reading for. */
bool channel_congested(const struct channel *c);
short channel_events(const struct channel *c); /* POLLIN, POLLOUT */
/* One bounded portion of work; -EPIPE: the guest has closed, -EPROTO: it broke the protocol. */
int channel_on_readable(struct channel *c, struct err *err);
int channel_on_writable(struct channel *c, struct err *err);

/* body may be NULL. The reply comes exactly once unless this fails. done may be NULL. */
int channel_request(struct channel *c, uint16_t type, uint32_t id, const struct wbuf *body,
                    channel_reply_fn *done, void *ctx, struct err *err);

/* An answer to one of the guest's questions. Dropped, as datagrams are, where there is no room. */
void channel_send_names(struct channel *c, const void *p, size_t n);

/* Streams exist between open and close of their process. */
int channel_process_open(struct channel *c, uint32_t id); /* -EEXIST */
void channel_process_close(struct channel *c, uint32_t id);

/* Bytes that may be sent to a stream now; data beyond it is -EAGAIN. */
size_t channel_window(const struct channel *c, uint32_t id, unsigned stream);
int channel_send_data(struct channel *c, uint32_t id, unsigned stream, const void *p, size_t n);
int channel_send_eof(struct channel *c, uint32_t id, unsigned stream);
/* n bytes of the guest's stream have left this process. */
int channel_send_credit(struct channel *c, uint32_t id, unsigned stream, uint32_t n);
/* Nobody reads this stream any more. */
int channel_send_close(struct channel *c, uint32_t id, unsigned stream);

#endif
