/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile.h - an agent that speaks the protocol, until the moment that its behaviour names.
 * For tests/hostile: main.c brings it to the channel, behaviours.c and running.c are the tables of
 * what it then does. "anyvisor.hostile=NAME" among the kernel's arguments, or the agent's own,
 * chooses.
 */
#ifndef HOSTILE_HOSTILE_H
#define HOSTILE_HOSTILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "proto/frame.h"
#include "proto/wire.h"

/* Moments beside the types of requests. */
enum { AT_ATTACH = FRAME_ATTACH, AT_HELLO = FRAME_HELLO, NEVER = 0xffff };

struct hostile {
    int fd; /* the channel, blocking */
    const struct behaviour *how;
    struct frame_reader in;
    uint32_t session; /* of the host's ATTACH */
    uint32_t init;    /* id of the last container's process */
    bool machine;     /* pid 1 of a VM */
};

/* act has the request in its hands: what it does not answer stays without an answer. */
struct behaviour {
    const char *name;
    uint16_t at;
    void (*act)(struct hostile *h, const struct frame_head *q);
};

/* running.c */
extern const struct behaviour running_behaviours[];
extern const size_t n_running_behaviours;

/* behaviours.c; NULL: there is none of this name */
const struct behaviour *behaviour_find(const char *name);

/* speak.c: what both the honest and the hostile part say. Whoever finds the host gone ends. */
void speak_raw(struct hostile *h, const void *p, size_t n);
void speak(struct hostile *h, uint16_t type, uint32_t id, uint32_t seq, const void *body, size_t n);
void speak_body(struct hostile *h, uint16_t type, uint32_t id, uint32_t seq, struct wbuf *body);
void speak_hello(struct hostile *h, uint32_t session, uint32_t version, const char *kernel);
void speak_reply(struct hostile *h, uint32_t seq, int code, const char *text, struct wbuf *body);
void speak_data(struct hostile *h, uint32_t id, unsigned stream, size_t n);
void speak_exited(struct hostile *h, uint32_t id, int status, uint64_t left);
void speak_honestly(struct hostile *h, const struct frame_head *q, const uint8_t *body);
_Noreturn void speak_no_more(void);                /* reads nothing, says nothing */
_Noreturn void speak_end(const struct hostile *h); /* powers off */

#endif
