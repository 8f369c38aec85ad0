/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util.h - owners of descriptors, memory and files that clean up when they leave scope, and small
 * macros.  For every file of a back-end: a plug-in sees nothing of core, so it brings its own.
 */
#ifndef COMMON_UTIL_H
#define COMMON_UTIL_H
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void util_free_ptr(void *p)
{
    free(*(void **)p);
}

static inline void util_close_ptr(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void util_fclose_ptr(FILE **f)
{
    if (*f)
        fclose(*f);
}

#define cleanup_free __attribute__((cleanup(util_free_ptr)))
#define cleanup_close __attribute__((cleanup(util_close_ptr)))
#define cleanup_file __attribute__((cleanup(util_fclose_ptr)))

static inline int steal_fd(int *fd)
{
    int r = *fd;

    *fd = -1;
    return r;
}

#define steal_ptr(p)                                                                               \
    ({                                                                                             \
        __typeof__(*(p)) *pp_ = (p), v_ = *pp_;                                                    \
        *pp_ = NULL;                                                                               \
        v_;                                                                                        \
    })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
