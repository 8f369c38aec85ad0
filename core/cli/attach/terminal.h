/* SPDX-License-Identifier: Apache-2.0 */
/*
 * terminal.h - pseudo-terminals between the guest's terminal and the engine or our own terminal.
 * For create, run and exec.
 */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct terminal {
    int master, slave;
};
#define TERMINAL_INIT                                                                              \
    {                                                                                              \
        -1, -1                                                                                     \
    }

/*
 * A new pty of the caller's devpts. The slave is raw: line discipline and echo are the guest's.
 * rows, cols 0: leave the size.
 */
int terminal_open(uint32_t rows, uint32_t cols, struct terminal *ret, struct err *err);
void terminal_close(struct terminal *t);

/* Give the master to whoever listens on the console socket (runc's way: SCM_RIGHTS and a name). */
int terminal_send(const char *socket_path, const struct terminal *t, struct err *err);

/* What the options ask for: which of the two, or a sentence as runc says it. */
int terminal_check(bool terminal, bool detached, const char *console_socket, struct err *err);

#endif
