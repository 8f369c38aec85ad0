/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleanup.h - one owner per resource: variables that free or close themselves.
 * Start fds at -1 and pointers at NULL; hand a resource over with steal_fd() or steal_ptr().
 */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Close *fd when it is open; errno is kept: it may stand between a failure and its report. */
static inline void close_fd(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = saved;
}

static inline int steal_fd(int *fd)
{
    int stolen = *fd;

    *fd = -1;
    return stolen;
}

static inline void cleanup_free_(void *p)
{
    free(*(void **)p);
}

static inline void cleanup_file_(FILE **f)
{
    if (*f)
        fclose(*f);
}

static inline void cleanup_dir_(DIR **d)
{
    if (*d)
        closedir(*d);
}

#define cleanup_fd __attribute__((cleanup(close_fd)))
#define cleanup_free __attribute__((cleanup(cleanup_free_)))
#define cleanup_file __attribute__((cleanup(cleanup_file_)))
#define cleanup_dir __attribute__((cleanup(cleanup_dir_)))
#define cleanup_call(fn) __attribute__((cleanup(fn))) /* fn takes a pointer to the variable */

#define steal_ptr(pp)                                                                              \
    ({                                                                                             \
        __typeof__(*(pp)) stolen_ = *(pp);                                                         \
        *(pp) = NULL;                                                                              \
        stolen_;                                                                                   \
    })

#endif
