/* SPDX-License-Identifier: Apache-2.0 */
/*
 * console.h - reads a domain's console, which xenconsoled offers as a terminal: into the log, and
 * to one who watches.  A thread of its own, since nobody calls a plug-in when a guest prints.
 * For vm.c; knows nothing of Xen.
 */
#ifndef XEN_CONSOLE_H
#define XEN_CONSOLE_H
#include <anyvisor/hvp.h>

struct console;

/* log_path NULL = no log. */
int console_start(const char *tty, const char *log_path, struct console **ret,
                  struct hvp_error *err);
/* A stream to and from the console; who watched before is disconnected. */
int console_connect(struct console *c, int *ret_fd, struct hvp_error *err);
/* What the guest has printed until now is in the log.  NULL is fine. */
void console_stop(struct console *c);

#endif
