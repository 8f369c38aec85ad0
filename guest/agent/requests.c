/* SPDX-License-Identifier: Apache-2.0 */
/* What the host asks: one function per request; streams pass by at the bottom. */
#include "agent/container/container.h"
#include "agent/network/network.h"
#include "agent/storage/storage.h"

#include <errno.h>
#include <string.h>

#include "base/macros.h"

/* A handler returns 0 (reply sent for it), -errno (error reply) or LATER: someone will reply. */
#define LATER 1

typedef int (*handler)(struct agent *a, const struct frame_head *h, struct wire body,
                       struct err *err);

static int bad_body(int r, struct err *err)
{
    return err_set(err, -r, "malformed request: %m");
}

static int find_container(struct agent *a, uint32_t id, struct container **ret, struct err *err)
{
    *ret = container_of_init(a, id);
    return *ret ? 0 : err_set(err, ENOENT, "container does not exist");
}

static int find_process(struct agent *a, uint32_t id, struct process **ret, struct err *err)
{
    *ret = process_find(a, id);
    return *ret ? 0 : err_set(err, ESRCH, "process not found");
}

static int do_setup(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct msg_setup m;
    int r = msg_setup_get(body, &m);

    (void)h;
    if (r < 0)
        return bad_body(r, err);
    /* A host that came back before its absence was noticed starts anew all the same. */
    streams_reset_credit(a);
    r = machine_setup(a, &m, err);
    msg_setup_done(&m);
    return r;
}

static int do_create(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct plan_container plan;
    int r = plan_container_get(body, &plan);

    if (r < 0)
        return bad_body(r, err);
    r = container_create(a, h->id, h->seq, &plan, body, err);
    plan_container_done(&plan);
    return r < 0 ? r : LATER;
}

static int do_start(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct process *p;
    int r = find_process(a, h->id, &p, err);

    (void)body;
    if (r < 0)
        return r;
    r = process_start(a, p, h->seq, err);
    return r < 0 ? r : LATER;
}

static int do_mount(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct container *c;
    int r = find_container(a, h->id, &c, err);

    (void)body;
    if (r < 0)
        return r;
    r = nfs_mount(a, c, h->seq, err);
    return r < 0 ? r : r > 0 ? 0 : LATER;
}

static int do_exec(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct msg_exec m;
    int r = msg_exec_get(body, &m);

    if (r < 0)
        return bad_body(r, err);
    r = container_exec(a, h->id, h->seq, &m, err);
    msg_exec_done(&m);
    return r < 0 ? r : LATER;
}

static int do_signal(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct msg_signal m;
    struct process *p;
    int r = msg_signal_get(body, &m);

    if (r < 0)
        return bad_body(r, err);
    r = find_process(a, h->id, &p, err);
    if (r < 0)
        return r;
    if (!m.all || !p->container)
        return process_signal(a, p, (int)m.signo, err);
    cgroup_kill(p->container, (int)m.signo);
    return 0;
}

static int do_resize(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct msg_resize m;
    struct process *p;
    int r = msg_resize_get(body, &m);

    if (r < 0)
        return bad_body(r, err);
    r = find_process(a, h->id, &p, err);
    return r < 0 ? r : stream_resize(p, m.rows, m.cols, err);
}

static int freeze(struct agent *a, const struct frame_head *h, bool on, struct err *err)
{
    struct container *c;
    int r = find_container(a, h->id, &c, err);

    if (r < 0)
        return r;
    r = container_freeze(a, c, h->seq, on, err);
    return r < 0 ? r : LATER;
}

static int do_pause(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    (void)body;
    return freeze(a, h, true, err);
}

static int do_resume(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    (void)body;
    return freeze(a, h, false, err);
}

static int do_update(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct plan_cgroup plan;
    struct container *c;
    int r = find_container(a, h->id, &c, err);

    if (r < 0)
        return r;
    r = plan_cgroup_get(body, &plan);
    if (r < 0)
        return bad_body(r, err);
    r = cgroup_apply(a, c, &plan, err);
    plan_cgroup_done(&plan);
    return r;
}

static int do_stats(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct container *c;
    struct msg_stats m;
    struct wbuf w = {0};
    int r = find_container(a, h->id, &c, err);

    (void)body;
    if (r < 0)
        return r;
    stats_gather(c, &m);
    msg_stats_put(&w, &m);
    channel_reply_body(a, h->id, h->seq, &w);
    wbuf_done(&w);
    return LATER;
}

static int do_ps(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct container *c;
    struct msg_ps m = {0};
    struct wbuf w = {0};
    int r = find_container(a, h->id, &c, err);

    (void)body;
    if (r < 0)
        return r;
    r = ps_gather(a, c, &m, err);
    if (r == 0) {
        msg_ps_put(&w, &m);
        channel_reply_body(a, h->id, h->seq, &w);
        wbuf_done(&w);
    }
    msg_ps_done(&m);
    return r < 0 ? r : LATER;
}

static int do_delete(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct container *c;
    int r = find_container(a, h->id, &c, err);

    (void)body;
    if (r < 0)
        return r;
    r = container_delete(a, c, h->seq, err);
    return r < 0 ? r : LATER;
}

static int do_connect(struct agent *a, const struct frame_head *h, struct wire body,
                      struct err *err)
{
    struct msg_connect m;
    int r = msg_connect_get(body, &m);

    if (r < 0)
        return bad_body(r, err);
    r = connect_begin(a, h->id, h->seq, (uint16_t)m.port, err);
    return r < 0 ? r : LATER;
}

static int do_resolver(struct agent *a, const struct frame_head *h, struct wire body,
                       struct err *err)
{
    struct msg_resolver m;
    int r = msg_resolver_get(body, &m);

    (void)h;
    return r < 0 ? bad_body(r, err) : resolver_begin(a, m.address, err);
}

static int do_clock(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct msg_clock m;
    struct wbuf w = {0};
    int r = msg_clock_get(body, &m);

    if (r < 0)
        return bad_body(r, err);
    clock_shift(a, m.shift_ns);
    msg_clock_put(&w, &(struct msg_clock){.realtime_ns = clock_now()});
    channel_reply_body(a, h->id, h->seq, &w);
    wbuf_done(&w);
    return LATER;
}

static int do_cpus(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    struct msg_cpus m;
    int r = msg_cpus_get(body, &m);

    if (r < 0)
        return bad_body(r, err);
    r = cpus_await(a, h->seq, m.count, err);
    return r < 0 ? r : LATER;
}

static int do_network(struct agent *a, const struct frame_head *h, struct wire body,
                      struct err *err)
{
    struct msg_network m;
    int r = msg_network_get(body, &m);

    if (r < 0)
        return bad_body(r, err);
    r = network_set(a, h->id, h->seq, &m, err);
    msg_network_done(&m);
    return r < 0 ? r : r > 0 ? 0 : LATER;
}

static int do_poweroff(struct agent *a, const struct frame_head *h, struct wire body,
                       struct err *err)
{
    (void)body;
    (void)err;
    containers_power_off(a, h->seq);
    return LATER;
}

static int do_ping(struct agent *a, const struct frame_head *h, struct wire body, struct err *err)
{
    (void)a;
    (void)h;
    (void)body;
    (void)err;
    return 0;
}

static const struct {
    uint16_t type;
    handler run;
    const char *name;
} table[] = {
    {FRAME_SETUP, do_setup, "setup"},       {FRAME_CREATE, do_create, "create"},
    {FRAME_START, do_start, "start"},       {FRAME_MOUNT, do_mount, "mount"},
    {FRAME_EXEC, do_exec, "exec"},          {FRAME_SIGNAL, do_signal, "signal"},
    {FRAME_RESIZE, do_resize, "resize"},    {FRAME_PAUSE, do_pause, "pause"},
    {FRAME_RESUME, do_resume, "resume"},    {FRAME_UPDATE, do_update, "update"},
    {FRAME_STATS, do_stats, "stats"},       {FRAME_PS, do_ps, "ps"},
    {FRAME_DELETE, do_delete, "delete"},    {FRAME_POWEROFF, do_poweroff, "poweroff"},
    {FRAME_NETWORK, do_network, "network"}, {FRAME_PING, do_ping, "ping"},
    {FRAME_CONNECT, do_connect, "connect"}, {FRAME_RESOLVER, do_resolver, "resolver"},
    {FRAME_CLOCK, do_clock, "clock"},       {FRAME_CPUS, do_cpus, "cpus"},
};

/* Stream frames of a process that is already forgotten cross its EXITED on the way: no error. */
static int stream_frame(struct agent *a, const struct frame_head *h, const uint8_t *body)
{
    struct process *p = process_find(a, h->id);

    if (!p)
        return 0;
    switch (h->type) {
    case FRAME_DATA:
        return stream_data(a, p, h, body);
    case FRAME_EOF:
        stream_eof(a, p);
        return 0;
    case FRAME_CREDIT:
        stream_credit(a, p, h->seq & 3, le32_get(body));
        return 0;
    default:
        stream_closed(a, p, h->seq & 3);
        return 0;
    }
}

/* -EPROTO drops the connection; all other failures are the request's reply. */
int request_dispatch(struct agent *a, const struct frame_head *h, const uint8_t *body)
{
    struct err err = ERR_INIT;
    int r;

    if (h->type >= FRAME_DATA && h->type <= FRAME_CLOSE)
        return stream_frame(a, h, body);
    if (h->type == FRAME_NAMES) {
        resolver_answer(a, body, h->len);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        if (table[i].type != h->type)
            continue;
        fault_point(a, table[i].name);
        r = table[i].run(a, h, wire_over(body, h->len), &err);
        if (r != LATER)
            channel_reply(a, h->id, h->seq, r, &err);
        return 0;
    }
    r = err_set(&err, ENOSYS, "request %u is unknown to this agent", h->type);
    channel_reply(a, h->id, h->seq, r, &err);
    return 0;
}
