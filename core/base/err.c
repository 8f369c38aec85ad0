/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const phase_names[] = {
    [PHASE_NONE] = "",           [PHASE_CONFIG] = "config",   [PHASE_POLICY] = "policy",
    [PHASE_PLUGIN] = "plug-in",  [PHASE_VMM] = "VMM",         [PHASE_KERNEL] = "kernel",
    [PHASE_AGENT] = "agent",     [PHASE_STORAGE] = "storage", [PHASE_NETWORK] = "network",
    [PHASE_PROCESS] = "process",
};

static int fill(struct err *err, enum err_phase phase, int code, const char *fmt, va_list ap)
{
    int saved = errno;

    if (code <= 0)
        code = EIO;
    if (err) {
        err->code = code;
        err->phase = phase;
        errno = code; /* for %m */
        vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    }
    errno = saved;
    return -code;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    va_list ap;
    int r;

    va_start(ap, fmt);
    r = fill(err, PHASE_NONE, code, fmt, ap);
    va_end(ap);
    return r;
}

int err_set_phase(struct err *err, enum err_phase phase, int code, const char *fmt, ...)
{
    va_list ap;
    int r;

    va_start(ap, fmt);
    r = fill(err, phase, code, fmt, ap);
    va_end(ap);
    return r;
}

int err_wrap(struct err *err, const char *fmt, ...)
{
    char inner[sizeof(err->msg)];
    size_t used;
    va_list ap;

    if (!err)
        return -EIO;
    memcpy(inner, err->msg, sizeof(inner));
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    used = strlen(err->msg);
    snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", inner);
    return err->code ? -err->code : -EIO;
}

int err_in_phase(struct err *err, enum err_phase phase)
{
    if (!err)
        return -EIO;
    if (err->phase == PHASE_NONE)
        err->phase = phase;
    return err->code ? -err->code : -EIO;
}

const char *err_phase_name(enum err_phase phase)
{
    return (size_t)phase < ARRAY_SIZE(phase_names) ? phase_names[phase] : "";
}

enum err_phase err_phase_parse(const char *name)
{
    for (size_t i = 1; i < ARRAY_SIZE(phase_names); i++)
        if (strcmp(phase_names[i], name) == 0)
            return (enum err_phase)i;
    return PHASE_NONE;
}
