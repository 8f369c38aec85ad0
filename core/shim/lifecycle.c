/* SPDX-License-Identifier: Apache-2.0 */
/* Create, Start, Exec and Delete. Each is a run of the runtime; its end gives answer and event. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "shim.pb-c.h"
#include "shim/job.h"
#include "shim/message.h"
#include "shim/publish.h"
#include "shim/streams.h"

#define EXTRA_FILE "/proc/self/fd/3" /* JOB_EXTRA_FD */
#define PID_FILE_MAX 32

static int read_pid(const char *file, pid_t *ret, struct err *err)
{
    cleanup_free char *text = NULL;
    uint64_t pid;
    size_t len;
    int r = path_read(AT_FDCWD, file, PID_FILE_MAX, &text, &len, err);

    if (r < 0)
        return r;
    if (str_to_u64(text, 1, INT_MAX, &pid) < 0)
        return err_set(err, EPROTO, "the runtime has written no process id to '%s'", file);
    *ret = (pid_t)pid;
    return 0;
}

/* What a failing job has to say: the runtime's words, or the shim's own. */
static void fail(const struct job *j, const char *verb, const char *error)
{
    cleanup_free char *text = xasprintf("OCI runtime %s failed: %s", verb, error);

    call_fail(j->s, &j->call, CODE_UNKNOWN, text);
}

/* Create. */

static void tell_create(const struct job *j)
{
    Pb__TaskCreate event = PB__TASK_CREATE__INIT;
    Pb__TaskIO io = PB__TASK_IO__INIT;

    io.stdin = j->p->in;
    io.stdout = j->p->out;
    io.stderr = j->p->err;
    io.terminal = j->p->terminal;
    event.container_id = j->t->id;
    event.bundle = j->t->bundle;
    event.io = &io;
    event.pid = (uint32_t)j->p->pid;
    publish(j->s->publisher, "/tasks/create", "containerd.events.TaskCreate", &event.base);
}

static void undo_create(struct task *t)
{
    struct err err = ERR_INIT;

    if (t->mounted && rootfs_unmount(t->bundle, &err) < 0)
        log_warn("container '%s': %s, ignoring", t->id, err.msg);
    task_remove(t);
}

static void on_created(struct job *j, const char *error)
{
    Pb__CreateTaskResponse response = PB__CREATE_TASK_RESPONSE__INIT;
    cleanup_free char *file = path_join(j->t->bundle, SHIM_INIT_PID);
    struct err err = ERR_INIT;
    pid_t pid;

    if (!error && (read_pid(file, &pid, &err) < 0 ||
                   (j->listener >= 0 && streams_take_terminal(j->p, j->listener, &err) < 0)))
        error = err.msg;
    if (error) {
        fail(j, "create", error);
        undo_create(j->t);
        return;
    }
    j->p->state = PROCESS_CREATED;
    j->p->pid = pid;
    monitor_link_open(j->t);
    tell_create(j);
    response.pid = (uint32_t)pid;
    call_reply(j->s, &j->call, &response.base);
    process_started(j->p, pid);
}

static int prepare(struct task *t, const Pb__CreateTaskRequest *r, struct err *err)
{
    const ProtobufCMessage *options = r->options ? &r->options->base : NULL;
    int k;

    if (*r->checkpoint)
        return err_set(err, ENOTSUP, "a container in a VM cannot be restored from a checkpoint");
    if (r->bundle[0] != '/')
        return err_set(err, EINVAL, "the bundle '%s' is not an absolute path", r->bundle);
    if ((k = str_check_id(r->id, err)) < 0 ||
        (k = settings_from(options, t->s->args.ns, &t->settings, err)) < 0 ||
        (k = settings_save(&t->settings, t->bundle, err)) < 0 ||
        (k = path_mkdirs(t->settings.root, 0711, err)) < 0 ||
        (k = rootfs_mount(t->bundle, (const ProtobufCMessage *const *)r->rootfs, r->n_rootfs,
                          err)) < 0)
        return k;
    t->mounted = r->n_rootfs > 0;
    return 0;
}

static int start_create(struct process *p, const struct call *c, struct err *err)
{
    cleanup_call(streams_done) struct streams io = STREAMS_INIT;
    cleanup_free char *file = path_join(p->t->bundle, SHIM_INIT_PID);
    const char *words[12] = {"create", "--bundle", p->t->bundle, "--pid-file", file};
    struct job_command command = {.words = words, .extra = -1};
    size_t n = 5;
    struct job *j;
    int r = streams_open(p, &io, err);

    if (r < 0)
        return r;
    if (io.console) {
        words[n++] = "--console-socket";
        words[n++] = io.console;
    }
    words[n++] = p->t->id;
    words[n] = NULL;
    memcpy(command.stdio, io.fds, sizeof(io.fds));
    j = job_new(p, c, on_created);
    j->starting = true;
    j->listener = steal_fd(&io.listener);
    j->console = steal_ptr(&io.console);
    return job_start(j, &command, err);
}

void service_create(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    const Pb__CreateTaskRequest *r = (const Pb__CreateTaskRequest *)m;
    struct err err = ERR_INIT;
    struct process *p;
    struct task *t;

    if (task_find(s, r->id)) {
        err_set(&err, EEXIST, "container '%s' already exists", r->id);
        service_fail(s, c, &err);
        return;
    }
    t = xcalloc(1, sizeof(*t));
    t->s = s;
    t->id = xstrdup(r->id);
    t->bundle = xstrdup(r->bundle);
    t->next = s->tasks;
    s->tasks = t;
    p = process_new(t, "", r->terminal, r->stdin, r->stdout, r->stderr);
    if (prepare(t, r, &err) < 0 || start_create(p, c, &err) < 0) {
        service_fail(s, c, &err);
        undo_create(t);
    }
}

/* Start. */

static void on_started(struct job *j, const char *error)
{
    Pb__StartResponse response = PB__START_RESPONSE__INIT;
    Pb__TaskStart event = PB__TASK_START__INIT;

    if (error) {
        fail(j, "start", error);
        process_settled(j->p);
        return;
    }
    j->p->state = PROCESS_RUNNING;
    event.container_id = j->t->id;
    event.pid = (uint32_t)j->p->pid;
    publish(j->s->publisher, "/tasks/start", "containerd.events.TaskStart", &event.base);
    response.pid = (uint32_t)j->p->pid;
    call_reply(j->s, &j->call, &response.base);
    process_settled(j->p);
}

static int start_task(struct process *p, const struct call *c, struct err *err)
{
    const char *const words[] = {"start", p->t->id, NULL};
    const struct job_command command = {words, {-1, -1, -1}, -1};
    int r = job_start(job_new(p, c, on_started), &command, err);

    p->starting = r == 0;
    return r;
}

static void on_exec_started(struct job *j, const char *error)
{
    Pb__StartResponse response = PB__START_RESPONSE__INIT;
    Pb__TaskExecStarted event = PB__TASK_EXEC_STARTED__INIT;
    struct err err = ERR_INIT;
    pid_t pid;

    if (!error && (read_pid(j->pid_file, &pid, &err) < 0 ||
                   (j->listener >= 0 && streams_take_terminal(j->p, j->listener, &err) < 0)))
        error = err.msg;
    j->p->starting = false;
    if (error) {
        fail(j, "exec", error);
        process_failed(j->p);
        return;
    }
    close_fd(&j->p->spec);
    j->p->state = PROCESS_RUNNING;
    event.container_id = j->t->id;
    event.exec_id = j->p->exec_id;
    event.pid = response.pid = (uint32_t)pid;
    publish(j->s->publisher, "/tasks/exec-started", "containerd.events.TaskExecStarted",
            &event.base);
    call_reply(j->s, &j->call, &response.base);
    process_started(j->p, pid);
}

static int start_exec(struct process *p, const struct call *c, struct err *err)
{
    cleanup_call(streams_done) struct streams io = STREAMS_INIT;
    cleanup_free char *file = xasprintf("%s/exec.%u.pid", p->t->bundle, ++p->t->s->number);
    const char *words[12] = {"exec", "--detach", "--process", EXTRA_FILE, "--pid-file", file};
    struct job_command command = {.words = words, .extra = p->spec};
    size_t n = 6;
    struct job *j;
    int r = streams_open(p, &io, err);

    if (r < 0)
        return r;
    if (io.console) {
        words[n++] = "--tty";
        words[n++] = "--console-socket";
        words[n++] = io.console;
    }
    words[n++] = p->t->id;
    words[n] = NULL;
    memcpy(command.stdio, io.fds, sizeof(io.fds));
    j = job_new(p, c, on_exec_started);
    j->starting = true;
    j->pid_file = steal_ptr(&file);
    j->listener = steal_fd(&io.listener);
    j->console = steal_ptr(&io.console);
    if ((r = job_start(j, &command, err)) == 0)
        p->starting = true;
    return r;
}

void service_start(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    const Pb__ProcessRequest *r = (const Pb__ProcessRequest *)m;
    struct process *p = service_process(s, c, r->id, r->exec_id);
    bool exec = *r->exec_id != '\0';
    struct err err = ERR_INIT;

    if (!p)
        return;
    if (p->starting || p->state != (exec ? PROCESS_ADDED : PROCESS_CREATED))
        err_set(&err, EBUSY, "the process of container '%s' cannot be started: it is %s", r->id,
                p->state == PROCESS_STOPPED   ? "stopped"
                : p->state == PROCESS_RUNNING ? "running"
                                              : "being made");
    else if (exec)
        (void)start_exec(p, c, &err);
    else
        (void)start_task(p, c, &err);
    if (err.code)
        service_fail(s, c, &err);
}

/* Exec: the process is only noted. */
void service_exec(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    const Pb__ExecProcessRequest *r = (const Pb__ExecProcessRequest *)m;
    struct task *t = service_task(s, c, r->id);
    Pb__TaskExecAdded event = PB__TASK_EXEC_ADDED__INIT;
    struct err err = ERR_INIT;
    struct process *p;

    if (!t)
        return;
    if (!*r->exec_id || !r->spec)
        err_set(&err, EINVAL, "an exec in container '%s' needs an id and a process", r->id);
    else if (task_process(t, r->exec_id))
        err_set(&err, EEXIST, "process '%s' of container '%s' already exists", r->exec_id, r->id);
    if (err.code) {
        service_fail(s, c, &err);
        return;
    }
    p = process_new(t, r->exec_id, r->terminal, r->stdin, r->stdout, r->stderr);
    p->spec = memfd_create("process", MFD_CLOEXEC);
    if (p->spec < 0 || fd_write_all(p->spec, r->spec->value.data, r->spec->value.len, &err) < 0) {
        call_fail(s, c, CODE_UNKNOWN, "no memory for the process");
        process_remove(p);
        return;
    }
    event.container_id = t->id;
    event.exec_id = p->exec_id;
    publish(s->publisher, "/tasks/exec-added", "containerd.events.TaskExecAdded", &event.base);
    call_reply(s, c, NULL);
}

/* Delete. */

static void answer_delete(struct shim *s, const struct call *c, const struct process *p)
{
    Pb__DeleteResponse response = PB__DELETE_RESPONSE__INIT;
    Pb__Timestamp at = TIMESTAMP_OF(p->exited_at);

    response.pid = (uint32_t)p->pid;
    response.exit_status = (uint32_t)p->status;
    response.exited_at = &at;
    call_reply(s, c, &response.base);
}

static void tell_delete(const struct process *p)
{
    Pb__TaskDelete event = PB__TASK_DELETE__INIT;
    Pb__Timestamp at = TIMESTAMP_OF(p->exited_at);

    event.container_id = p->t->id;
    event.pid = (uint32_t)p->pid;
    event.exit_status = (uint32_t)p->status;
    event.exited_at = &at;
    publish(p->t->s->publisher, "/tasks/delete", "containerd.events.TaskDelete", &event.base);
}

static void on_deleted(struct job *j, const char *error)
{
    struct err err = ERR_INIT;

    if (!error && rootfs_unmount(j->t->bundle, &err) < 0)
        error = err.msg;
    if (error) {
        fail(j, "delete", error);
        return;
    }
    answer_delete(j->s, &j->call, j->p);
    if (j->t->dead) /* by another request at the same time */
        return;
    tell_delete(j->p);
    task_remove(j->t);
}

/* One that has never been started is killed with its VM. */
static int delete_task(struct process *p, const struct call *c, struct err *err)
{
    const char *const words[] = {"delete", "--force", p->t->id, NULL};
    const struct job_command command = {words, {-1, -1, -1}, -1};

    return job_start(job_new(p, c, on_deleted), &command, err);
}

void service_delete(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    const Pb__ProcessRequest *r = (const Pb__ProcessRequest *)m;
    struct process *p = service_process(s, c, r->id, r->exec_id);
    struct err err = ERR_INIT;

    if (!p)
        return;
    if (p->state == PROCESS_RUNNING || p->starting || (!*r->exec_id && p->pid == 0)) {
        err_set(&err, EBUSY, "the process of container '%s' has not stopped", r->id);
    } else if (*r->exec_id) {
        answer_delete(s, c, p);
        process_remove(p);
    } else {
        (void)delete_task(p, c, &err);
    }
    if (err.code)
        service_fail(s, c, &err);
}
