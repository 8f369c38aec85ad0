/* SPDX-License-Identifier: Apache-2.0 */
/* events and its JSON, which has runc's shape: engines and monitoring agents parse it. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/timing.h"
#include "cli/cli.h"

#define SEQ_EVENTS 1
#define INTERVAL_MS 5000

struct events_options {
    const char *interval;
    bool stats;
};

#define O(member) offsetof(struct events_options, member)
static const struct option_row rows[] = {
    {"stats", 0, OPTION_FLAG, O(stats), NULL, "print statistics once"},
    {"interval", 0, OPTION_TEXT, O(interval), "TIME", "between statistics: 5s, 500ms (default 5s)"},
};

/* Go's duration in its simple forms: "5s", "500ms", "1m"; a bare number is seconds. */
static int parse_interval(const char *text, uint32_t *ret_ms, struct err *err)
{
    size_t digits = strspn(text, "0123456789");
    cleanup_free char *number = xstrndup(text, digits);
    const char *unit = text + digits;
    uint64_t n, scale = 0;

    if (strcmp(unit, "s") == 0 || !*unit)
        scale = 1000;
    else if (strcmp(unit, "ms") == 0)
        scale = 1;
    else if (strcmp(unit, "m") == 0)
        scale = 60000;
    if (!scale || str_to_u64(number, 1, 86400000, &n) < 0 || n * scale > 86400000)
        return err_set(err, EINVAL, "--interval '%s': expected a time such as 5s or 500ms", text);
    *ret_ms = (uint32_t)(n * scale);
    return 0;
}

static void put(struct json_object *o, const char *key, uint64_t value)
{
    if (value != PLAN_UNSET)
        json_object_object_add(o, key, json_object_new_uint64(value));
}

static struct json_object *sub(struct json_object *o, const char *key)
{
    struct json_object *s = json_object_new_object();

    json_object_object_add(o, key, s);
    return s;
}

static uint64_t ns_of(uint64_t us)
{
    return us == PLAN_UNSET ? us : us * 1000;
}

static void put_cpu(struct json_object *o, const struct msg_stats *s)
{
    struct json_object *usage = sub(o, "usage"), *throttling = sub(o, "throttling");

    put(usage, "total", ns_of(s->cpu_usage_us));
    put(usage, "kernel", ns_of(s->cpu_system_us));
    put(usage, "user", ns_of(s->cpu_user_us));
    put(throttling, "periods", s->cpu_periods);
    put(throttling, "throttledPeriods", s->cpu_throttled);
    put(throttling, "throttledTime", ns_of(s->cpu_throttled_us));
}

static void put_memory(struct json_object *o, const struct msg_stats *s)
{
    struct json_object *usage = sub(o, "usage"), *swap = sub(o, "swap"), *raw;

    put(o, "cache", s->mem_file);
    put(usage, "limit", s->mem_limit);
    put(usage, "usage", s->mem_usage);
    put(usage, "max", s->mem_peak);
    put(usage, "failcnt", s->mem_oom_kills);
    put(swap, "limit", s->swap_limit);
    put(swap, "usage", s->swap_usage);
    raw = sub(o, "raw");
    put(raw, "anon", s->mem_anon);
    put(raw, "file", s->mem_file);
    put(raw, "kernel", s->mem_kernel);
    put(raw, "inactive_file", s->mem_inactive_file);
    put(raw, "pgfault", s->mem_pgfault);
    put(raw, "pgmajfault", s->mem_pgmajfault);
}

/* One direction of all devices together: the guest's devices are no host devices. */
static void add_io(struct json_object *list, const char *op, uint64_t value)
{
    struct json_object *o;

    if (value == PLAN_UNSET)
        return;
    o = json_object_new_object();
    put(o, "major", 0);
    put(o, "minor", 0);
    json_object_object_add(o, "op", json_object_new_string(op));
    put(o, "value", value);
    json_object_array_add(list, o);
}

static void put_io(struct json_object *o, const struct msg_stats *s)
{
    struct json_object *bytes = json_object_new_array(), *ops = json_object_new_array();

    add_io(bytes, "Read", s->io_read_bytes);
    add_io(bytes, "Write", s->io_write_bytes);
    add_io(ops, "Read", s->io_reads);
    add_io(ops, "Write", s->io_writes);
    json_object_object_add(o, "ioServiceBytesRecursive", bytes);
    json_object_object_add(o, "ioServicedRecursive", ops);
}

static struct json_object *event(const char *type, const char *id)
{
    struct json_object *o = json_object_new_object();

    json_object_object_add(o, "type", json_object_new_string(type));
    json_object_object_add(o, "id", json_object_new_string(id));
    return o;
}

static int print_event(struct json_object *o, struct err *err)
{
    int r = cli_print(json_object_to_json_string_ext(o, JSON_C_TO_STRING_NOSLASHESCAPE), err);

    json_object_put(o);
    return r;
}

static int print_stats(const char *id, const struct msg_stats *s, struct err *err)
{
    struct json_object *o = event("stats", id), *data = sub(o, "data"), *pids;

    put_cpu(sub(data, "cpu"), s);
    put_memory(sub(data, "memory"), s);
    pids = sub(data, "pids");
    put(pids, "current", s->pids);
    put(pids, "limit", s->pids_limit);
    put_io(sub(data, "blkio"), s);
    sub(data, "hugetlb");
    sub(data, "intel_rdt");
    json_object_object_add(data, "network_interfaces", NULL);
    return print_event(o, err);
}

static int stats(const struct cli *cli, const struct container *c, struct err *err)
{
    cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
    struct msg_stats s = {0};
    int r = container_request(cli, c, IPC_STATS, NULL, CLI_REQUEST_MS, &reply, err);

    if (r < 0)
        return r;
    if (msg_stats_get(wire_over(reply.body, reply.body_len), &s) < 0)
        return err_set(err, EPROTO, "the guest has sent malformed statistics");
    return print_stats(c->state.id, &s, err);
}

/* One frame of the subscription. 1 = goes on, 0 = the container or the monitor has ended. */
static int take_event(int sock, const char *id, struct err *err)
{
    uint8_t head[FRAME_HEAD_SIZE], body[4096];
    struct frame_head h;
    struct ipc_event e;
    int r;

    if (fd_read_exact(sock, head, sizeof(head), err) < 0)
        return 0;
    if (frame_head_get(head, &h) < 0 || h.len > sizeof(body))
        return err_set(err, EPROTO, "the monitor has sent a malformed event");
    if ((r = fd_read_exact(sock, body, h.len, err)) < 0)
        return 0;
    if (h.type != IPC_EVENT || ipc_event_get(wire_over(body, h.len), &e) < 0)
        return 1;
    if (e.kind == IPC_EV_OOM)
        r = print_event(event("oom", id), err);
    return e.kind == IPC_EV_EXIT ? 0 : r < 0 ? r : 1;
}

static int follow(const struct cli *cli, const struct container *c, uint32_t interval_ms,
                  struct err *err)
{
    cleanup_call(wbuf_done) struct wbuf body = {0};
    cleanup_fd int sock = container_connect(cli, c, err);
    const struct ipc_target t = {.id = c->state.id};
    uint64_t next = now_ns();
    int r = sock;

    if (sock < 0)
        return sock;
    ipc_target_put(&body, &t);
    if ((r = ipc_send(sock, IPC_EVENTS, SEQ_EVENTS, &body, NULL, 0, err)) < 0)
        return r;
    for (;;) {
        int ready = fd_wait(sock, POLLIN, deadline_left_ms(next));

        if (ready < 0 && ready != -EINTR)
            return err_set(err, -ready, "poll: %m");
        if (ready == 1 && (r = take_event(sock, c->state.id, err)) <= 0)
            return r;
        if (ready == 0) {
            if ((r = stats(cli, c, err)) < 0)
                return r == -EPIPE || r == -ECONNREFUSED || r == -ENOENT ? 0 : r;
            next = deadline_in_ms(interval_ms);
        }
    }
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct events_options *o = options;
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    uint32_t interval = INTERVAL_MS;
    int r;

    (void)argc;
    if ((o->interval && (r = parse_interval(o->interval, &interval, err)) < 0) ||
        (r = container_open(cli, argv[0], &c, err)) < 0)
        return r;
    if (c.status == STATE_STOPPED || c.status == STATE_CREATING)
        return err_set(err, EINVAL, "container with id %s is not running", argv[0]);
    return o->stats ? stats(cli, &c, err) : follow(cli, &c, interval, err);
}

const struct verb verb_events = {
    .name = "events",
    .arguments = "ID",
    .summary = "print statistics and events of a container as JSON lines",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct events_options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
