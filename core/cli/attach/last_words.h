/* SPDX-License-Identifier: Apache-2.0 */
/*
 * last_words.h - why a VM has ended under a process that somebody watches. For run and exec, whose
 * exit status 137 would be all that is left otherwise.
 */
#ifndef CLI_LAST_WORDS_H
#define CLI_LAST_WORDS_H
#include "cli/cli.h"

/*
 * A process of container id has ended with `status`, and monitor is a connection to its sandbox's
 * monitor from before: when that was the VM's or the monitor's end, print why and log it.
 */
void last_words_tell(const struct cli *cli, const char *id, int monitor, int status);

/* err says that the monitor has died (EPIPE): where its log says of what, so does err. */
void last_words_explain(const struct cli *cli, const char *id, struct err *err);

#endif
