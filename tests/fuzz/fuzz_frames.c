/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever one side of the channel may send: frames, then the body of each by its type. */
/* link: av_proto */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "proto/message.h"
#include "proto/network.h"
#include "proto/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was decoded must encode again to something that decodes. */
#define TRY(name_)                                                                                 \
    do {                                                                                           \
        struct msg_##name_ m_;                                                                     \
        if (msg_##name_##_get(b, &m_) == 0) {                                                      \
            struct wbuf w_ = {0};                                                                  \
            msg_##name_##_put(&w_, &m_);                                                           \
            msg_##name_##_done(&m_);                                                               \
            if (!wbuf_ok(&w_) || msg_##name_##_get(wire_over(w_.data, w_.len), &m_) < 0)           \
                abort();                                                                           \
            msg_##name_##_done(&m_);                                                               \
            wbuf_done(&w_);                                                                        \
        }                                                                                          \
    } while (0)
#define TRY_FLAT(name_)                                                                            \
    do {                                                                                           \
        struct msg_##name_ m_;                                                                     \
        (void)msg_##name_##_get(b, &m_);                                                           \
    } while (0)

static void try_plan(struct wire b)
{
    struct plan_container c;
    struct wbuf w = {0};

    if (plan_container_get(b, &c) < 0)
        return;
    plan_container_put(&w, &c);
    plan_container_done(&c);
    if (!wbuf_ok(&w) || plan_container_get(wire_over(w.data, w.len), &c) < 0)
        abort();
    plan_container_done(&c);
    wbuf_done(&w);
}

static void try_body(uint16_t type, struct wire b)
{
    struct plan_cgroup g;

    switch (type) {
    case FRAME_HELLO:
        TRY(hello);
        break;
    case FRAME_REPLY:
        TRY(reply);
        TRY(ps);
        TRY_FLAT(stats);
        break;
    case FRAME_EXITED:
        TRY_FLAT(exited);
        break;
    case FRAME_SETUP:
        TRY(setup);
        break;
    case FRAME_CREATE:
        try_plan(b);
        break;
    case FRAME_EXEC:
        TRY(exec);
        break;
    case FRAME_SIGNAL:
        TRY_FLAT(signal);
        break;
    case FRAME_RESIZE:
        TRY_FLAT(resize);
        break;
    case FRAME_CONNECT:
        TRY_FLAT(connect);
        break;
    case FRAME_RESOLVER:
        TRY_FLAT(resolver);
        break;
    case FRAME_CLOCK:
        TRY_FLAT(clock);
        break;
    case FRAME_CPUS:
        TRY_FLAT(cpus);
        break;
    case FRAME_NETWORK:
        TRY(network);
        break;
    case FRAME_UPDATE:
        if (plan_cgroup_get(b, &g) == 0)
            plan_cgroup_done(&g);
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_reader r = {0};
    size_t at = 0;

    while (at < size) {
        size_t n = size - at < 61 ? size - at : 61, room;
        uint8_t *to = frame_reader_space(&r, n, &room);
        struct frame_head h;
        const uint8_t *body;
        int got;

        if (!to)
            break;
        memcpy(to, data + at, n);
        frame_reader_commit(&r, n);
        at += n;
        while ((got = frame_reader_next(&r, &h, &body)) == 1)
            try_body(h.type, wire_over(body, h.len));
        if (got < 0)
            break;
    }
    frame_reader_done(&r);
    return 0;
}
