/* SPDX-License-Identifier: Apache-2.0 */
#include "hooks/output.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

static void add(struct output *o, const char *bytes, size_t n)
{
    size_t drop;

    if (n > OUTPUT_TAIL) {
        bytes += n - OUTPUT_TAIL;
        n = OUTPUT_TAIL;
    }
    drop = o->len + n > OUTPUT_TAIL ? o->len + n - OUTPUT_TAIL : 0;
    memmove(o->tail, o->tail + drop, o->len - drop);
    o->len -= drop;
    for (size_t i = 0; i < n; i++)
        o->tail[o->len++] = (unsigned char)bytes[i] < ' ' || bytes[i] == 0x7f ? ' ' : bytes[i];
    o->tail[o->len] = '\0';
}

int output_take(struct output *o, int fd)
{
    char buf[4096];
    ssize_t n;

    while ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0)
            add(o, buf, (size_t)n);
    return n < 0 && errno == EAGAIN;
}
