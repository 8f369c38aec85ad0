/* SPDX-License-Identifier: Apache-2.0 */
/*
 * last_words.h - why a VM has ended under a process that somebody watches: its monitor's last
 * error. For run and exec, whose exit status 137 would be all that is left otherwise.
 */
#ifndef CLI_LAST_WORDS_H
#define CLI_LAST_WORDS_H
#include "cli/cli.h"

/* The last error of a monitor's log, its further lines included; NULL = none. Caller frees. */
char *last_words_find(const char *log);

/*
 * A process of the container with this state directory has ended with `status`: when that was its
 * VM's or monitor's end, print why and log it.
 */
void last_words_tell(const struct cli *cli, int dirfd, int status);

#endif
