/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log.h - where programs (cli, monitor) write what happened; libraries log at debug level only.
 * One line a call. Text goes "level: message"; JSON is runc's {"level","msg","time"}, which engines
 * parse: the last line of level error is what the user of an engine sees.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include <stddef.h>
#include "base/macros.h"

enum log_level { LOG_L_ERROR, LOG_L_WARN, LOG_L_INFO, LOG_L_DEBUG };
enum log_format { LOG_TEXT, LOG_JSON };

/* fd is borrowed and stays open as long as anything logs; -1 switches logging off. */
void log_init(int fd, enum log_format format, enum log_level max);
enum log_level log_max_level(void);

/* Only so many bytes more below level error: what others, a guest for one, may make us write must
 * not fill the disk. 0 = no bound, the default. */
void log_budget(size_t bytes);

/* Control characters become '?', and each line after the first is indented: what a guest has said
 * cannot look like a line of ours, nor move a terminal's cursor. */
void log_tame(char *out, size_t size, const char *text);

void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* One whole line of the text format, newline included; async-signal-safe. */
void log_from_signal(const char *text, size_t len);

#define log_error(...) log_line(LOG_L_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_L_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_L_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_L_DEBUG, __VA_ARGS__)

#endif
