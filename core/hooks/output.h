/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.h - the last bytes that a hook wrote, gathered while it runs. For hooks.c.
 */
#ifndef HOOKS_OUTPUT_H
#define HOOKS_OUTPUT_H
#include <stddef.h>

#define OUTPUT_TAIL 1024

struct output {
    char tail[OUTPUT_TAIL + 1]; /* NUL-terminated; printable characters and blanks only */
    size_t len;
};

/* Take what is in fd (non-blocking) now. 1 = more may come, 0 = end or error. */
int output_take(struct output *o, int fd);

#endif
