/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interrupt.h - SIGINT, SIGTERM and SIGHUP as a descriptor while something is made that must be
 * undone in order. For creation.c: until the commit a signal is an error like any other.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H
#include <signal.h>
#include <stdint.h>
#include "base/err.h"

struct interrupt {
    int fd; /* readable once a signal has come; -1 = not begun */
    sigset_t old_mask;
};

/* Block the signals, except those that the caller has told us to ignore. */
int interrupt_begin(struct interrupt *i, struct err *err);

/* 0, or -EINTR "interrupted by SIGTERM". */
int interrupt_check(const struct interrupt *i, struct err *err);

/* 0 when fd is readable or the deadline has passed; -EINTR as above. */
int interrupt_wait(const struct interrupt *i, int fd, uint64_t deadline_ns, struct err *err);

/* A signal that came meanwhile and that nobody has asked for acts now. */
void interrupt_end(struct interrupt *i);

#endif
