/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qmp.h - QEMU's control channel: one command at a time, replies, and events that arrive meanwhile.
 * Used by vm.c and hotplug.c; the caller holds the VM's lock.
 */
#ifndef KVM_QMP_H
#define KVM_QMP_H
#include <json-c/json.h>
#include <stdbool.h>
#include "common/deadline.h"

#define QMP_LINE_MAX (4u << 20) /* a longer reply is a broken QEMU */

struct qmp {
    int fd;    /* -1 = not connected */
    bool dead; /* end of file or garbage: nothing more will come */
    char *buf; /* bytes read, not yet a whole line */
    size_t used, cap;
    unsigned id; /* of the last command */
    /* Called for each event, from within qmp_hello, qmp_run and qmp_drain. */
    void (*on_event)(void *ctx, const char *name, struct json_object *data);
    void *ctx;
    char version[32]; /* of QEMU, from its greeting */
};

/* Takes the connected fd over. */
void qmp_init(struct qmp *q, int fd, void (*on_event)(void *, const char *, struct json_object *),
              void *ctx);
void qmp_done(struct qmp *q);
/* Greeting and capability negotiation. */
int qmp_hello(struct qmp *q, const struct deadline *d, struct hvp_error *err);
/*
 * Run one command.  args is taken over and may be NULL; ret_reply may be NULL, else it gets the
 * "return" value, to be put.  QEMU's own refusal is -EREMOTEIO with its text in err; -EPIPE:
 * QEMU is gone.
 */
int qmp_run(struct qmp *q, const char *command, struct json_object *args,
            struct json_object **ret_reply, const struct deadline *d, struct hvp_error *err);
/* The same with a descriptor that travels along (getfd). */
int qmp_run_fd(struct qmp *q, const char *command, struct json_object *args, int fd,
               struct json_object **ret_reply, const struct deadline *d, struct hvp_error *err);
/* Handle what has arrived, or a good part of it, without waiting. */
void qmp_drain(struct qmp *q);

/* The member as text or number; the default where it is missing or of another type. */
const char *qmp_text(struct json_object *o, const char *key, const char *otherwise);

#endif
