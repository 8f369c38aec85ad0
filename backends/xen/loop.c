/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libxl's descriptors and timers in one epoll descriptor, which core can poll.  Each registration
 * has a duplicate of its own there: libxl may register a descriptor twice.
 */
#include "loop.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include "common/util.h"

#define TURN_MAX 256 /* then the caller has a look at its deadline */

struct loop_source {
    struct loop_source *next;
    struct loop *loop;
    void *for_libxl;
    int fd;    /* libxl's; -1 = this is a timer */
    int own;   /* what epoll watches: a duplicate, a timer, or what is always readable */
    bool file; /* of a kind that is always ready, and epoll does not take */
    short events;
};

static int watch(struct loop_source *s)
{
    /* poll's and epoll's bits are the same.  Without any, not even a hang-up is wanted. */
    struct epoll_event e = {.events = s->file ? EPOLLIN : (uint32_t)(unsigned short)s->events,
                            .data.ptr = s};

    epoll_ctl(s->loop->epoll_fd, EPOLL_CTL_DEL, s->own, NULL); /* ENOENT: it is not there, fine */
    if (!s->events)
        return 0;
    return epoll_ctl(s->loop->epoll_fd, EPOLL_CTL_ADD, s->own, &e) < 0 ? -errno : 0;
}

static struct loop_source *add(struct loop *l, int fd, int own, void *for_libxl)
{
    struct loop_source *s = own < 0 ? NULL : calloc(1, sizeof(*s));

    if (!s) {
        if (own >= 0)
            close(own);
        return NULL;
    }
    *s = (struct loop_source){
        .next = l->sources, .loop = l, .for_libxl = for_libxl, .fd = fd, .own = own};
    l->sources = s;
    return s;
}

static void forget(struct loop_source *s)
{
    struct loop_source **p = &s->loop->sources;

    while (*p != s)
        p = &(*p)->next;
    *p = s->next;
    epoll_ctl(s->loop->epoll_fd, EPOLL_CTL_DEL, s->own, NULL); /* others may share the file */
    close(s->own);
    free(s);
}

/* A saved state is read from a file, which is ready at any time. */
static int watch_file(struct loop_source *s)
{
    close(s->own);
    s->file = true;
    s->own = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    return s->own < 0 ? -errno : watch(s);
}

static int fd_register(void *user, int fd, void **ret, short events, void *for_libxl)
{
    struct loop_source *s = add(user, fd, fcntl(fd, F_DUPFD_CLOEXEC, 3), for_libxl);
    int r;

    if (!s)
        return ERROR_OSEVENT_REG_FAIL;
    s->events = events;
    r = watch(s);
    if (r == -EPERM)
        r = watch_file(s);
    if (r < 0) {
        forget(s);
        return ERROR_OSEVENT_REG_FAIL;
    }
    *ret = s;
    return 0;
}

static int fd_modify(void *user, int fd, void **reg, short events)
{
    struct loop_source *s = *reg;
    short before = s->events;

    (void)user;
    (void)fd;
    s->events = events;
    if (watch(s) == 0)
        return 0;
    s->events = before;
    return ERROR_OSEVENT_REG_FAIL;
}

static void fd_deregister(void *user, int fd, void *reg)
{
    (void)user;
    (void)fd;
    forget(reg);
}

static int set_timer(int fd, struct timeval at)
{
    /* {0, 0} means now, to timerfd it would mean never. */
    struct itimerspec t = {.it_value = {.tv_sec = at.tv_sec, .tv_nsec = at.tv_usec * 1000 + 1}};

    return timerfd_settime(fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static int timeout_register(void *user, void **ret, struct timeval at, void *for_libxl)
{
    int fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    struct loop_source *s = add(user, -1, fd, for_libxl);

    if (!s)
        return ERROR_OSEVENT_REG_FAIL;
    s->events = EPOLLIN;
    if (set_timer(s->own, at) < 0 || watch(s) < 0) {
        forget(s);
        return ERROR_OSEVENT_REG_FAIL;
    }
    *ret = s;
    return 0;
}

static int timeout_modify(void *user, void **reg, struct timeval at)
{
    struct loop_source *s = *reg;

    (void)user;
    return set_timer(s->own, at) < 0 ? ERROR_OSEVENT_REG_FAIL : 0;
}

static const libxl_osevent_hooks hooks = {
    .fd_register = fd_register,
    .fd_modify = fd_modify,
    .fd_deregister = fd_deregister,
    .timeout_register = timeout_register,
    .timeout_modify = timeout_modify,
};

/*
 * libxl's children are helpers and QEMU, which ends by a signal: none of what core's threads block
 * or ignore is theirs.
 */
static pid_t fork_for_libxl(void *user)
{
    static const int reset[] = {SIGHUP, SIGINT, SIGPIPE, SIGTERM};
    pid_t pid = fork();
    sigset_t none;

    (void)user;
    if (pid != 0)
        return pid;
    for (size_t i = 0; i < ARRAY_SIZE(reset); i++)
        signal(reset[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return 0;
}

/* Core has children of its own, which libxl would reap otherwise. */
static const libxl_childproc_hooks children = {
    .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
    .fork_replacement = fork_for_libxl,
};

static void on_message(struct xentoollog_logger *logger, xentoollog_level level, int errnoval,
                       const char *context, const char *format, va_list ap)
{
    struct loop_log *log = (struct loop_log *)logger; /* its first member */
    char text[512], line[640];

    (void)context;
    if (level < XTL_WARN)
        return;
    vsnprintf(text, sizeof(text), format, ap);
    text[strcspn(text, "\n")] = '\0';
    snprintf(line, sizeof(line), "libxl: %s%s%s", text, errnoval > 0 ? ": " : "",
             errnoval > 0 ? strerror(errnoval) : "");
    if (level >= XTL_ERROR && !log->said[0])
        snprintf(log->said, sizeof(log->said), "%.299s", line);
    log->host->log(log->host->cookie, HVP_LOG_DEBUG, line);
}

static void on_progress(struct xentoollog_logger *logger, const char *context, const char *doing,
                        int percent, unsigned long done, unsigned long total)
{
    (void)logger, (void)context, (void)doing, (void)percent, (void)done, (void)total;
}

static void on_destroy(struct xentoollog_logger *logger)
{
    (void)logger; /* it is part of the loop */
}

int loop_init(struct loop *l, const struct hvp_host *host, struct hvp_error *err)
{
    *l = (struct loop){
        .host = host,
        .log = {.vtable = {on_message, on_progress, on_destroy}, .host = host},
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
    };
    if (l->epoll_fd < 0)
        return hvp_fail(err, errno, "make the event descriptor: %m");
    if (libxl_ctx_alloc(&l->ctx, LIBXL_VERSION, 0, &l->log.vtable)) {
        l->ctx = NULL;
        loop_done(l);
        return hvp_fail(err, ENODEV,
                        "reach Xen's daemons: %s; are xenstored and xenconsoled running "
                        "('service xen start')?",
                        l->log.said[0] ? l->log.said : "libxl says no more");
    }
    libxl_osevent_register_hooks(l->ctx, &hooks, l);
    libxl_childproc_setmode(l->ctx, &children, l);
    return 0;
}

void loop_done(struct loop *l)
{
    if (l->ctx)
        libxl_ctx_free(l->ctx);
    while (l->sources)
        forget(l->sources);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    l->ctx = NULL;
    l->epoll_fd = -1;
}

static void dispatch(struct loop *l, struct loop_source *s, short revents)
{
    void *for_libxl = s->for_libxl;

    if (s->fd >= 0) {
        libxl_osevent_occurred_fd(l->ctx, for_libxl, s->fd, s->events,
                                  s->file ? s->events : revents);
        return;
    }
    forget(s); /* a timer that has rung is not registered any more */
    libxl_osevent_occurred_timeout(l->ctx, for_libxl);
}

static void hand_out(struct loop *l)
{
    libxl_event *ev;

    while (libxl_event_check(l->ctx, &ev, LIBXL_EVENTMASK_ALL, NULL, NULL) == 0) {
        if (ev->type == LIBXL_EVENT_TYPE_OPERATION_COMPLETE) {
            l->done_op = ev->for_user;
            l->done_rc = ev->u.operation_complete.rc;
        } else if (l->on_event) {
            l->on_event(l->on_event_ctx, ev);
        }
        libxl_event_free(l->ctx, ev);
    }
}

/* One at a time: what is done for the first may unregister the second. */
void loop_turn(struct loop *l)
{
    struct epoll_event e;

    for (int i = 0; i < TURN_MAX && epoll_wait(l->epoll_fd, &e, 1, 0) == 1; i++)
        dispatch(l, e.data.ptr, (short)e.events);
    hand_out(l);
}

void loop_begin(struct loop *l, libxl_asyncop_how *how)
{
    *how = (libxl_asyncop_how){.u.for_event = ++l->last_op};
    l->log.said[0] = '\0';
}

static int errno_of(int rc)
{
    switch (rc) {
    case ERROR_NOMEM:
        return ENOMEM;
    case ERROR_INVAL:
        return EINVAL;
    case ERROR_DOMAIN_NOTFOUND:
        return ENOENT;
    case ERROR_TIMEDOUT:
        return ETIMEDOUT;
    case ERROR_NI:
        return ENOTSUP;
    default:
        return EIO;
    }
}

int loop_fail(struct loop *l, int rc, const char *what, struct hvp_error *err)
{
    return hvp_fail(err, errno_of(rc), "%s: %s (libxl's error %d)", what,
                    l->log.said[0] ? l->log.said : "libxl says no more", rc);
}

/* Its end, and why it was told to give up: 0 or -errno. */
static int await(struct loop *l, const libxl_asyncop_how *how, const struct deadline *d)
{
    struct deadline wait = *d;
    struct pollfd p = {.fd = l->epoll_fd, .events = POLLIN};
    int gave_up = 0, r;

    for (;;) {
        loop_turn(l);
        if (l->done_op == how->u.for_event)
            return gave_up;
        r = deadline_poll(&wait, &p, 1);
        if (r == 0)
            continue;
        gave_up = r;
        libxl_ao_abort(l->ctx, how); /* one that cannot be given up comes to its own end */
        wait = (struct deadline){.end_ns = UINT64_MAX, .cancel_fd = -1};
    }
}

/* libxl hears of its children by a handler of SIGCHLD, and core may have blocked all signals. */
static int await_hearing(struct loop *l, const libxl_asyncop_how *how, const struct deadline *d)
{
    sigset_t children_end, before;
    int gave_up;

    sigemptyset(&children_end);
    sigaddset(&children_end, SIGCHLD);
    pthread_sigmask(SIG_UNBLOCK, &children_end, &before);
    gave_up = await(l, how, d);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return gave_up;
}

int loop_finish(struct loop *l, const libxl_asyncop_how *how, int started, const struct deadline *d,
                const char *what, struct hvp_error *err)
{
    int gave_up;

    if (started)
        return loop_fail(l, started, what, err);
    gave_up = await_hearing(l, how, d);
    if (l->done_rc == 0)
        return 0;
    if (gave_up)
        return hvp_fail(err, -gave_up, "%s: %s", what,
                        gave_up == -ETIMEDOUT ? "Xen did not do it in time" : "cancelled");
    return loop_fail(l, l->done_rc, what, err);
}
