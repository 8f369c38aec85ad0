/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"
#include "base/fd.h"
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The log sink is one of the two mutable globals of the house (STYLE section 1). */
static struct {
    int fd;
    enum log_format format;
    enum log_level max;
    size_t budget, spent;
} sink = {2, LOG_TEXT, LOG_L_WARN, 0, 0};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

void log_init(int fd, enum log_format format, enum log_level max)
{
    sink.fd = fd;
    sink.format = format;
    sink.max = max;
}

void log_budget(size_t bytes)
{
    sink.budget = bytes;
    sink.spent = 0;
}

void log_tame(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (; *text && n + 6 < size; text++) {
        unsigned char c = (unsigned char)*text;

        if (c == '\n' && text[1]) {
            memcpy(out + n, "\n    ", 5);
            n += 5;
        } else if (c != '\n') {
            out[n++] = c == '\t' || (c >= 0x20 && c != 0x7f) ? (char)c : '?';
        }
    }
    out[n] = '\0';
}

/* Whether this line still fits; the first that does not leaves a word about it. */
static bool within_budget(enum log_level level, size_t len)
{
    static const char full[] = "warning: the log is full, only errors from here on\n";

    if (!sink.budget || level == LOG_L_ERROR)
        return true;
    if (sink.spent > sink.budget)
        return false;
    sink.spent += len;
    if (sink.spent > sink.budget)
        (void)fd_write_all(sink.fd, full, sizeof(full) - 1, NULL);
    return sink.spent <= sink.budget;
}

enum log_level log_max_level(void)
{
    return sink.max;
}

/* JSON string contents; what does not fit is cut at a whole character. */
static size_t json_escape(char *out, size_t size, const char *in)
{
    size_t n = 0;

    for (; *in && n + 7 < size; in++) {
        unsigned char c = (unsigned char)*in;

        if (c == '"' || c == '\\') {
            out[n++] = '\\';
            out[n++] = (char)c;
        } else if (c == '\n') {
            out[n++] = '\\';
            out[n++] = 'n';
        } else if (c < 0x20 || c == 0x7f) {
            n += (size_t)snprintf(out + n, size - n, "\\u%04x", c);
        } else {
            out[n++] = (char)c;
        }
    }
    out[n] = '\0';
    return n;
}

static size_t format_json(char *line, size_t size, enum log_level level, const char *msg)
{
    char escaped[5000], when[40];
    struct tm tm;
    time_t now = time(NULL);

    gmtime_r(&now, &tm);
    strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
    json_escape(escaped, sizeof(escaped), msg);
    snprintf(line, size, "{\"level\":\"%s\",\"msg\":\"%s\",\"time\":\"%s\"}\n", level_names[level],
             escaped, when);
    return strlen(line);
}

void log_from_signal(const char *text, size_t len)
{
    if (sink.fd >= 0)
        (void)!write(sink.fd, text, len);
}

void log_line(enum log_level level, const char *fmt, ...)
{
    char msg[2400], tame[4000], line[5200];
    int saved = errno;
    size_t len;
    va_list ap;

    if (sink.fd < 0 || level > sink.max)
        return;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof(msg), fmt, ap);
    va_end(ap);
    if (sink.format == LOG_JSON) {
        len = format_json(line, sizeof(line), level, msg);
    } else {
        log_tame(tame, sizeof(tame), msg);
        snprintf(line, sizeof(line), "%s: %s\n", level_names[level], tame);
        len = strlen(line);
    }
    if (within_budget(level, len))
        (void)fd_write_all(sink.fd, line, len, NULL); /* nowhere left to report to */
    errno = saved;
}
