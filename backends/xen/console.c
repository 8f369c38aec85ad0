/* SPDX-License-Identifier: Apache-2.0 */
#include "console.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include "common/file.h"
#include "common/util.h"

#define CHUNK 4096

struct console {
    pthread_t thread;
    int tty, log;    /* log -1 = none */
    int commands[2]; /* to the thread: a new watcher's socket as an int, or the end */
    int watcher;     /* the thread's; -1 = nobody */
};

/* Who does not read loses bytes: the guest must not wait for a watcher. */
static void put(int fd, const char *buf, size_t n, int flags)
{
    while (n > 0) {
        ssize_t done = flags ? send(fd, buf, n, flags) : write(fd, buf, n);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        buf += done;
        n -= (size_t)done;
    }
}

/* false: the terminal has ended. */
static bool from_guest(struct console *c)
{
    char buf[CHUNK];
    ssize_t n = read(c->tty, buf, sizeof(buf));

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return false;
    if (c->log >= 0)
        put(c->log, buf, (size_t)n, 0);
    if (c->watcher >= 0)
        put(c->watcher, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return true;
}

static void watch(struct console *c, int fd)
{
    if (c->watcher >= 0)
        close(c->watcher);
    c->watcher = fd;
}

static void from_watcher(struct console *c)
{
    char buf[CHUNK];
    ssize_t n = recv(c->watcher, buf, sizeof(buf), MSG_DONTWAIT);

    if (n > 0)
        put(c->tty, buf, (size_t)n, 0);
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        watch(c, -1);
}

/* false: the end. */
static bool obey(struct console *c)
{
    int fd = -1;

    if (read(c->commands[0], &fd, sizeof(fd)) != (ssize_t)sizeof(fd) || fd < 0)
        return false;
    watch(c, fd);
    return true;
}

static void *serve(void *p)
{
    struct console *c = p;
    struct pollfd rest = {.fd = c->tty, .events = POLLIN};
    bool open = true, more = true;

    while (more) {
        struct pollfd fds[] = {{.fd = c->commands[0], .events = POLLIN},
                               {.fd = open ? c->tty : -1, .events = POLLIN},
                               {.fd = c->watcher, .events = POLLIN}};

        if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
            continue; /* EINTR */
        if (fds[1].revents)
            open = from_guest(c);
        if (fds[2].revents)
            from_watcher(c);
        if (fds[0].revents)
            more = obey(c);
    }
    while (open && poll(&rest, 1, 0) == 1)
        open = from_guest(c);
    watch(c, -1);
    return NULL;
}

/* Signals are for core's threads; its filter's must get through. */
static int start_thread(struct console *c)
{
    sigset_t all, old;
    int r;

    sigfillset(&all);
    sigdelset(&all, SIGSYS);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    r = pthread_create(&c->thread, NULL, serve, c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

static void release(struct console *c)
{
    const int fds[] = {c->tty, c->log, c->commands[0], c->commands[1]};

    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(c);
}

static int open_all(struct console *c, const char *tty, const char *log_path, struct hvp_error *err)
{
    struct termios t;

    c->tty = open(tty, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (c->tty < 0)
        return hvp_fail(err, errno, "open the domain's console '%s': %m", tty);
    if (tcgetattr(c->tty, &t) == 0) {
        cfmakeraw(&t);
        tcsetattr(c->tty, TCSANOW, &t);
    }
    if (pipe2(c->commands, O_CLOEXEC) < 0)
        return hvp_fail(err, errno, "make a pipe: %m");
    return log_path ? file_open_log(log_path, &c->log, err) : 0;
}

int console_start(const char *tty, const char *log_path, struct console **ret,
                  struct hvp_error *err)
{
    struct console *c = malloc(sizeof(*c));
    int r;

    if (!c)
        return hvp_fail(err, ENOMEM, "out of memory for a console");
    *c = (struct console){.tty = -1, .log = -1, .commands = {-1, -1}, .watcher = -1};
    r = open_all(c, tty, log_path, err);
    if (r == 0 && (r = start_thread(c)) != 0)
        r = hvp_fail(err, r, "start a thread: %s", strerror(r));
    if (r < 0) {
        release(c);
        return r;
    }
    *ret = c;
    return 0;
}

int console_connect(struct console *c, int *ret_fd, struct hvp_error *err)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return hvp_fail(err, errno, "make a socket: %m");
    if (write(c->commands[1], &pair[1], sizeof(pair[1])) != (ssize_t)sizeof(pair[1])) {
        close(pair[0]);
        close(pair[1]);
        return hvp_fail(err, EIO, "hand a socket to the console's thread: %m");
    }
    *ret_fd = pair[0];
    return 0;
}

void console_stop(struct console *c)
{
    static const int end = -1;

    if (!c)
        return;
    if (write(c->commands[1], &end, sizeof(end)) == (ssize_t)sizeof(end))
        pthread_join(c->thread, NULL);
    release(c);
}
