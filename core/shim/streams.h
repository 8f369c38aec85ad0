/* SPDX-License-Identifier: Apache-2.0 */
/*
 * streams.h - containerd's ends of a process's streams: FIFOs by path. Output goes from the monitor
 * straight into them; stdin and terminals are relayed here, so that CloseIO and a lost client can
 * end them. For service.c and task.c.
 */
#ifndef SHIM_STREAMS_H
#define SHIM_STREAMS_H
#include "shim/shim.h"

struct streams {
    int fds[3];    /* for the runtime; -1: none */
    int listener;  /* console socket of a terminal, else -1 */
    char *console; /* its path */
};
#define STREAMS_INIT                                                                               \
    {                                                                                              \
        {-1, -1, -1}, -1, NULL                                                                     \
    }

int streams_open(struct process *p, struct streams *ret, struct err *err);
void streams_done(struct streams *io); /* for cleanup_call */

/* The runtime has sent the terminal to the console socket: relay it. */
int streams_take_terminal(struct process *p, int listener, struct err *err);
int streams_resize(const struct process *p, unsigned width, unsigned height, struct err *err);
void streams_end_of_input(struct process *p); /* CloseIO: what has been written still arrives */
void streams_close_stdin(struct process *p);
void streams_forget(struct process *p); /* the process is deleted; what it has said still arrives */

bool streams_idle(const struct shim *s); /* nothing is relayed */
void streams_sweep(struct shim *s);

#endif
