/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay.h - one direction from one descriptor to another, with memory only while it is stuck.
 * For streams.c. Both are non-blocking and the relay's own; it ends itself at the end of either.
 */
#ifndef SHIM_RELAY_H
#define SHIM_RELAY_H
#include "shim/shim.h"

struct relay {
    struct loop *loop;
    struct loop_source from, to;
    uint8_t *rest; /* what was read and does not fit yet */
    size_t len, sent;
    bool last; /* nothing to read is its end */
    bool dead;
    struct process *stdin_of; /* who has a pointer to us; NULL: nobody */
    struct relay *next;
};

struct relay *relay_start(struct shim *s, int from, int to);
void relay_finish(struct relay *r); /* end when what there is now has been relayed */
void relay_end(struct relay *r);

#endif
