/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop.h - libxl's event loop behind one epoll descriptor, its words of complaint, and operations
 * that wait with a deadline.  For every file of this back-end that talks to libxl.
 */
#ifndef XEN_LOOP_H
#define XEN_LOOP_H
#include <stdbool.h>
#include "common/deadline.h"
#include "xenlight.h"

#define LOOP_SAID_MAX 300

struct loop_source;

/* libxl's logger: what it complains about becomes the sentence of the op that failed. */
struct loop_log {
    xentoollog_logger vtable; /* first: libxl hands it back */
    const struct hvp_host *host;
    char said[LOOP_SAID_MAX]; /* the first error since loop_begin */
};

/* One libxl context.  Not to be moved in memory: libxl and its logger keep pointers to it. */
struct loop {
    libxl_ctx *ctx;
    struct loop_log log;
    const struct hvp_host *host;
    int epoll_fd; /* readable while libxl has something to do */
    struct loop_source *sources;
    uint64_t last_op, done_op; /* numbers of operations: begun last, completed last */
    int done_rc;
    void (*on_event)(void *ctx, const libxl_event *ev); /* of domains; NULL = none wanted */
    void *on_event_ctx;
};

/* Fails where there is no Xen or its daemons do not run. */
int loop_init(struct loop *l, const struct hvp_host *host, struct hvp_error *err);
void loop_done(struct loop *l);
/* Let libxl do what it has to do now, and hand out the events.  Never waits. */
void loop_turn(struct loop *l);

/*
 * An operation of libxl:
 *     loop_begin(l, &how);
 *     r = loop_finish(l, &how, libxl_domain_pause(l->ctx, domid, &how), &d, "pause domain", err);
 * started is what libxl returned.  When the deadline passes or core cancels, libxl is told to give
 * up, and its end is waited for: an operation that is under way has our memory in its hands.
 */
void loop_begin(struct loop *l, libxl_asyncop_how *how);
int loop_finish(struct loop *l, const libxl_asyncop_how *how, int started, const struct deadline *d,
                const char *what, struct hvp_error *err);
/* The sentence for a call of libxl that failed with rc, after loop_begin or a call without one. */
int loop_fail(struct loop *l, int rc, const char *what, struct hvp_error *err);

#endif
