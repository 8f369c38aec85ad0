/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tool.h - run a program that does something to a file, mostly to make a file system in it. For
 * scratch.c and images.c only.
 */
#ifndef STORAGE_TOOL_H
#define STORAGE_TOOL_H
#include <stdbool.h>
#include "base/err.h"

#define TOOL_FILE "/proc/self/fd/3" /* the program's name for the file */

struct storage_tool {
    const char *const *names; /* the program's, NULL-terminated: the first that is installed runs */
    const char *const *argv;  /* NULL-terminated */
    int file;                 /* borrowed */
    const char *tree;    /* directory that it sees without what is mounted below; NULL = none */
    const char *package; /* Debian's, for whoever lacks the program */
    int cancel_fd;       /* once it is readable the program is killed: -EINTR; 0 = never */
};

/* Waits for it. What it says on stderr makes the sentence of a failure. */
int storage_tool_run(const struct storage_tool *t, struct err *err);

bool storage_tool_there(const char *const *names);

#endif
