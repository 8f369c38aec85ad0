/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.h - small files: text of /proc and /sys, the tail of a log, a listening socket.
 * For back-ends; everything is bounded and CLOEXEC.
 */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <anyvisor/hvp.h>

/* Up to len-1 bytes as a string; their number or -errno. */
int file_read_text(const char *path, char *buf, size_t len);
/* The whole file, at most max bytes, with a NUL behind it. */
int file_read_alloc(const char *path, size_t max, char **ret, size_t *ret_len);
/* Write path anew through a temporary file beside it, so that readers never see a half. */
int file_write_atomic(const char *path, const char *text);
/* The last len-1 bytes of the file as a string without NULs; their number or -errno. */
int file_read_tail(const char *path, char *buf, size_t len);
/*
 * Last line of the file that is not empty, control characters made spaces; false = there is none.
 * For the sentence about a VMM that ended by itself.
 */
bool file_last_line(const char *path, char *buf, size_t len);
/*
 * From mark to the end of its line, where mark stands in the file's tail: a kernel's own words
 * about its end, which a call trace may follow.
 */
bool file_tail_line(const char *path, const char *mark, char *line, size_t len);
/* Listening unix socket at path (replaced when it exists), mode 0600. */
int file_listen(const char *path, int *ret_fd, struct hvp_error *err);
int file_connect(const char *path, int *ret_fd, struct hvp_error *err);
/* Open for append, created 0600. */
int file_open_log(const char *path, int *ret_fd, struct hvp_error *err);

#endif
