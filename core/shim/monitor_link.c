/* SPDX-License-Identifier: Apache-2.0 */
/* A task's own connection to the monitor of its VM: OOM events as they come, statistics when asked.
 * A connection costs no process, as `anyvisor events` would for each task. */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "monitor/ipc.h"
#include "shim.pb-c.h"
#include "shim/message.h"
#include "shim/publish.h"
#include "shim/shim.h"
#include "state/state.h"

#define SEQ_EVENTS 1
#define WAITING_MAX 64
#define READ_SIZE 4096

struct waiting {
    uint32_t seq;
    struct call call;
};

struct monitor_link {
    struct task *t;
    struct loop_source source;
    struct frame_reader in;
    uint32_t seq;
    struct waiting waiting[WAITING_MAX];
    size_t n_waiting;
};

/* The VM may be that of another container. */
static int connect_to(const struct task *t, struct err *err)
{
    struct state_dir dir;
    struct state state = {0};
    cleanup_free char *path = NULL;
    int r = state_dir_open(t->settings.root, t->id, &dir, err);

    if (r < 0)
        return r;
    r = state_read(&dir, &state, err);
    if (r == 0 && (r = str_check_id(state.sandbox ? state.sandbox : t->id, err)) == 0) {
        path = path_join(t->settings.root, state.sandbox ? state.sandbox : t->id);
        r = ipc_connect(path, err);
    }
    state_done(&state);
    state_dir_close(&dir);
    return r;
}

static int ask(const struct monitor_link *l, uint16_t type, uint32_t seq, struct err *err)
{
    cleanup_call(wbuf_done) struct wbuf body = {0};
    const struct ipc_target target = {.id = l->t->id};

    ipc_target_put(&body, &target);
    return ipc_send(l->source.fd, type, seq, &body, NULL, 0, err);
}

static void put_stats(const struct msg_stats *s, Pb__Metrics *m)
{
#define KNOWN(v) ((v) == PLAN_UNSET ? 0 : (v))
    m->pids->current = KNOWN(s->pids);
    m->pids->limit = KNOWN(s->pids_limit);
    m->cpu->usage_usec = KNOWN(s->cpu_usage_us);
    m->cpu->user_usec = KNOWN(s->cpu_user_us);
    m->cpu->system_usec = KNOWN(s->cpu_system_us);
    m->cpu->nr_periods = KNOWN(s->cpu_periods);
    m->cpu->nr_throttled = KNOWN(s->cpu_throttled);
    m->cpu->throttled_usec = KNOWN(s->cpu_throttled_us);
    m->memory->anon = KNOWN(s->mem_anon);
    m->memory->file = KNOWN(s->mem_file);
    m->memory->inactive_file = KNOWN(s->mem_inactive_file);
    m->memory->pgfault = KNOWN(s->mem_pgfault);
    m->memory->pgmajfault = KNOWN(s->mem_pgmajfault);
    m->memory->usage = KNOWN(s->mem_usage);
    m->memory->usage_limit = s->mem_limit; /* no limit is the largest number, as in cgroups */
    m->memory->swap_usage = KNOWN(s->swap_usage);
    m->memory->swap_limit = s->swap_limit;
    m->memory->max_usage = KNOWN(s->mem_peak);
    m->memory_events->oom_kill = KNOWN(s->mem_oom_kills);
    m->io->usage[0]->rbytes = KNOWN(s->io_read_bytes);
    m->io->usage[0]->wbytes = KNOWN(s->io_write_bytes);
    m->io->usage[0]->rios = KNOWN(s->io_reads);
    m->io->usage[0]->wios = KNOWN(s->io_writes);
#undef KNOWN
}

static void answer(struct shim *s, const struct call *c, const struct msg_stats *stats)
{
    Pb__Metrics m = PB__METRICS__INIT;
    Pb__PidsStat pids = PB__PIDS_STAT__INIT;
    Pb__CPUStat cpu = PB__CPUSTAT__INIT;
    Pb__MemoryStat memory = PB__MEMORY_STAT__INIT;
    Pb__MemoryEvents events = PB__MEMORY_EVENTS__INIT;
    Pb__IOEntry entry = PB__IOENTRY__INIT, *entries[] = {&entry};
    Pb__IOStat io = PB__IOSTAT__INIT;
    Pb__Any any = PB__ANY__INIT;
    Pb__StatsResponse response = PB__STATS_RESPONSE__INIT;
    struct packed p;

    io.usage = entries;
    io.n_usage = 1;
    m.pids = &pids;
    m.cpu = &cpu;
    m.memory = &memory;
    m.memory_events = &events;
    m.io = &io;
    put_stats(stats, &m);
    p = message_pack(&m.base);
    any.type_url = (char *)TYPE_METRICS;
    any.value.data = p.data;
    any.value.len = p.len;
    response.stats = &any;
    call_reply(s, c, &response.base);
    free(p.data);
}

static void on_reply(struct monitor_link *l, uint32_t seq, struct wire body)
{
    cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
    struct msg_stats stats;
    struct call call;
    size_t i = 0;

    while (i < l->n_waiting && l->waiting[i].seq != seq)
        i++;
    if (i == l->n_waiting)
        return;
    call = l->waiting[i].call;
    l->waiting[i] = l->waiting[--l->n_waiting];
    if (ipc_reply_get(body, &reply) < 0)
        call_fail(l->t->s, &call, CODE_UNKNOWN, "the monitor's answer is malformed");
    else if (reply.code != 0)
        call_fail(l->t->s, &call, CODE_UNKNOWN, reply.text ? reply.text : "no statistics");
    else if (msg_stats_get(wire_over(reply.body, reply.body_len), &stats) < 0)
        call_fail(l->t->s, &call, CODE_UNKNOWN, "the guest has sent malformed statistics");
    else
        answer(l->t->s, &call, &stats);
}

static void on_event(struct monitor_link *l, struct wire body)
{
    Pb__TaskEvent event = PB__TASK_EVENT__INIT;
    struct ipc_event e;

    if (ipc_event_get(body, &e) < 0 || e.kind != IPC_EV_OOM)
        return;
    event.container_id = l->t->id;
    publish(l->t->s->publisher, "/tasks/oom", "containerd.events.TaskOOM", &event.base);
}

/* What has come, frame by frame; -errno when the connection is of no more use. */
static int take(struct monitor_link *l)
{
    size_t room;
    uint8_t *to = frame_reader_space(&l->in, READ_SIZE, &room);
    ssize_t n = to ? recv(l->source.fd, to, room, MSG_DONTWAIT) : -1;
    struct frame_head h;
    const uint8_t *body;
    int r;

    if (n < 0 && to && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -EPIPE;
    frame_reader_commit(&l->in, (size_t)n);
    while ((r = frame_reader_next(&l->in, &h, &body)) > 0) {
        if (h.type == IPC_REPLY)
            on_reply(l, h.seq, wire_over(body, h.len));
        else if (h.type == IPC_EVENT)
            on_event(l, wire_over(body, h.len));
    }
    return r;
}

static void on_ready(void *ctx, uint32_t events)
{
    struct monitor_link *l = ctx;

    (void)events;
    if (take(l) < 0)
        monitor_link_close(l->t);
}

void monitor_link_close(struct task *t)
{
    struct monitor_link *l = t->link;

    if (!l)
        return;
    t->link = NULL;
    for (size_t i = 0; i < l->n_waiting; i++)
        call_fail(t->s, &l->waiting[i].call, CODE_NOT_FOUND, "the container's VM is gone");
    (void)loop_watch(&t->s->loop, &l->source, 0);
    close_fd(&l->source.fd);
    frame_reader_done(&l->in);
    free(l);
}

void monitor_link_open(struct task *t)
{
    struct err err = ERR_INIT;
    int fd = connect_to(t, &err);
    struct monitor_link *l;

    if (fd < 0) {
        log_warn("container '%s': no events of it: %s", t->id, err.msg);
        return;
    }
    t->link = l = xcalloc(1, sizeof(*l));
    l->t = t;
    l->seq = SEQ_EVENTS;
    l->source = (struct loop_source){.fd = fd, .fn = on_ready, .ctx = l};
    if (ask(l, IPC_EVENTS, SEQ_EVENTS, &err) < 0 ||
        loop_watch(&t->s->loop, &l->source, EPOLLIN) < 0)
        monitor_link_close(t);
}

void monitor_link_stats(struct task *t, const struct call *c)
{
    struct monitor_link *l = t->link;
    struct err err = ERR_INIT;

    if (!l || l->n_waiting == WAITING_MAX) {
        call_fail(t->s, c, l ? CODE_UNAVAILABLE : CODE_NOT_FOUND,
                  l ? "too many requests for statistics wait for the guest"
                    : "the container's VM is gone");
        return;
    }
    l->waiting[l->n_waiting++] = (struct waiting){++l->seq, *c};
    if (ask(l, IPC_STATS, l->seq, &err) < 0)
        monitor_link_close(t);
}
