/* SPDX-License-Identifier: Apache-2.0 */
/* The QMP client against bytes that a QEMU could send: written into a socketpair beforehand. */
#include "test.h"
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include "kvm/qmp.h"

static char events[256];

static void on_event(void *ctx, const char *name, struct json_object *data)
{
    size_t used = strlen(events);

    (void)ctx;
    snprintf(events + used, sizeof(events) - used, "%s(%s) ", name, qmp_text(data, "reason", ""));
}

/* A client whose QEMU has said text already; ends without further ado when close_it is set. */
static int start(struct qmp *q, const char *text, int close_it)
{
    int pair[2];

    events[0] = '\0';
    CHECK_INT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_INT_EQ(write(pair[1], text, strlen(text)), strlen(text));
    if (close_it)
        shutdown(pair[1], SHUT_WR);
    qmp_init(q, pair[0], on_event, NULL);
    return pair[1];
}

TEST(the_greeting_gives_the_version)
{
    struct deadline d = deadline_start(NULL, 1000);
    struct hvp_error err = {0};
    struct qmp q;
    int other = start(&q,
                      "{\"QMP\":{\"version\":{\"qemu\":{\"major\":7,\"minor\":2,\"micro\":9}}}}\r\n"
                      "{\"return\":{},\"id\":1}\r\n",
                      0);

    CHECK_OK(qmp_hello(&q, &d, &err), err);
    CHECK_STR_EQ(q.version, "7.2.9");
    qmp_done(&q);
    close(other);
}

TEST(events_between_command_and_reply_are_kept)
{
    struct deadline d = deadline_start(NULL, 1000);
    struct hvp_error err = {0};
    struct json_object *reply = NULL;
    struct qmp q;
    int other = start(&q,
                      "{\"event\":\"STOP\"}\n{\"return\":{\"stale\":1},\"id\":77}\n"
                      "{\"event\":\"SHUTDOWN\",\"data\":{\"reason\":\"guest-reset\"}}\n"
                      "{\"return\":{\"reason\":\"x\"},\"id\":1}\n",
                      0);

    CHECK_OK(qmp_run(&q, "query-status", NULL, &reply, &d, &err), err);
    CHECK_STR_EQ(qmp_text(reply, "reason", "none"), "x");
    CHECK_STR_EQ(events, "STOP() SHUTDOWN(guest-reset) ");
    json_object_put(reply);
    qmp_done(&q);
    close(other);
}

TEST(a_refusal_carries_the_words_of_qemu)
{
    struct deadline d = deadline_start(NULL, 1000);
    struct hvp_error err = {0};
    struct qmp q;
    int other = start(&q, "{\"error\":{\"class\":\"C\",\"desc\":\"no such bus\"},\"id\":1}\n", 0);

    CHECK_ERR(qmp_run(&q, "device_add", NULL, NULL, &d, &err), -EREMOTEIO);
    CHECK_CONTAINS(err.msg, "'device_add': no such bus");
    qmp_done(&q);
    close(other);
}

TEST(garbage_and_the_end_are_a_broken_pipe)
{
    static const char *const bad[] = {"hello\n", "[]\n", "42\n", ""};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct deadline d = deadline_start(NULL, 1000);
        struct hvp_error err = {0};
        struct qmp q;
        int other = start(&q, bad[i], 1);

        CHECK_ERR(qmp_run(&q, "cont", NULL, NULL, &d, &err), -EPIPE);
        CHECK(q.dead);
        CHECK_ERR(qmp_run(&q, "cont", NULL, NULL, &d, &err), -EPIPE);
        qmp_done(&q);
        close(other);
    }
}

TEST(silence_ends_at_the_deadline_and_leaves_the_channel_usable)
{
    struct deadline d = deadline_start(NULL, 10), later = deadline_start(NULL, 1000);
    static const char late[] = "{\"return\":{},\"id\":1}\n{\"return\":{},\"id\":2}\n";
    struct hvp_error err = {0};
    struct qmp q;
    int other = start(&q, "", 0);

    CHECK_ERR(qmp_run(&q, "stop", NULL, NULL, &d, &err), -ETIMEDOUT);
    CHECK_INT_EQ(write(other, late, strlen(late)), strlen(late));
    CHECK_OK(qmp_run(&q, "cont", NULL, NULL, &later, &err), err);
    qmp_done(&q);
    close(other);
}

TEST(a_cancelled_op_returns_at_once)
{
    struct hvp_host host = {.struct_size = sizeof(host), .cancel_fd = -1};
    struct hvp_error err = {0};
    struct deadline d;
    struct qmp q;
    int cancel[2], other = start(&q, "", 0);

    CHECK_INT_EQ(pipe(cancel), 0);
    CHECK_INT_EQ(write(cancel[1], "x", 1), 1);
    host.cancel_fd = cancel[0];
    d = deadline_start(&host, HVP_NO_TIMEOUT);
    CHECK_ERR(qmp_run(&q, "stop", NULL, NULL, &d, &err), -ECANCELED);
    qmp_done(&q);
    close(other);
    close(cancel[0]);
    close(cancel[1]);
}

/* A QEMU that has always said one more thing before anybody looks. */
static void on_flood(void *ctx, const char *name, struct json_object *data)
{
    static const char more[] = "{\"event\":\"STOP\"}\n";

    (void)name;
    (void)data;
    CHECK_INT_EQ(write(*(int *)ctx, more, sizeof(more) - 1), sizeof(more) - 1);
}

TEST(a_flood_keeps_nobody_from_an_end)
{
    struct deadline d = deadline_start(NULL, 100);
    struct hvp_error err = {0};
    struct qmp q;
    int other = start(&q, "{\"event\":\"STOP\"}\n", 0);

    q.on_event = on_flood;
    q.ctx = &other;
    alarm(20); /* it would hang */
    qmp_drain(&q);
    CHECK(!q.dead);
    CHECK_ERR(qmp_run(&q, "stop", NULL, NULL, &d, &err), -ETIMEDOUT);
    alarm(0);
    qmp_done(&q);
    close(other);
}

TEST(a_line_without_end_is_bounded)
{
    struct deadline d = deadline_start(NULL, 5000);
    struct hvp_error err = {0};
    static char junk[65536];
    struct qmp q;
    int other = start(&q, "", 0), r = 0;
    size_t sent = 0;

    memset(junk, 'a', sizeof(junk));
    while (r == 0 && sent < 4 * QMP_LINE_MAX) {
        ssize_t n = send(other, junk, sizeof(junk), MSG_DONTWAIT);

        sent += n > 0 ? (size_t)n : 0;
        qmp_drain(&q);
        r = q.dead;
    }
    CHECK(q.dead);
    CHECK(q.cap <= QMP_LINE_MAX);
    CHECK_ERR(qmp_run(&q, "cont", NULL, NULL, &d, &err), -EPIPE);
    qmp_done(&q);
    close(other);
}
