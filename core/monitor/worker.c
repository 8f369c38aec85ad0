/* SPDX-License-Identifier: Apache-2.0 */
#include "monitor/worker.h"
#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void tell_main(struct worker *w)
{
    uint64_t one = 1;

    (void)!write(w->event_fd, &one, sizeof(one));
}

static struct job *next_job(struct worker *w)
{
    struct job *j;

    pthread_mutex_lock(&w->lock);
    while (!w->todo && !w->quit)
        pthread_cond_wait(&w->wake, &w->lock);
    j = w->todo;
    if (j) {
        w->todo = j->next;
        if (!w->todo)
            w->todo_tail = &w->todo;
    }
    pthread_mutex_unlock(&w->lock);
    return j;
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct job *j;

    while ((j = next_job(w))) {
        j->run(j);
        pthread_mutex_lock(&w->lock);
        j->next = NULL;
        *w->done_tail = j;
        w->done_tail = &j->next;
        pthread_mutex_unlock(&w->lock);
        tell_main(w);
    }
    return NULL;
}

static void serve_call(struct worker *w)
{
    struct main_call *call;

    pthread_mutex_lock(&w->lock);
    call = w->call;
    w->call = NULL;
    pthread_mutex_unlock(&w->lock);
    if (!call)
        return;
    call->result = call->fn(call->arg);
    pthread_mutex_lock(&w->lock);
    call->finished = 1;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

static struct job *take_done(struct worker *w)
{
    struct job *j;

    pthread_mutex_lock(&w->lock);
    j = w->done;
    w->done = NULL;
    w->done_tail = &w->done;
    pthread_mutex_unlock(&w->lock);
    return j;
}

static void on_event(void *ctx, uint32_t events)
{
    struct worker *w = ctx;
    struct job *j, *next;
    uint64_t n;

    (void)events;
    (void)!read(w->event_fd, &n, sizeof(n));
    serve_call(w);
    for (j = take_done(w); j; j = next) {
        next = j->next;
        j->done(j);
    }
}

int worker_on_main(struct worker *w, int (*fn)(void *arg), void *arg)
{
    struct main_call call = {.fn = fn, .arg = arg};

    pthread_mutex_lock(&w->lock);
    w->call = &call;
    tell_main(w);
    while (!call.finished)
        pthread_cond_wait(&w->wake, &w->lock);
    pthread_mutex_unlock(&w->lock);
    return call.result;
}

int worker_start(struct worker *w, struct loop *l, struct err *err)
{
    sigset_t all, old;
    int r;

    *w = (struct worker){.loop = l};
    w->todo_tail = &w->todo;
    w->done_tail = &w->done;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    w->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->event_fd < 0)
        return err_set(err, errno, "eventfd: %m");
    w->source = (struct loop_source){.fd = w->event_fd, .fn = on_event, .ctx = w};
    if ((r = loop_watch(l, &w->source, EPOLLIN)) < 0)
        return err_set(err, -r, "watch the worker: %m");
    sigfillset(&all);
    sigdelset(&all, SIGSYS); /* the system call filter's; blocked it could not say a last word */
    pthread_sigmask(SIG_BLOCK, &all, &old);
    r = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r)
        return err_set(err, r, "start the worker: %m");
    w->started = 1;
    return 0;
}

void worker_push(struct worker *w, struct job *j)
{
    pthread_mutex_lock(&w->lock);
    j->next = NULL;
    *w->todo_tail = j;
    w->todo_tail = &j->next;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void worker_stop(struct worker *w)
{
    if (!w->started)
        return;
    pthread_mutex_lock(&w->lock);
    w->quit = 1;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    w->started = 0;
}
