/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logger.h - programs that take a process's output, as "binary:" URIs name them (nerdctl's way).
 * For streams.c.
 */
#ifndef SHIM_LOGGER_H
#define SHIM_LOGGER_H
#include "shim/shim.h"

#define LOGGER_SCHEME "binary:"

/* "binary:///PROGRAM?KEY=VALUE&...": PROGRAM and its arguments, KEY VALUE ... */
int logger_words(const char *uri, struct strv *ret, struct err *err);

/* Starts it; stdout and stderr of the process go into ret_fds. It ends when both have. */
int logger_start(const struct process *p, const char *uri, int ret_fds[2], struct err *err);

#endif
