/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - one error: errno, the phase it happened in, one sentence. Caller's memory, no allocation.
 * Every function that can fail takes it last and returns -errno; the place that knows the cause
 * fills it, callers only wrap it ("outer: inner") or pass it up.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H
#include "base/macros.h"

/* Where a start can fail; named in the OCI error so that an operator knows where to look. */
enum err_phase {
    PHASE_NONE,
    PHASE_CONFIG,
    PHASE_POLICY,
    PHASE_PLUGIN,
    PHASE_VMM,
    PHASE_KERNEL,
    PHASE_AGENT,
    PHASE_STORAGE,
    PHASE_NETWORK,
    PHASE_PROCESS,
};

struct err {
    int code; /* positive errno; 0 = nothing happened */
    enum err_phase phase;
    char msg[2048];
};

#define ERR_INIT                                                                                   \
    {                                                                                              \
        0, PHASE_NONE, ""                                                                          \
    }

/*
 * Fill *err (may be NULL) and return -code. code is a positive errno, 0 counts as EIO; "%m" in fmt
 * means strerror(code). An older content is overwritten: nothing is allocated.
 */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same with a phase. */
int err_set_phase(struct err *err, enum err_phase phase, int code, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* Put "text: " before the message; returns -err->code, for `return err_wrap(...)`. */
int err_wrap(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Set the phase if none is set yet; returns -err->code. */
int err_in_phase(struct err *err, enum err_phase phase);

/* "storage", "VMM", ...; "" for PHASE_NONE. Unknown names parse as PHASE_NONE. */
const char *err_phase_name(enum err_phase phase);
enum err_phase err_phase_parse(const char *name);

#endif
