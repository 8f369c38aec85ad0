/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside.h - what the two halves of a channel share: channel.c sends, receive.c takes apart what
 * the guest says. For core/channel only.
 */
#ifndef CHANNEL_INSIDE_H
#define CHANNEL_INSIDE_H
#include "channel/channel.h"
#include "channel/queue.h"
#include "channel/streams.h"

struct pending {
    struct pending *next;
    uint32_t seq;
    channel_reply_fn *done;
    void *ctx;
};

/* Tokens come back with time; a guest that spends faster has broken the rules. */
struct bucket {
    uint64_t last_ns, tokens, burst, per_second;
};

struct channel {
    int fd;
    const struct channel_ops *ops;
    void *ctx;
    struct frame_reader in;
    struct queue out;
    struct pending *first, **tail;
    size_t n_pending;
    uint32_t next_seq;
    uint32_t session; /* seq of ATTACH and HELLO */
    bool greeted;
    size_t stale;    /* bytes skipped before HELLO */
    unsigned knocks; /* answered */
    struct streams streams;
    struct bucket log, stray;
    uint64_t log_lost;
};

/* Greet the guest, again if need be: it answers with HELLO and this session's number. */
int channel_attach(struct channel *c);

/* Hand the reply to who waits for it; frees p, which is in no list any more. */
void channel_finish(struct pending *p, const struct msg_reply *reply);

#endif
