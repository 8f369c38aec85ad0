/* SPDX-License-Identifier: Apache-2.0 */
#include "qmp.h"
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include "common/util.h"

#define DRAIN_READS 32 /* at once: whoever floods us shall not keep its caller from other work */

void qmp_init(struct qmp *q, int fd, void (*on_event)(void *, const char *, struct json_object *),
              void *ctx)
{
    *q = (struct qmp){.fd = fd, .on_event = on_event, .ctx = ctx};
}

void qmp_done(struct qmp *q)
{
    if (q->fd >= 0)
        close(q->fd);
    free(q->buf);
    *q = (struct qmp){.fd = -1};
}

const char *qmp_text(struct json_object *o, const char *key, const char *otherwise)
{
    struct json_object *v;

    if (!o || !json_object_object_get_ex(o, key, &v) || !json_object_is_type(v, json_type_string))
        return otherwise;
    return json_object_get_string(v);
}

/* Read once without waiting: 1 = bytes came, 0 = nothing there, -EPIPE = the end. */
static int read_some(struct qmp *q)
{
    ssize_t n;

    if (q->used + 4096 > q->cap) {
        size_t cap = q->cap ? q->cap * 2 : 16384;
        char *buf = cap > QMP_LINE_MAX ? NULL : realloc(q->buf, cap);

        if (!buf) {
            q->dead = true;
            return -EPIPE;
        }
        q->buf = buf;
        q->cap = cap;
    }
    do
        n = recv(q->fd, q->buf + q->used, q->cap - q->used, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return 0;
    if (n <= 0) {
        q->dead = true;
        return -EPIPE;
    }
    q->used += (size_t)n;
    return 1;
}

/* Cut one line off the buffer and parse it; NULL = there is no whole line yet. */
static struct json_object *take_line(struct qmp *q)
{
    char *nl = q->used ? memchr(q->buf, '\n', q->used) : NULL;
    struct json_object *o;

    if (!nl)
        return NULL;
    *nl = '\0';
    o = json_tokener_parse(q->buf);
    q->used -= (size_t)(nl + 1 - q->buf);
    memmove(q->buf, nl + 1, q->used);
    if (!json_object_is_type(o, json_type_object)) {
        json_object_put(o);
        q->dead = true;
        return NULL;
    }
    return o;
}

/* The next message that is no event; NULL = none has arrived.  Events go to their handler. */
static struct json_object *next_message(struct qmp *q)
{
    struct json_object *o, *data;

    while (!q->dead && (o = take_line(q))) {
        const char *name = qmp_text(o, "event", NULL);

        if (!name)
            return o;
        if (!json_object_object_get_ex(o, "data", &data))
            data = NULL;
        q->on_event(q->ctx, name, data);
        json_object_put(o);
    }
    return NULL;
}

void qmp_drain(struct qmp *q)
{
    if (q->fd < 0 || q->dead)
        return;
    for (int i = 0; i < DRAIN_READS; i++) {
        json_object_put(next_message(q)); /* a late reply to a command that timed out */
        if (q->dead || read_some(q) <= 0)
            break;
    }
    json_object_put(next_message(q));
}

static int wait_message(struct qmp *q, struct json_object **ret, const struct deadline *d)
{
    for (;;) {
        struct pollfd p = {.fd = q->fd, .events = POLLIN};
        int r;

        *ret = next_message(q);
        if (*ret)
            return 0;
        if (q->dead)
            return -EPIPE;
        if (deadline_left_ms(d) == 0)
            return -ETIMEDOUT; /* poll would not say so while there is something to read */
        r = deadline_poll(d, &p, 1);
        if (r == 0)
            r = read_some(q);
        if (r < 0)
            return r;
    }
}

static int send_all(struct qmp *q, const char *text, int fd)
{
    size_t left = strlen(text);
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};

    while (left > 0) {
        struct iovec iov = {.iov_base = (void *)text, .iov_len = left};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n;

        if (fd >= 0) {
            m.msg_control = control.room;
            m.msg_controllen = sizeof(control.room);
            control.head.cmsg_level = SOL_SOCKET;
            control.head.cmsg_type = SCM_RIGHTS;
            control.head.cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
        }
        /* A command is smaller than a socket buffer; a QEMU that lets it fill is stuck. */
        n = sendmsg(q->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return q->dead = true, errno == EAGAIN ? -ETIMEDOUT : -EPIPE;
        fd = -1;
        text += n;
        left -= (size_t)n;
    }
    return 0;
}

static int fail(int r, const char *what, struct hvp_error *err)
{
    if (r == -EPIPE)
        return hvp_fail(err, EPIPE, "QEMU closed its control channel during '%s'", what);
    if (r == -ETIMEDOUT)
        return hvp_fail(err, ETIMEDOUT, "QEMU did not answer '%s' in time", what);
    return hvp_fail(err, -r, "QEMU's '%s': %s", what, strerror(-r));
}

static int send_command(struct qmp *q, const char *command, struct json_object *args, int fd)
{
    struct json_object *o = json_object_new_object();
    cleanup_free char *line = NULL;
    int r;

    json_object_object_add(o, "execute", json_object_new_string(command));
    if (args)
        json_object_object_add(o, "arguments", args);
    json_object_object_add(o, "id", json_object_new_int64(++q->id));
    r = asprintf(&line, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
    json_object_put(o);
    if (r < 0)
        return -ENOMEM;
    return send_all(q, line, fd);
}

static bool is_reply(struct json_object *o, unsigned id)
{
    struct json_object *v;

    return json_object_object_get_ex(o, "id", &v) && json_object_get_int64(v) == (int64_t)id;
}

static int run(struct qmp *q, const char *command, struct json_object *args, int fd,
               struct json_object **ret_reply, const struct deadline *d, struct hvp_error *err)
{
    struct json_object *o = NULL, *v;
    int r;

    if (q->fd < 0 || q->dead) {
        json_object_put(args);
        return fail(-EPIPE, command, err);
    }
    r = send_command(q, command, args, fd);
    while (r == 0) {
        r = wait_message(q, &o, d);
        if (r == 0 && is_reply(o, q->id))
            break;
        json_object_put(o); /* of an earlier command that timed out */
        o = NULL;
    }
    if (r < 0)
        return fail(r, command, err);
    if (json_object_object_get_ex(o, "error", &v))
        r = hvp_fail(err, EREMOTEIO, "QEMU refused '%s': %s", command,
                     qmp_text(v, "desc", "no reason given"));
    else if (ret_reply && json_object_object_get_ex(o, "return", &v))
        *ret_reply = json_object_get(v);
    json_object_put(o);
    return r;
}

int qmp_run(struct qmp *q, const char *command, struct json_object *args,
            struct json_object **ret_reply, const struct deadline *d, struct hvp_error *err)
{
    return run(q, command, args, -1, ret_reply, d, err);
}

int qmp_run_fd(struct qmp *q, const char *command, struct json_object *args, int fd,
               struct json_object **ret_reply, const struct deadline *d, struct hvp_error *err)
{
    return run(q, command, args, fd, ret_reply, d, err);
}

/* {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 22}}}} */
static void read_version(struct qmp *q, struct json_object *greeting)
{
    static const char *const way[] = {"QMP", "version", "qemu"};
    static const char *const parts[] = {"major", "minor", "micro"};
    struct json_object *o = greeting, *v;
    int n[3] = {0};

    for (size_t i = 0; i < ARRAY_SIZE(way); i++)
        if (!json_object_object_get_ex(o, way[i], &o))
            return;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (json_object_object_get_ex(o, parts[i], &v))
            n[i] = json_object_get_int(v);
    snprintf(q->version, sizeof(q->version), "%d.%d.%d", n[0], n[1], n[2]);
}

int qmp_hello(struct qmp *q, const struct deadline *d, struct hvp_error *err)
{
    struct json_object *o = NULL;
    int r = wait_message(q, &o, d);

    if (r < 0)
        return fail(r, "greeting", err);
    read_version(q, o);
    json_object_put(o);
    return qmp_run(q, "qmp_capabilities", NULL, NULL, d, err);
}
