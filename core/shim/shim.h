/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim.h - the structs of containerd-shim-anyvisor-v2 and who owns what.
 * For core/shim only. One struct shim per process; it owns connections, jobs, relays and tasks, a
 * task owns its processes. What has ended is marked dead and freed by the sweep after each round of
 * the loop, once no job refers to it.
 */
#ifndef SHIM_SHIM_H
#define SHIM_SHIM_H
#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>
#include "base/err.h"
#include "base/loop.h"
#include "base/str.h"

#define SHIM_INIT_PID "init.pid" /* in the bundle */
#define SHIM_ROOTFS "rootfs"

/* What start and delete are told, and the serving process is given. */
struct shim_args {
    const char *ns, *id, *address, *bundle, *verb, *unused;
    bool debug, version, info;
};

/* How the runtime is called for a task (settings.c). */
struct settings {
    char *root;   /* state directory, the namespace's name included */
    char *config; /* NULL = the installation's own */
    bool systemd_cgroup;
};

/* Whom to answer; the connection may be gone by then. */
struct call {
    uint64_t conn;
    uint32_t stream;
};

enum process_state { PROCESS_ADDED, PROCESS_CREATED, PROCESS_RUNNING, PROCESS_STOPPED };

struct process {
    struct task *t;
    char *exec_id; /* "": the task's first one */
    enum process_state state;
    pid_t pid; /* of its proxy, a child of ours */
    int status;
    struct timespec exited_at;
    char *in, *out, *err; /* as containerd named them */
    bool terminal;
    int spec;    /* process.json of an exec, until it has started */
    int keep[2]; /* read ends of its output, so that it waits for a reader to come back */
    int master;  /* of its terminal */
    struct relay *stdin_relay;
    struct call *waits;
    size_t n_waits;
    unsigned jobs; /* that refer to it */
    bool starting; /* its exit is told after its start */
    bool ended, dead;
    struct process *next;
};

struct task {
    struct shim *s;
    char *id, *bundle;
    struct settings settings;
    bool mounted, paused, dead;
    struct process *processes; /* the task's own first */
    struct monitor_link *link;
    struct task *next;
};

/* A child of ours that ended before we knew whose process it is. */
struct early {
    pid_t pid;
    int status;
    struct timespec at;
};

struct shim {
    struct loop loop;
    struct shim_args args;
    char *cli; /* the runtime */
    char *socket;
    struct loop_source listener, signals;
    struct loop_timer grace; /* of the way out */
    struct conn *conns;
    uint64_t last_conn;
    struct task *tasks;
    struct job *jobs;
    struct relay *relays;
    struct publisher *publisher;
    struct early *early;
    size_t n_early;
    unsigned starting; /* jobs that may bring us a child whose pid we do not know yet */
    unsigned number;   /* of names in bundles */
    bool leaving;
};

/* server.c: requests and answers. */
enum code { /* of gRPC, as containerd's clients know them */
            CODE_UNKNOWN = 2,
            CODE_INVALID_ARGUMENT = 3,
            CODE_NOT_FOUND = 5,
            CODE_ALREADY_EXISTS = 6,
            CODE_FAILED_PRECONDITION = 9,
            CODE_UNIMPLEMENTED = 12,
            CODE_UNAVAILABLE = 14,
};
struct method {
    const char *name;
    const ProtobufCMessageDescriptor *request;
    void (*fn)(struct shim *s, const struct call *c, const ProtobufCMessage *m);
};
extern const struct method service_methods[]; /* service.c; ends with a NULL name */

/* service.c: what its handlers share. Both answer the call themselves when they return NULL. */
struct task *service_task(struct shim *s, const struct call *c, const char *id);
struct process *service_process(struct shim *s, const struct call *c, const char *id,
                                const char *exec_id);
void service_fail(struct shim *s, const struct call *c, const struct err *err);

/* lifecycle.c: requests that make and remove processes. */
void service_create(struct shim *s, const struct call *c, const ProtobufCMessage *m);
void service_start(struct shim *s, const struct call *c, const ProtobufCMessage *m);
void service_exec(struct shim *s, const struct call *c, const ProtobufCMessage *m);
void service_delete(struct shim *s, const struct call *c, const ProtobufCMessage *m);

int server_open(struct shim *s, int listener, struct err *err);
void server_sweep(struct shim *s);
bool server_idle(const struct shim *s); /* nothing waits to be sent */
void shim_leave(struct shim *s);        /* end the loop once all that is owed has been said */
void call_reply(struct shim *s, const struct call *c, const ProtobufCMessage *m); /* NULL: Empty */
void call_fail(struct shim *s, const struct call *c, enum code code, const char *text);

/* task.c */
struct task *task_find(const struct shim *s, const char *id); /* NULL: none */
struct process *task_process(const struct task *t, const char *exec_id);
struct process *process_new(struct task *t, const char *exec_id, bool terminal, const char *in,
                            const char *out, const char *err);
void process_started(struct process *p, pid_t pid); /* its pid is known */
void process_exited(struct process *p, int status, const struct timespec *at); /* of wait(2) */
void process_settled(struct process *p); /* its start has been told: so may be its exit */
void process_failed(struct process *p);  /* it never came to be: whoever waits is told */
void process_remove(struct process *p);
void task_remove(struct task *t);
void task_sweep(struct shim *s);
/* A child that is no job has ended. */
void task_child_ended(struct shim *s, pid_t pid, int status);

/* monitor_link.c: a task's own connection to its monitor, for statistics and OOM events. */
void monitor_link_open(struct task *t);
void monitor_link_stats(struct task *t, const struct call *c);
void monitor_link_close(struct task *t);

/* rootfs.c */
int rootfs_mount(const char *bundle, const ProtobufCMessage *const *mounts, size_t n,
                 struct err *err);
int rootfs_unmount(const char *bundle, struct err *err); /* nothing mounted is fine */
/* Options with "lowerdir=A:B...", for a process in *ret_folder: many layers of one folder fit a
 * page when they are relative to it. NULL: not of this form. Caller frees both. */
char *rootfs_shorten(const char *data, char **ret_folder);

/* settings.c */
int settings_from(const ProtobufCMessage *any, const char *ns, struct settings *ret,
                  struct err *err); /* a message Any, or NULL */
int settings_save(const struct settings *o, const char *bundle, struct err *err);
void settings_load(const char *bundle, const char *ns, struct settings *ret);
void settings_done(struct settings *o);
/* The beginning of every command line, up to the verb. */
void settings_command(const struct settings *o, const char *cli, const char *log, bool debug,
                      struct strv *ret);

/* start.c, delete.c, info.c: containerd's calls of the program. 0 or -errno. */
int shim_start(const struct shim_args *a, struct err *err);
int shim_delete(const struct shim_args *a, struct err *err);
int shim_info(struct err *err);
char *shim_socket_path(const struct shim_args *a, const char *group);
int shim_cli_path(char **ret, struct err *err);

#endif
