/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child.h - the one VMM process behind a VM: kill it and wait, name it in a state file, find it
 * again.  For back-ends with HVP_CAP_VMM_CHILD.
 */
#ifndef COMMON_CHILD_H
#define COMMON_CHILD_H
#include <stdbool.h>
#include <sys/types.h>
#include "common/deadline.h"

struct child {
    pid_t pid;
    int pidfd;      /* -1 = there is no process (any more) */
    uint64_t start; /* clock ticks after boot: with pid it names the process for good */
    bool reaped;    /* it is known to be gone; status is valid */
    int status;     /* wait status, -1 = unknown: it was another process's child */
    char uuid[37];  /* stands in the command line, so that a ref proves itself */
};

#define CHILD_INIT                                                                                 \
    {                                                                                              \
        .pidfd = -1, .status = -1                                                                  \
    }

/* Take over what host->spawn returned. */
int child_adopt(struct child *c, pid_t pid, int pidfd, const char *uuid, struct hvp_error *err);
/* "pid=12 start=345 uuid=...": what vm_ref returns. */
int child_ref(const struct child *c, char *buf, size_t len, struct hvp_error *err);
/* Open the process that ref names; -ENOENT: it is gone (or the pid is another's now). */
int child_reopen(struct child *c, const char *ref, struct hvp_error *err);
/* True when the process has ended; reaps it where it is ours. */
bool child_ended(struct child *c);
/* SIGKILL and wait until it is gone and reaped.  0 also when it was. */
int child_kill(struct child *c, const struct deadline *d, struct hvp_error *err);
/* Forget it without touching it. */
void child_done(struct child *c);

/* "exit status 1", "signal 9 (Killed)". */
void child_status_text(int status, char *buf, size_t len);
/* CPU time and resident bytes of the process now; sets the HVP_STAT_* bits that it found. */
void child_stats(const struct child *c, struct hvp_stats *st);

/* True when /proc/PID/cmdline holds word as one whole argument. */
bool child_has_arg(pid_t pid, const char *word);
int child_start_time(pid_t pid, uint64_t *ret);

#endif
