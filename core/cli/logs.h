/* SPDX-License-Identifier: Apache-2.0 */
/*
 * logs.h - the part of `logs` that guards the operator's terminal.
 * For the verb and its unit test.
 */
#ifndef CLI_LOGS_H
#define CLI_LOGS_H
#include <stddef.h>

/*
 * Take what steers a terminal out of text that a guest wrote: control characters become '?', '\r'
 * goes. Tab and newline stay. Returns the new length.
 */
size_t logs_make_safe(char *text, size_t len);

#endif
