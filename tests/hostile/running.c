/* SPDX-License-Identifier: Apache-2.0 */
/* What an agent says of a process once it runs, asked or not: its streams, its end, floods. */
#include "hostile.h"
#include <time.h>
#include <unistd.h>
#include "proto/message.h"

#define STRANGER 0x7fffffffu /* an id that the host has never given away */
#define FLOOD_FRAMES 300000  /* at full speed */

static void do_data_window(struct hostile *h, const struct frame_head *q)
{
    speak_honestly(h, q, NULL);
    for (;;) /* the host's credit is not looked at */
        speak_data(h, q->id, STREAM_STDOUT, STREAM_WINDOW);
}

static void do_data_eof(struct hostile *h, const struct frame_head *q)
{
    speak_honestly(h, q, NULL);
    speak(h, FRAME_EOF, q->id, STREAM_STDOUT, NULL, 0);
    speak(h, FRAME_EOF, q->id, STREAM_STDOUT, NULL, 0);
    speak_data(h, q->id, STREAM_STDOUT, 1);
}

static void do_data_exit(struct hostile *h, const struct frame_head *q)
{
    speak_honestly(h, q, NULL);
    speak_data(h, q->id, STREAM_STDOUT, 2000000);
    _exit(7);
}

/* All of it is allowed, and means nothing. */
static void do_data_odd(struct hostile *h, const struct frame_head *q)
{
    speak_honestly(h, q, NULL);
    speak_data(h, q->id, STREAM_STDIN, STREAM_WINDOW);
    speak_data(h, STRANGER, STREAM_STDOUT, 100000);
    speak(h, FRAME_DATA, q->id, 3, "no such stream", 14);
    speak(h, FRAME_CLOSE, q->id, STREAM_STDOUT, NULL, 0);
    speak(h, FRAME_CLOSE, q->id, STREAM_STDIN, NULL, 0);
    speak(h, FRAME_CLOSE, q->id, STREAM_STDIN, NULL, 0);
    speak(h, FRAME_OOM, STRANGER, 0, NULL, 0);
    speak_exited(h, STRANGER, 0, 0);
}

static void do_credit(struct hostile *h, const struct frame_head *q)
{
    speak_honestly(h, q, NULL);
    speak(h, FRAME_CREDIT, q->id, STREAM_STDIN, "\377\377\377\377", 4);
}

static void do_exited_twice(struct hostile *h, const struct frame_head *q)
{
    speak_honestly(h, q, NULL);
    speak_exited(h, q->id, 5, 0);
    speak_exited(h, q->id, 6, 12345);
    speak_exited(h, q->id, 7, MSG_LEFT_TO_EOF);
}

static void do_exited_absurd(struct hostile *h, const struct frame_head *q)
{
    speak_honestly(h, q, NULL);
    speak_exited(h, q->id, 0x7ffffff0, 0);
}

/* Announces output that never comes. */
static void do_exited_left(struct hostile *h, const struct frame_head *q)
{
    speak_honestly(h, q, NULL);
    speak_exited(h, q->id, 5, UINT64_C(1) << 40);
}

static void do_exited_to_eof(struct hostile *h, const struct frame_head *q)
{
    speak_honestly(h, q, NULL);
    speak_exited(h, q->id, 5, MSG_LEFT_TO_EOF);
}

/* Sends much more than it has announced. */
static void do_exited_more(struct hostile *h, const struct frame_head *q)
{
    speak_honestly(h, q, NULL);
    speak_exited(h, q->id, 5, 10);
    speak_data(h, q->id, STREAM_STDOUT, STREAM_WINDOW / 2);
}

/* Floods: as fast as the host takes them, later slower to spare the machine; nothing is read. */

static void breathe(unsigned *sent)
{
    const struct timespec pause = {.tv_nsec = 10000000};

    if (++*sent > FLOOD_FRAMES)
        nanosleep(&pause, NULL);
}

static void do_flood_log(struct hostile *h, const struct frame_head *q)
{
    static const char line[] = "error: the agent \033[2J has much to say\nerror: two lines of it";
    unsigned sent = 0;

    for (speak_honestly(h, q, NULL);; breathe(&sent))
        speak(h, FRAME_LOG, 0, 0, line, sizeof(line));
}

static void do_flood_oom(struct hostile *h, const struct frame_head *q)
{
    unsigned sent = 0;

    for (speak_honestly(h, q, NULL);; breathe(&sent))
        speak(h, FRAME_OOM, q->id, 0, NULL, 0);
}

static void do_flood_unknown(struct hostile *h, const struct frame_head *q)
{
    unsigned sent = 0;

    for (speak_honestly(h, q, NULL);; breathe(&sent))
        speak(h, 0x1234, q->id, 0, "what is this", 12);
}

static void do_flood_strangers(struct hostile *h, const struct frame_head *q)
{
    unsigned sent = 0;

    for (speak_honestly(h, q, NULL);; breathe(&sent))
        speak(h, FRAME_DATA, STRANGER, STREAM_STDOUT, "who is this", 11);
}

static void do_flood_exited(struct hostile *h, const struct frame_head *q)
{
    unsigned sent = 0;

    for (speak_honestly(h, q, NULL);; breathe(&sent))
        speak_exited(h, STRANGER, 0, 0);
}

static void do_flood_empty(struct hostile *h, const struct frame_head *q)
{
    unsigned sent = 0;

    for (speak_honestly(h, q, NULL);; breathe(&sent)) {
        speak(h, FRAME_DATA, q->id, STREAM_STDOUT, NULL, 0);
        speak(h, FRAME_CREDIT, q->id, STREAM_STDIN, "\0\0\0\0", 4);
        speak(h, FRAME_CLOSE, q->id, STREAM_STDIN, NULL, 0);
    }
}

const struct behaviour running_behaviours[] = {
    {"data-window", FRAME_START, do_data_window},
    {"data-eof", FRAME_START, do_data_eof},
    {"data-exit", FRAME_START, do_data_exit},
    {"data-odd", FRAME_START, do_data_odd},
    {"credit", FRAME_START, do_credit},
    {"exited-twice", FRAME_START, do_exited_twice},
    {"exited-absurd", FRAME_START, do_exited_absurd},
    {"exited-left", FRAME_START, do_exited_left},
    {"exited-to-eof", FRAME_START, do_exited_to_eof},
    {"exited-more", FRAME_START, do_exited_more},
    {"flood-log", FRAME_START, do_flood_log},
    {"flood-oom", FRAME_START, do_flood_oom},
    {"flood-unknown", FRAME_START, do_flood_unknown},
    {"flood-strangers", FRAME_START, do_flood_strangers},
    {"flood-exited", FRAME_START, do_flood_exited},
    {"flood-empty", FRAME_START, do_flood_empty},
};
const size_t n_running_behaviours = sizeof(running_behaviours) / sizeof(running_behaviours[0]);
