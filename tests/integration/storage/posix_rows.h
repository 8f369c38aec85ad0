/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rows of posix_probe.c: one function for each line of the table in docs/storage.md.
 * A function runs in an empty directory of its own.
 */
#ifndef POSIX_ROWS_H
#define POSIX_ROWS_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Return of a row: 0 it works, -errno it fails, this: nothing fails and yet it has no effect. */
#define ROW_NO 1

#define TRY(call)                                                                                  \
    do {                                                                                           \
        if ((call) < 0)                                                                            \
            return -errno;                                                                         \
    } while (0)

struct row {
    const char *name;
    int (*run)(void);
    bool in_dir; /* begins in the directory that was given */
};

extern const struct row rows_local[], rows_peer[]; /* each ends with a name of NULL */

int rows_make(const char *name); /* opens a new file for both, or -1 */
int rows_told(int inotify_fd);   /* 0 if an event is there, ROW_NO if none */

#endif
