/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tool.h - run a program of the system to its end, mostly one that makes a file system in a file.
 * For core/storage, and cli/ovs.c.
 */
#ifndef BASE_TOOL_H
#define BASE_TOOL_H
#include <stdbool.h>
#include "base/err.h"

#define TOOL_FILE "/proc/self/fd/3" /* the program's name for the file */

struct tool {
    const char *const *names; /* the program's, NULL-terminated: the first that is installed runs */
    const char *const *argv;  /* NULL-terminated */
    int file;                 /* borrowed; 0 = none */
    const char *tree;    /* directory that it sees without what is mounted below; NULL = none */
    const char *package; /* Debian's, for whoever lacks the program */
    int cancel_fd;       /* once it is readable the program is killed: -EINTR; 0 = never */
};

/* Waits for it. What it says on stderr makes the sentence of a failure. */
int tool_run(const struct tool *t, struct err *err);

bool tool_there(const char *const *names);

#endif
