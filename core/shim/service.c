/* SPDX-License-Identifier: Apache-2.0 */
/* The task service's table, and its requests about processes that exist. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/layout.h"
#include "base/log.h"
#include "shim.pb-c.h"
#include "shim/job.h"
#include "shim/message.h"
#include "shim/publish.h"
#include "shim/streams.h"

void service_fail(struct shim *s, const struct call *c, const struct err *err)
{
    enum code code = CODE_UNKNOWN;

    if (err->code == ENOENT || err->code == ESRCH)
        code = CODE_NOT_FOUND;
    else if (err->code == EEXIST)
        code = CODE_ALREADY_EXISTS;
    else if (err->code == EINVAL)
        code = CODE_INVALID_ARGUMENT;
    else if (err->code == EBUSY || err->code == ENOTTY)
        code = CODE_FAILED_PRECONDITION;
    else if (err->code == ENOTSUP)
        code = CODE_UNIMPLEMENTED;
    call_fail(s, c, code, err->msg);
}

struct task *service_task(struct shim *s, const struct call *c, const char *id)
{
    struct task *t = task_find(s, id);
    struct err err = ERR_INIT;

    if (!t) {
        err_set(&err, ENOENT, "container '%s' does not exist", id);
        service_fail(s, c, &err);
    }
    return t;
}

struct process *service_process(struct shim *s, const struct call *c, const char *id,
                                const char *exec_id)
{
    struct task *t = service_task(s, c, id);
    struct process *p = t ? task_process(t, exec_id) : NULL;
    struct err err = ERR_INIT;

    if (t && !p) {
        err_set(&err, ENOENT, "process '%s' of container '%s' does not exist", exec_id, id);
        service_fail(s, c, &err);
    }
    return p;
}

static Pb__TaskStatus status_of(const struct process *p)
{
    switch (p->state) {
    case PROCESS_RUNNING:
        return p->t->paused ? PB__TASK_STATUS__PAUSED : PB__TASK_STATUS__RUNNING;
    case PROCESS_STOPPED:
        return PB__TASK_STATUS__STOPPED;
    default:
        return PB__TASK_STATUS__CREATED;
    }
}

static void state(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    const Pb__ProcessRequest *r = (const Pb__ProcessRequest *)m;
    const struct process *p = service_process(s, c, r->id, r->exec_id);
    Pb__StateResponse response = PB__STATE_RESPONSE__INIT;
    Pb__Timestamp at;

    if (!p)
        return;
    response.id = p->t->id;
    response.bundle = p->t->bundle;
    response.pid = (uint32_t)p->pid;
    response.status = status_of(p);
    response.stdin = p->in;
    response.stdout = p->out;
    response.stderr = p->err;
    response.terminal = p->terminal;
    response.exec_id = p->exec_id;
    if (p->state == PROCESS_STOPPED) {
        at = (Pb__Timestamp)TIMESTAMP_OF(p->exited_at);
        response.exit_status = (uint32_t)p->status;
        response.exited_at = &at;
    }
    call_reply(s, c, &response.base);
}

static void wait_for(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    const Pb__ProcessRequest *r = (const Pb__ProcessRequest *)m;
    struct process *p = service_process(s, c, r->id, r->exec_id);
    Pb__WaitResponse response = PB__WAIT_RESPONSE__INIT;
    Pb__Timestamp at;

    if (!p)
        return;
    if (p->state != PROCESS_STOPPED) {
        p->waits = xreallocarray(p->waits, p->n_waits + 1, sizeof(*p->waits));
        p->waits[p->n_waits++] = *c;
        return;
    }
    at = (Pb__Timestamp)TIMESTAMP_OF(p->exited_at);
    response.exit_status = (uint32_t)p->status;
    response.exited_at = &at;
    call_reply(s, c, &response.base);
}

/* The processes that containerd knows; a VM shows no others on the host. */
static void pids(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    const struct task *t = service_task(s, c, ((const Pb__IdRequest *)m)->id);
    Pb__PidsResponse response = PB__PIDS_RESPONSE__INIT;
    Pb__ProcessInfo *infos;
    Pb__Any *details;
    size_t n = 0;

    if (!t)
        return;
    for (const struct process *p = t->processes; p; p = p->next)
        n++;
    infos = xcalloc(n + 1, sizeof(*infos));
    details = xcalloc(n + 1, sizeof(*details));
    response.processes = xcalloc(n + 1, sizeof(*response.processes));
    for (const struct process *p = t->processes; p; p = p->next) {
        Pb__ProcessDetails d = PB__PROCESS_DETAILS__INIT;
        size_t i = response.n_processes;
        struct packed packed;

        if (p->dead || (p->state != PROCESS_RUNNING && p->state != PROCESS_CREATED))
            continue;
        infos[i] = (Pb__ProcessInfo)PB__PROCESS_INFO__INIT;
        infos[i].pid = (uint32_t)p->pid;
        response.processes[response.n_processes++] = &infos[i];
        if (!*p->exec_id)
            continue;
        d.exec_id = p->exec_id;
        packed = message_pack(&d.base);
        details[i] = (Pb__Any)PB__ANY__INIT;
        details[i].type_url = (char *)TYPE_PROCESS_DETAILS;
        details[i].value.data = packed.data;
        details[i].value.len = packed.len;
        infos[i].info = &details[i];
    }
    call_reply(s, c, &response.base);
    for (size_t i = 0; i < n; i++)
        free(details[i].value.data);
    free(details);
    free(infos);
    free(response.processes);
}

static void resize(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    const Pb__ResizePtyRequest *r = (const Pb__ResizePtyRequest *)m;
    const struct process *p = service_process(s, c, r->id, r->exec_id);
    struct err err = ERR_INIT;

    if (!p)
        return;
    if (streams_resize(p, r->width, r->height, &err) < 0)
        service_fail(s, c, &err);
    else
        call_reply(s, c, NULL);
}

static void close_io(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    const Pb__CloseIORequest *r = (const Pb__CloseIORequest *)m;
    struct process *p = service_process(s, c, r->id, r->exec_id);

    if (!p)
        return;
    if (r->stdin)
        streams_end_of_input(p);
    call_reply(s, c, NULL);
}

static void stats(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    struct task *t = service_task(s, c, ((const Pb__IdRequest *)m)->id);

    if (t)
        monitor_link_stats(t, c);
}

static void connect_task(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    const struct process *p = service_process(s, c, ((const Pb__IdRequest *)m)->id, "");
    Pb__ConnectResponse response = PB__CONNECT_RESPONSE__INIT;

    if (!p)
        return;
    response.shim_pid = (uint32_t)getpid();
    response.task_pid = (uint32_t)p->pid;
    response.version = (char *)layout_version();
    call_reply(s, c, &response.base);
}

static void shut_down(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    bool busy = false;

    (void)m;
    for (const struct task *t = s->tasks; t; t = t->next)
        busy = busy || !t->dead;
    call_reply(s, c, NULL);
    if (!busy)
        shim_leave(s);
}

static void checkpoint(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    (void)m;
    call_fail(s, c, CODE_UNIMPLEMENTED, "checkpoints of a VM's container are not implemented");
}

/* Requests that are one run of the runtime. */

static void on_simple(struct job *j, const char *error)
{
    if (error)
        call_fail(j->s, &j->call, CODE_UNKNOWN, error);
    else
        call_reply(j->s, &j->call, NULL);
}

static void run_simple(struct process *p, const struct call *c, const char *const *words, int input,
                       void (*done)(struct job *j, const char *error))
{
    struct job_command command = {words, {input, -1, -1}, -1};
    struct err err = ERR_INIT;

    if (job_start(job_new(p, c, done), &command, &err) < 0)
        service_fail(p->t->s, c, &err);
}

static void set_paused(struct job *j, const char *error, bool paused)
{
    Pb__TaskEvent event = PB__TASK_EVENT__INIT;

    on_simple(j, error);
    if (error)
        return;
    j->t->paused = paused;
    event.container_id = j->t->id;
    publish(j->s->publisher, paused ? "/tasks/paused" : "/tasks/resumed",
            paused ? "containerd.events.TaskPaused" : "containerd.events.TaskResumed", &event.base);
}

static void on_paused(struct job *j, const char *error)
{
    set_paused(j, error, true);
}

static void on_resumed(struct job *j, const char *error)
{
    set_paused(j, error, false);
}

static void pause_task(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    struct process *p = service_process(s, c, ((const Pb__IdRequest *)m)->id, "");

    if (p)
        run_simple(p, c, (const char *const[]){"pause", p->t->id, NULL}, -1, on_paused);
}

static void resume_task(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    struct process *p = service_process(s, c, ((const Pb__IdRequest *)m)->id, "");

    if (p)
        run_simple(p, c, (const char *const[]){"resume", p->t->id, NULL}, -1, on_resumed);
}

static void update(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    const Pb__UpdateTaskRequest *r = (const Pb__UpdateTaskRequest *)m;
    struct process *p = service_process(s, c, r->id, "");
    cleanup_fd int resources = -1;
    struct err err = ERR_INIT;

    if (!p)
        return;
    if (!r->resources) {
        call_fail(s, c, CODE_INVALID_ARGUMENT, "an update without resources");
        return;
    }
    resources = memfd_create("resources", MFD_CLOEXEC);
    if (resources < 0 ||
        fd_write_all(resources, r->resources->value.data, r->resources->value.len, &err) < 0 ||
        lseek(resources, 0, SEEK_SET) < 0) {
        call_fail(s, c, CODE_UNKNOWN, "no memory for the resources");
        return;
    }
    run_simple(p, c, (const char *const[]){"update", "--resources", "-", p->t->id, NULL}, resources,
               on_simple);
}

/* An exec is its proxy, which forwards what it gets. */
static void kill_exec(struct process *p, const struct call *c, uint32_t signo)
{
    struct err err = ERR_INIT;

    if (p->state != PROCESS_RUNNING || signo == 0 || signo > 64)
        err_set(&err, p->state == PROCESS_ADDED ? EBUSY : ESRCH, "process '%s' is not running",
                p->exec_id);
    else if (kill(p->pid, (int)signo) < 0)
        err_set(&err, errno, "signal process '%s': %m", p->exec_id);
    if (err.code)
        service_fail(p->t->s, c, &err);
    else
        call_reply(p->t->s, c, NULL);
}

/* containerd's clients know a process that is gone by the code. */
static void on_killed(struct job *j, const char *error)
{
    if (error && strstr(error, "container not running"))
        call_fail(j->s, &j->call, CODE_NOT_FOUND, "process already finished");
    else
        on_simple(j, error);
}

static void kill_process(struct shim *s, const struct call *c, const ProtobufCMessage *m)
{
    const Pb__KillRequest *r = (const Pb__KillRequest *)m;
    struct process *p = service_process(s, c, r->id, r->exec_id);
    cleanup_free char *signo = xasprintf("%u", (unsigned)r->signal);

    if (!p)
        return;
    if (*p->exec_id)
        kill_exec(p, c, r->signal);
    else if (r->all)
        run_simple(p, c, (const char *const[]){"kill", "--all", p->t->id, signo, NULL}, -1,
                   on_killed);
    else
        run_simple(p, c, (const char *const[]){"kill", p->t->id, signo, NULL}, -1, on_killed);
}

const struct method service_methods[] = {
    {"State", &pb__process_request__descriptor, state},
    {"Create", &pb__create_task_request__descriptor, service_create},
    {"Start", &pb__process_request__descriptor, service_start},
    {"Delete", &pb__process_request__descriptor, service_delete},
    {"Pids", &pb__id_request__descriptor, pids},
    {"Pause", &pb__id_request__descriptor, pause_task},
    {"Resume", &pb__id_request__descriptor, resume_task},
    {"Checkpoint", &pb__id_request__descriptor, checkpoint},
    {"Kill", &pb__kill_request__descriptor, kill_process},
    {"Exec", &pb__exec_process_request__descriptor, service_exec},
    {"ResizePty", &pb__resize_pty_request__descriptor, resize},
    {"CloseIO", &pb__close_iorequest__descriptor, close_io},
    {"Update", &pb__update_task_request__descriptor, update},
    {"Wait", &pb__process_request__descriptor, wait_for},
    {"Stats", &pb__id_request__descriptor, stats},
    {"Connect", &pb__id_request__descriptor, connect_task},
    {"Shutdown", &pb__id_request__descriptor, shut_down},
    {NULL, NULL, NULL},
};
