/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker.h - one thread for plug-in operations that block.
 * The main thread pushes jobs; each runs in the worker, then its done() on the main thread.
 */
#ifndef MONITOR_WORKER_H
#define MONITOR_WORKER_H
#include <pthread.h>
#include "base/loop.h"

struct job {
    void (*run)(struct job *j);  /* in the worker */
    void (*done)(struct job *j); /* on the main thread */
    struct job *next;
};

struct main_call {
    int (*fn)(void *arg);
    void *arg;
    int result, finished;
};

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct job *todo, **todo_tail;
    struct job *done, **done_tail;
    struct main_call *call; /* the worker waits for it */
    int event_fd, started, quit;
    struct loop *loop;
    struct loop_source source;
};

int worker_start(struct worker *w, struct loop *l, struct err *err);
void worker_push(struct worker *w, struct job *j);
void worker_stop(struct worker *w); /* waits for the running job */

/*
 * From the worker: run fn on the main thread and wait for its result. Processes are made there,
 * for a death signal follows the thread that made the child.
 */
int worker_on_main(struct worker *w, int (*fn)(void *arg), void *arg);

#endif
