/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job.h - one run of the anyvisor program next to us, on behalf of a request.
 * For service.c. What it logs comes to our own log; its last error is the answer to the request.
 */
#ifndef SHIM_JOB_H
#define SHIM_JOB_H
#include "shim/shim.h"

#define JOB_EXTRA_FD 3 /* where the program finds extra */

struct job {
    struct shim *s;
    struct task *t;
    struct process *p;
    struct call call;
    pid_t pid;
    int log;                  /* memfd */
    int listener;             /* console socket; -1 = none */
    char *pid_file, *console; /* removed at its end; NULL = none */
    bool starting;            /* brings a child of ours */
    /* error: NULL = it succeeded, else its last words. */
    void (*done)(struct job *j, const char *error);
    struct job *next;
};

struct job_command {
    const char *const *words; /* the verb and what follows, NULL-terminated */
    int stdio[3];             /* -1: /dev/null */
    int extra;                /* -1: none */
};

/* For cleanup by job_start, also when that fails: what the fields own is given up to it. */
struct job *job_new(struct process *p, const struct call *c,
                    void (*done)(struct job *j, const char *error));
/* done() comes later, or -errno and it never comes. */
int job_start(struct job *j, const struct job_command *command, struct err *err);
/* A child has ended: whether it was a job. Its done() has run. */
bool job_ended(struct shim *s, pid_t pid, int status);

/* The last error of a log of the program's, without what it is called there; NULL: none.
 * Caller frees. */
char *job_last_error(const char *log);

#endif
