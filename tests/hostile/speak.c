/* SPDX-License-Identifier: Apache-2.0 */
#include "hostile.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>
#include "proto/message.h"

_Noreturn void speak_no_more(void)
{
    for (;;)
        pause();
}

_Noreturn void speak_end(const struct hostile *h)
{
    if (h->machine)
        (void)reboot(RB_POWER_OFF);
    _exit(0);
}

void speak_raw(struct hostile *h, const void *p, size_t n)
{
    const uint8_t *at = p;

    while (n > 0) {
        ssize_t w = write(h->fd, at, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            speak_no_more(); /* the host has closed its end, and will end us */
        at += w;
        n -= (size_t)w;
    }
}

void speak(struct hostile *h, uint16_t type, uint32_t id, uint32_t seq, const void *body, size_t n)
{
    struct frame_head head = {.type = type, .len = (uint32_t)n, .id = id, .seq = seq};
    uint8_t raw[FRAME_HEAD_SIZE];

    frame_head_put(raw, &head);
    speak_raw(h, raw, sizeof(raw));
    speak_raw(h, body, n);
}

void speak_body(struct hostile *h, uint16_t type, uint32_t id, uint32_t seq, struct wbuf *body)
{
    speak(h, type, id, seq, body->data, body->len);
    wbuf_done(body);
}

void speak_hello(struct hostile *h, uint32_t session, uint32_t version, const char *kernel)
{
    struct msg_hello m = {
        .version = version, .kernel = (char *)kernel, .arch = "x", .agent = "hostile"};
    struct wbuf w = {0};

    msg_hello_put(&w, &m);
    speak_body(h, FRAME_HELLO, 0, session, &w);
}

void speak_reply(struct hostile *h, uint32_t seq, int code, const char *text, struct wbuf *body)
{
    struct msg_reply m = {.code = code, .text = (char *)text};
    struct wbuf w = {0};

    if (body) {
        m.body = body->data;
        m.body_len = body->len;
    }
    msg_reply_put(&w, &m);
    speak_body(h, FRAME_REPLY, 0, seq, &w);
    if (body)
        wbuf_done(body);
}

void speak_data(struct hostile *h, uint32_t id, unsigned stream, size_t n)
{
    static uint8_t block[STREAM_DATA_MAX];

    memset(block, 'x', sizeof(block));
    for (size_t part; n > 0; n -= part) {
        part = n < sizeof(block) ? n : sizeof(block);
        speak(h, FRAME_DATA, id, stream, block, part);
    }
}

void speak_exited(struct hostile *h, uint32_t id, int status, uint64_t left)
{
    struct msg_exited m = {.status = status, .left_stdout = left};
    struct wbuf w = {0};

    msg_exited_put(&w, &m);
    speak_body(h, FRAME_EXITED, id, 0, &w);
}

static void end_process(struct hostile *h, uint32_t id, int status)
{
    speak(h, FRAME_EOF, id, STREAM_STDOUT, NULL, 0);
    speak(h, FRAME_EOF, id, STREAM_STDERR, NULL, 0);
    speak_exited(h, id, status, 0);
}

static void take_signal(struct hostile *h, const struct frame_head *q, const uint8_t *body)
{
    struct msg_signal m = {0};

    (void)msg_signal_get(wire_over(body, q->len), &m);
    speak_reply(h, q->seq, 0, NULL, NULL);
    if (m.signo == SIGKILL || m.signo == SIGTERM)
        end_process(h, q->id, -(int)m.signo);
}

/* Clones draw the same random numbers unless the host gives each of them enough of its own. */
static bool makes_different(const struct frame_head *q, const uint8_t *body)
{
    struct msg_setup m = {0};
    bool enough = msg_setup_get(wire_over(body, q->len), &m) == 0 && m.entropy_len >= 32 &&
                  memcmp(m.entropy, m.entropy + 1, m.entropy_len - 1) != 0;

    msg_setup_done(&m);
    return enough;
}

void speak_honestly(struct hostile *h, const struct frame_head *q, const uint8_t *body)
{
    if (q->type == FRAME_SETUP && body && !makes_different(q, body)) {
        speak_reply(h, q->seq, EINVAL, "no random numbers", NULL);
        return;
    }
    if (q->type == FRAME_SIGNAL) {
        take_signal(h, q, body);
        return;
    }
    if (q->type >= FRAME_DATA)
        return; /* nobody reads here; a window full of it does no harm */
    speak_reply(h, q->seq, 0, NULL, NULL);
    if (q->type == FRAME_CREATE)
        h->init = q->id;
    else if (q->type == FRAME_START)
        speak(h, FRAME_DATA, q->id, STREAM_STDOUT, "up\n", 3);
    else if (q->type == FRAME_EXEC)
        end_process(h, q->id, 0);
    else if (q->type == FRAME_POWEROFF)
        speak_end(h);
}
