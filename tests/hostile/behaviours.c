/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers to the host. The tables at the end of this file and of running.c are what there is;
 * tests/integration/hostile.sh says what must follow.
 */
#include "hostile.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "proto/message.h"

#define ESCAPES "\033]0;owned\a\033[2J\033[31mred"

/* The host's ATTACH is all that has been said. */

static void do_silence(struct hostile *h, const struct frame_head *q)
{
    (void)h;
    (void)q;
    speak_no_more();
}

static void do_garbage(struct hostile *h, const struct frame_head *q)
{
    uint8_t noise[4096];

    (void)q;
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)(i * 167 + 13);
    for (;;)
        speak_raw(h, noise, sizeof(noise));
}

static void put_head(uint8_t *raw, uint16_t type, uint32_t len)
{
    struct frame_head head = {.type = type, .len = len};

    frame_head_put(raw, &head);
}

static void do_half(struct hostile *h, const struct frame_head *q)
{
    uint8_t raw[FRAME_HEAD_SIZE];

    (void)q;
    put_head(raw, FRAME_HELLO, 40);
    speak_raw(h, raw, 8);
    speak_no_more();
}

static void do_half_close(struct hostile *h, const struct frame_head *q)
{
    uint8_t raw[FRAME_HEAD_SIZE];

    (void)q;
    put_head(raw, FRAME_HELLO, 40);
    speak_raw(h, raw, 8);
    close(h->fd);
    speak_no_more();
}

static void do_close(struct hostile *h, const struct frame_head *q)
{
    (void)q;
    close(h->fd);
    speak_no_more();
}

static void do_exit(struct hostile *h, const struct frame_head *q)
{
    (void)h;
    (void)q;
    _exit(7);
}

/* The largest HELLO there may be, a byte now and then. */
static void do_drip(struct hostile *h, const struct frame_head *q)
{
    const struct timespec while_ = {.tv_nsec = 20000000};
    struct frame_head head = {.type = FRAME_HELLO, .len = FRAME_BODY_MAX, .seq = q->seq};
    uint8_t raw[FRAME_HEAD_SIZE];

    frame_head_put(raw, &head);
    speak_raw(h, raw, sizeof(raw));
    for (;;) {
        speak_raw(h, "x", 1);
        nanosleep(&while_, NULL);
    }
}

static void do_no_hello(struct hostile *h, const struct frame_head *q)
{
    speak_reply(h, q->seq, 0, NULL, NULL);
    speak_no_more();
}

static void do_hello_bad(struct hostile *h, const struct frame_head *q)
{
    speak(h, FRAME_HELLO, 0, q->seq, "\1\0\0\0\377\377\377\377", 8);
    speak_no_more();
}

static void do_hello_other(struct hostile *h, const struct frame_head *q)
{
    speak_hello(h, q->seq, PROTO_VERSION + 98, "0");
    speak_no_more();
}

static void do_hello_guessed(struct hostile *h, const struct frame_head *q)
{
    speak_hello(h, q->seq + 1, PROTO_VERSION, "0");
    speak_no_more();
}

/* HELLO has been said, SETUP is on its way. */

static void do_long_frame(struct hostile *h, const struct frame_head *q)
{
    uint8_t raw[FRAME_HEAD_SIZE];

    (void)q;
    put_head(raw, FRAME_LOG, 0x80000000u);
    speak_raw(h, raw, sizeof(raw));
    speak_no_more();
}

static void do_long_data(struct hostile *h, const struct frame_head *q)
{
    uint8_t raw[FRAME_HEAD_SIZE];

    (void)q;
    put_head(raw, FRAME_DATA, STREAM_DATA_MAX + 1);
    speak_raw(h, raw, sizeof(raw));
    speak_no_more();
}

static void do_hello_again(struct hostile *h, const struct frame_head *q)
{
    speak_hello(h, q->seq, PROTO_VERSION, "0");
}

static void do_hello_escapes(struct hostile *h, const struct frame_head *q)
{
    speak_hello(h, q->seq, PROTO_VERSION, ESCAPES "\nerror: forged line");
    h->how = behaviour_find("honest");
}

static char *long_text(void)
{
    static const char words[] = "error: " ESCAPES "\n\rerror: forged ";
    size_t n = FRAME_BODY_MAX - 64, len = sizeof(words) - 1;
    char *text = malloc(n + 1);

    if (!text)
        speak_no_more();
    for (size_t i = 0; i < n; i++)
        text[i] = words[i % len];
    text[n] = '\0';
    return text;
}

/* For any request. */

static void do_refuse(struct hostile *h, const struct frame_head *q)
{
    char *text = long_text();

    speak_reply(h, q->seq, 2, text, NULL);
    free(text);
}

static void do_nothing(struct hostile *h, const struct frame_head *q)
{
    (void)h;
    (void)q;
}

static void do_deaf(struct hostile *h, const struct frame_head *q)
{
    speak_honestly(h, q, NULL);
    speak_no_more();
}

static void do_reply_wrong(struct hostile *h, const struct frame_head *q)
{
    speak_reply(h, q->seq + 1000, 0, NULL, NULL);
}

static void do_reply_twice(struct hostile *h, const struct frame_head *q)
{
    speak_honestly(h, q, NULL);
    speak_reply(h, q->seq, 0, NULL, NULL);
}

static void do_reply_negative(struct hostile *h, const struct frame_head *q)
{
    speak_reply(h, q->seq, -5, "less than nothing", NULL);
}

static void do_exit_first(struct hostile *h, const struct frame_head *q)
{
    speak_exited(h, q->id, 3, 0);
    speak_honestly(h, q, NULL);
}

/* Answers of PS and STATS. */

static void reply_ps(struct hostile *h, uint32_t seq, const struct msg_ps *ps)
{
    struct wbuf w = {0};

    msg_ps_put(&w, ps);
    speak_reply(h, seq, 0, NULL, &w);
}

static void do_ps_escapes(struct hostile *h, const struct frame_head *q)
{
    struct msg_ps_row row = {.pid = 1, .cmd = ESCAPES "\nforged\trow", .tty = "\033[1m\n"};

    reply_ps(h, q->seq, &(struct msg_ps){&row, 1});
}

static void do_ps_huge(struct hostile *h, const struct frame_head *q)
{
    static struct msg_ps_row rows[PLAN_LIST_MAX];

    for (size_t i = 0; i < PLAN_LIST_MAX; i++)
        rows[i] = (struct msg_ps_row){.pid = 0xffffffff, .ppid = 7, .cmd = "x"};
    reply_ps(h, q->seq, &(struct msg_ps){rows, PLAN_LIST_MAX});
}

/* Bodies of the largest size that are nothing, and a string with a NUL byte. */
static void do_body_garbage(struct hostile *h, const struct frame_head *q)
{
    struct wbuf w = {0};
    size_t mark = wire_begin(&w, 1);

    wire_put_bytes(&w, 8, "in\0side", 7);
    wire_end(&w, mark);
    wire_put_u64(&w, 2, UINT64_MAX);
    wire_put_bytes(&w, 3, "", 0);
    speak_reply(h, q->seq, 0, NULL, &w);
}

static void do_body_huge(struct hostile *h, const struct frame_head *q)
{
    static uint8_t body[FRAME_BODY_MAX - 64];
    struct wbuf w = {0};

    wire_put_bytes(&w, 77, body, sizeof(body) - 64);
    speak_reply(h, q->seq, 0, NULL, &w);
}

static const struct behaviour behaviours[] = {
    {"honest", NEVER, NULL},
    {"silence", AT_ATTACH, do_silence},
    {"garbage", AT_ATTACH, do_garbage},
    {"half", AT_ATTACH, do_half},
    {"half-close", AT_ATTACH, do_half_close},
    {"close", AT_ATTACH, do_close},
    {"exit", AT_ATTACH, do_exit},
    {"long-frame", AT_HELLO, do_long_frame},
    {"long-data", AT_HELLO, do_long_data},
    {"drip", AT_ATTACH, do_drip},
    {"no-hello", AT_ATTACH, do_no_hello},
    {"hello-bad", AT_ATTACH, do_hello_bad},
    {"hello-other", AT_ATTACH, do_hello_other},
    {"hello-guessed", AT_ATTACH, do_hello_guessed},
    {"hello-again", AT_HELLO, do_hello_again},
    {"hello-escapes", AT_ATTACH, do_hello_escapes},
    {"hello-silence", AT_HELLO, do_silence},
    {"setup-refuse", FRAME_SETUP, do_refuse},
    {"create-refuse", FRAME_CREATE, do_refuse},
    {"create-nothing", FRAME_CREATE, do_nothing},
    {"create-deaf", FRAME_CREATE, do_deaf},
    {"create-close", FRAME_CREATE, do_close},
    {"create-wrong", FRAME_CREATE, do_reply_wrong},
    {"create-twice", FRAME_CREATE, do_reply_twice},
    {"create-negative", FRAME_CREATE, do_reply_negative},
    {"create-exited", FRAME_CREATE, do_exit_first},
    {"start-nothing", FRAME_START, do_nothing},
    {"start-deaf", FRAME_START, do_deaf},
    {"start-close", FRAME_START, do_close},
    {"start-refuse", FRAME_START, do_refuse},
    {"exec-nothing", FRAME_EXEC, do_nothing},
    {"exec-refuse", FRAME_EXEC, do_refuse},
    {"signal-nothing", FRAME_SIGNAL, do_nothing},
    {"ps-escapes", FRAME_PS, do_ps_escapes},
    {"ps-huge", FRAME_PS, do_ps_huge},
    {"ps-garbage", FRAME_PS, do_body_garbage},
    {"ps-body", FRAME_PS, do_body_huge},
    {"stats-garbage", FRAME_STATS, do_body_garbage},
    {"poweroff-nothing", FRAME_POWEROFF, do_nothing},
};

static const struct behaviour *find_in(const struct behaviour *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

const struct behaviour *behaviour_find(const char *name)
{
    const struct behaviour *b =
        find_in(behaviours, sizeof(behaviours) / sizeof(behaviours[0]), name);

    return b ? b : find_in(running_behaviours, n_running_behaviours, name);
}
