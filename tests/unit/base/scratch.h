/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scratch.h - a fresh directory for one test, removed by scratch_done().
 * For the tests of base that touch files.
 */
#ifndef SCRATCH_H
#define SCRATCH_H
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/path.h"
#include "base/str.h"
#include "test.h"

struct scratch {
    char path[64];
    int fd;
};

static inline struct scratch scratch_make(void)
{
    struct scratch s = {.path = "/tmp/anyvisor-test-XXXXXX"};

    if (!mkdtemp(s.path))
        TEST_FAIL("mkdtemp: %m");
    s.fd = open(s.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(s.fd >= 0);
    return s;
}

static inline void scratch_done(struct scratch *s)
{
    struct err err = ERR_INIT;

    close(s->fd);
    CHECK_OK(path_remove_tree(AT_FDCWD, s->path, &err), err);
}

#endif
