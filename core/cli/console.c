/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's console on our terminal. The monitor opens it and passes the descriptor; from then on
 * bytes go directly between us and the VMM.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/timing.h"
#include "cli/cli.h"
#include "cli/attach/foreground.h"

#define ESCAPE_DEFAULT "^]" /* as virsh and telnet have it */
#define SEQ_CONSOLE 1

struct console_options {
    const char *escape;
};

static const struct option_row rows[] = {
    {"escape", 'e', OPTION_TEXT, offsetof(struct console_options, escape), "KEY",
     "what ends the session: a character, ^ and a character, or none (default ^])"},
};

/* -1 = no key ends it. */
static int escape_key(const char *text, int *ret, struct err *err)
{
    if (strcmp(text, "none") == 0)
        *ret = -1;
    else if (text[0] == '^' && text[1] >= '?' && text[1] <= '~' && !text[2])
        *ret = text[1] == '?' ? 0x7f : text[1] & 0x1f;
    else if (text[0] && !text[1])
        *ret = (unsigned char)text[0];
    else
        return err_set_phase(err, PHASE_CONFIG, EINVAL,
                             "escape '%s' is neither a character, nor ^ and a character, nor none",
                             text);
    return 0;
}

static int ask(const struct cli *cli, const char *id, int *ret_fd, struct err *err)
{
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    cleanup_fd int sock = -1, ours = -1, theirs = -1;
    int ends[2], fd = -1, r;
    size_t n = 1;
    char byte;

    if ((r = container_open(cli, id, &c, err)) < 0)
        return r;
    if ((sock = container_connect(cli, &c, err)) < 0)
        return sock;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(err, errno, "socketpair: %m");
    ours = ends[0];
    theirs = ends[1];
    if ((r = ipc_send(sock, IPC_CONSOLE, SEQ_CONSOLE, NULL, &theirs, 1, err)) < 0 ||
        (r = ipc_wait(sock, SEQ_CONSOLE, deadline_in_ms(CLI_REQUEST_MS), NULL, err)) < 0)
        return r;
    close_fd(&theirs);
    if (fd_recv(ours, &byte, 1, &fd, &n, err) < 0)
        return -err->code;
    if (n != 1)
        return err_set(err, EPROTO, "the monitor has not passed the console");
    *ret_fd = fd;
    return 0;
}

/* 1 = go on, 0 = the key, -1 = there is no more input. */
static int take_input(int console, int escape)
{
    char buf[1024];
    ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));
    char *key;

    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 1 : -1;
    if (n == 0)
        return -1;
    key = escape < 0 ? NULL : memchr(buf, escape, (size_t)n);
    if (key)
        n = key - buf;
    if (n > 0 && fd_write_all(console, buf, (size_t)n, NULL) < 0)
        return -1;
    return key ? 0 : 1;
}

static bool take_output(int console)
{
    char buf[8192];
    ssize_t n = read(console, buf, sizeof(buf));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    return n > 0 && fd_write_all(STDOUT_FILENO, buf, (size_t)n, NULL) == 0;
}

/* Until the key, a signal, or the VM's end. Input that has ended leaves us a spectator. */
static void relay(const struct foreground *f, int console, int escape)
{
    struct pollfd p[] = {{.fd = console, .events = POLLIN},
                         {.fd = STDIN_FILENO, .events = POLLIN},
                         {.fd = f->signals, .events = POLLIN}};

    for (;;) {
        int r = 1;

        if (poll(p, ARRAY_SIZE(p), -1) < 0 && errno != EINTR)
            return;
        if (p[0].revents && !take_output(console))
            return;
        if (p[1].revents)
            r = take_input(console, escape);
        if (r == 0 || (p[2].revents && foreground_ended(f)))
            return;
        if (r < 0)
            p[1].fd = -1;
    }
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct console_options *o = options;
    cleanup_call(foreground_end) struct foreground f = FOREGROUND_INIT;
    const char *key = o->escape ? o->escape : ESCAPE_DEFAULT;
    cleanup_fd int console = -1;
    int escape = -1, r;

    (void)argc;
    if ((r = escape_key(key, &escape, err)) < 0 || (r = ask(cli, argv[0], &console, err)) < 0)
        return r;
    if (isatty(STDIN_FILENO))
        fprintf(stderr, "connected to the console of '%s'; %s%s\r\n", argv[0],
                escape < 0 ? "it ends with the VM" : "end with ", escape < 0 ? "" : key);
    if ((r = foreground_begin(&f, err)) < 0 || (r = foreground_terminal(&f, console, err)) < 0)
        return r;
    relay(&f, console, escape);
    return 0;
}

const struct verb verb_console = {
    .name = "console",
    .arguments = "ID",
    .summary = "connect to the console of a container's VM",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct console_options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
