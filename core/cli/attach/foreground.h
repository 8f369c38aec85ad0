/* SPDX-License-Identifier: Apache-2.0 */
/*
 * foreground.h - stay in front of a running process: its terminal, its signals, its exit status.
 * For run and exec without --detach.
 */
#ifndef CLI_FOREGROUND_H
#define CLI_FOREGROUND_H
#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <termios.h>
#include "base/err.h"

struct foreground {
    int signals; /* signalfd */
    sigset_t old_mask;
    int tty; /* our own terminal, raw; -1 = none */
    struct termios old_mode;
};
#define FOREGROUND_INIT                                                                            \
    {                                                                                              \
        .signals = -1, .tty = -1                                                                   \
    }

/* Block all signals and take them by descriptor: from before the process starts, so none is lost.
 */
int foreground_begin(struct foreground *f, struct err *err);
/* pty_master gets the size of our terminal, if there is one on stdin. */
void foreground_size(int pty_master);
/* Our terminal becomes raw and pty_master gets its size; no terminal on stdin is fine. */
int foreground_terminal(struct foreground *f, int pty_master, struct err *err);
/* Relay and forward until the proxy (our child) exits; its exit status, 128+n for signal n. */
int foreground_wait(struct foreground *f, pid_t proxy, int pidfd, int pty_master, struct err *err);
/* A signal has come that ends who does not forward it. */
bool foreground_ended(const struct foreground *f);
/* Give terminal and signals back; for cleanup_call. */
void foreground_end(struct foreground *f);

/* Stdin and stdout are the container's now: our copies must not hide its ends. */
void foreground_release_stdio(void);

#endif
