/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"
#include "base/str.h"
#include "kit/internal.h"

/* A check is shorter than PIPE_BUF: it arrives whole or not at all. */
_Static_assert(sizeof(struct kit_check) <= 4096, "a check must fit one write to a pipe");

static void record(struct kit *k, enum kit_result result, const char *what, const char *fmt,
                   va_list ap)
{
    struct kit_check c = {.result = result};

    snprintf(c.area, sizeof(c.area), "%s", k->area);
    snprintf(c.what, sizeof(c.what), "%s", what);
    if (fmt)
        vsnprintf(c.detail, sizeof(c.detail), fmt, ap);
    str_tame(c.detail);
    /* The parent has gone: there is nobody to work for. */
    if (fd_write_all(k->out, &c, sizeof(c), NULL) < 0)
        _exit(1);
}

/* For callers that have no va_list. */
static void tell(struct kit *k, enum kit_result result, const char *what, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    record(k, result, what, fmt, ap);
    va_end(ap);
}

bool kit_that(struct kit *k, bool good, const char *what, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    record(k, good ? KIT_OK : KIT_FAILED, what, good ? NULL : fmt, ap);
    va_end(ap);
    return good;
}

bool kit_ok(struct kit *k, int r, const char *what)
{
    return kit_that(k, r == 0, what, "%s: %s: %s", k->shared->step, strerror(r < 0 ? -r : 0),
                    k->err.msg);
}

bool kit_refused(struct kit *k, int r, const char *what)
{
    return kit_that(k, r < 0, what, "%s succeeded", k->shared->step);
}

bool kit_errno(struct kit *k, int r, int code, const char *what)
{
    if (r == 0)
        return kit_that(k, false, what, "%s succeeded, -%d (%s) was due", k->shared->step, code,
                        strerror(code));
    return kit_that(k, r == -code, what, "%s returned %d (%s: %s), -%d (%s) was due",
                    k->shared->step, r, strerror(-r), k->err.msg, code, strerror(code));
}

void kit_skip(struct kit *k, const char *what, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    record(k, KIT_SKIPPED, what, fmt, ap);
    va_end(ap);
}

void kit_note(struct kit *k, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    record(k, KIT_NOTE, "", fmt, ap);
    va_end(ap);
}

uint64_t kit_now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void kit_step(struct kit *k, const char *op)
{
    snprintf(k->shared->step, sizeof(k->shared->step), "%s", op);
    k->err = (struct hvp_error){.struct_size = sizeof(k->err)};
}

/* -EAGAIN of event_next means "none": no sentence is due. */
int kit_answer(struct kit *k, const char *op, int r)
{
    size_t len = strnlen(k->err.msg, sizeof(k->err.msg));

    if (r == 0 || (r == -EAGAIN && strcmp(op, "event_next") == 0))
        return r;
    if (r > 0 || r < -4095)
        tell(k, KIT_FAILED, "an op returns 0 or -errno", "%s returned %d", op, r);
    else if (len == 0 || len == sizeof(k->err.msg))
        tell(k, KIT_FAILED, "a failure has a sentence", "%s: %d (%s) %s", op, r, strerror(-r),
             len ? "with a text that does not end" : "without a word");
    else if (k->err.code != r)
        tell(k, KIT_FAILED, "a failure's code is what the op returned", "%s: returned %d, code %d",
             op, r, k->err.code);
    k->err.msg[sizeof(k->err.msg) - 1] = '\0';
    return r > 0 || r < -4095 ? -EPROTO : r;
}
