/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hostile agent: "agent --fd N [WORDS]" like the real one, or pid 1 of a machine, which the
 * real one's code boots.
 */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent/sys.h"
#include "hostile.h"

static char chosen[64];

/* The real agent's main.c is not linked: machine_boot calls this with /proc/cmdline. */
void agent_words(struct agent *a, char *line)
{
    char *save = NULL;

    (void)a;
    for (char *w = strtok_r(line, " \n", &save); w; w = strtok_r(NULL, " \n", &save))
        if (strncmp(w, "anyvisor.hostile=", 17) == 0)
            snprintf(chosen, sizeof(chosen), "%s", w + 17);
}

static int open_channel(struct agent *a, struct err *err)
{
    int fd, r;

    a->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (a->epoll < 0)
        return err_set(err, errno, "epoll: %m");
    if ((a->at.machine && (r = machine_boot(a, err)) < 0) || (r = channel_open(a, err)) < 0)
        return r;
    fd = a->channel.source.fd;
    (void)epoll_ctl(a->epoll, EPOLL_CTL_DEL, fd, NULL);
    if (fcntl(fd, F_SETFL, O_RDWR) < 0) /* simple code may wait */
        return err_set(err, errno, "channel: %m");
    return fd;
}

static void take(struct hostile *h, const struct frame_head *q, const uint8_t *body)
{
    if (q->type == FRAME_ATTACH)
        h->session = q->seq;
    if (h->how->at == q->type) {
        h->how->act(h, q);
    } else if (q->type == FRAME_ATTACH) {
        speak_hello(h, h->session, PROTO_VERSION, "0");
        if (h->how->at == AT_HELLO)
            h->how->act(h, q);
    } else {
        speak_honestly(h, q, body);
    }
}

/* Until the host closes the channel. */
static void serve(struct hostile *h)
{
    for (;;) {
        struct frame_head q;
        const uint8_t *body;
        size_t room;
        uint8_t *to = frame_reader_space(&h->in, 4096, &room);
        ssize_t n = to ? read(h->fd, to, room) : -1;

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            speak_end(h);
        frame_reader_commit(&h->in, (size_t)n);
        while (frame_reader_next(&h->in, &q, &body) > 0)
            take(h, &q, body);
    }
}

int main(int argc, char **argv)
{
    struct agent a = {.epoll = -1, .kmsg_fd = -1, .timer.fd = -1, .at.channel_fd = -1};
    struct hostile h = {.fd = -1};
    struct err err = ERR_INIT;

    signal(SIGPIPE, SIG_IGN);
    if (argc >= 3 && strcmp(argv[1], "--fd") == 0) {
        a.at.channel_fd = (int)strtol(argv[2], NULL, 10);
        if (argc == 4)
            agent_words(&a, argv[3]);
    }
    a.at.machine = a.at.channel_fd < 0;
    h.machine = a.at.machine;
    h.fd = open_channel(&a, &err);
    h.how = behaviour_find(chosen);
    if (h.fd < 0 || !h.how) {
        fprintf(stderr, "hostile agent: behaviour '%s': %s\n", chosen,
                h.fd < 0 ? err.msg : "there is no such");
        return 1;
    }
    serve(&h);
    return 0;
}
