/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "common/child.h"
#include "common/event_queue.h"
#include "common/file.h"

#define UUID "00000000-1111-2222-3333-444444444444"

/* A process that waits to be killed, with UUID as one of its arguments. */
static void start(struct child *c)
{
    struct hvp_error err = {0};
    int sync[2], in[2];
    char byte;
    pid_t pid;

    CHECK_INT_EQ(pipe2(sync, O_CLOEXEC), 0);
    CHECK_INT_EQ(pipe2(in, 0), 0); /* the child holds both ends: it reads for ever */
    pid = fork();
    if (pid == 0) {
        dup2(in[0], 0);
        execl("/bin/sh", "sh", "-c", "read x", UUID, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(in[1]);
    close(sync[1]);
    CHECK_INT_EQ(read(sync[0], &byte, 1), 0); /* closed by exec */
    close(sync[0]);
    CHECK_OK(child_adopt(c, pid, (int)syscall(SYS_pidfd_open, pid, 0), UUID, &err), err);
}

TEST(a_reference_finds_its_process_and_no_other)
{
    struct child c = CHILD_INIT, again = CHILD_INIT;
    struct deadline d = deadline_start(NULL, 5000);
    struct hvp_error err = {0};
    char ref[HVP_REF_MAX], other[HVP_REF_MAX];

    start(&c);
    CHECK_OK(child_ref(&c, ref, sizeof(ref), &err), err);
    CHECK_OK(child_reopen(&again, ref, &err), err);
    CHECK_INT_EQ(again.pid, c.pid);
    child_done(&again);
    snprintf(other, sizeof(other), "pid=%d start=%llu uuid=" UUID, (int)c.pid,
             (unsigned long long)c.start + 1);
    CHECK_ERR(child_reopen(&again, other, &err), -ENOENT);
    snprintf(other, sizeof(other), "pid=%d start=%llu uuid=ffffffff-1111-2222-3333-444444444444",
             (int)c.pid, (unsigned long long)c.start);
    CHECK_ERR(child_reopen(&again, other, &err), -ENOENT);
    CHECK_OK(child_kill(&c, &d, &err), err);
    CHECK_ERR(child_reopen(&again, ref, &err), -ENOENT);
    child_done(&c);
}

TEST(nonsense_is_no_reference)
{
    static const char *const bad[] = {"",
                                      "pid=1 start=1 uuid=" UUID,
                                      "pid=x",
                                      "pid=5 start=1 uuid=",
                                      "pid=5 start=1 uuid=" UUID "x",
                                      "pid=-5 start=1 uuid=" UUID};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct child c = CHILD_INIT;
        struct hvp_error err = {0};

        CHECK_ERR(child_reopen(&c, bad[i], &err), -EINVAL);
    }
}

TEST(killing_is_idempotent_and_keeps_the_status)
{
    struct child c = CHILD_INIT;
    struct deadline d = deadline_start(NULL, 5000);
    struct hvp_error err = {0};
    char how[64];
    pid_t pid = fork();

    if (pid == 0)
        for (;;)
            pause();
    CHECK_OK(child_adopt(&c, pid, (int)syscall(SYS_pidfd_open, pid, 0), UUID, &err), err);
    CHECK(!child_ended(&c));
    CHECK_OK(child_kill(&c, &d, &err), err);
    CHECK_OK(child_kill(&c, &d, &err), err);
    CHECK(child_ended(&c));
    CHECK(WIFSIGNALED(c.status) && WTERMSIG(c.status) == SIGKILL);
    child_status_text(c.status, how, sizeof(how));
    CHECK_STR_EQ(how, "signal 9 (Killed)");
    CHECK_INT_EQ(waitpid(pid, NULL, WNOHANG), -1); /* reaped */
    child_done(&c);
}

TEST(the_last_line_of_a_log_is_one_printable_line)
{
    static const struct {
        const char *text, *want;
    } t[] = {{"one\ntwo\n", "two"},
             {"one\ntwo\n\n \r\n", "two"},
             {"only", "only"},
             {"a\tb\033[0m\n", "a b [0m"},
             {"", NULL},
             {"\n\n", NULL}};
    char path[] = "/tmp/av-unit.XXXXXX", line[64];

    for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
        int fd = mkstemp(path);

        CHECK(fd >= 0);
        CHECK_INT_EQ(write(fd, t[i].text, strlen(t[i].text)), strlen(t[i].text));
        close(fd);
        CHECK_INT_EQ(file_last_line(path, line, sizeof(line)), t[i].want != NULL);
        unlink(path);
        if (t[i].want)
            CHECK_STR_EQ(line, t[i].want);
        snprintf(path, sizeof(path), "/tmp/av-unit.XXXXXX");
    }
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 1;
}

TEST(events_come_in_order_and_the_descriptor_tells_of_them)
{
    struct event_queue q = EVENT_QUEUE_INIT;
    struct hvp_error err = {0};
    struct hvp_event ev = {.struct_size = sizeof(ev)};
    struct {
        struct hvp_event ev;
        char after;
    } old = {.ev.struct_size = offsetof(struct hvp_event, msg), .after = 'x'};

    event_queue_done(&q); /* never made */
    CHECK_INT_EQ(event_queue_init(&q, &err), 0);
    CHECK(!event_queue_take(&q, &ev) && !is_readable(q.fd));
    event_queue_add(&q, HVP_EVENT_RESET, -1, "one");
    event_queue_add(&q, HVP_EVENT_KILLED, 9, "two");
    CHECK(event_queue_take(&q, &ev) && is_readable(q.fd));
    CHECK_INT_EQ(ev.kind, HVP_EVENT_RESET);
    CHECK_STR_EQ(ev.msg, "one");
    /* A core of before msg gets no more than it has room for. */
    CHECK(event_queue_take(&q, &old.ev) && !is_readable(q.fd));
    CHECK_INT_EQ(old.ev.kind, HVP_EVENT_KILLED);
    CHECK_INT_EQ(old.ev.status, 9);
    CHECK_INT_EQ(old.ev.struct_size, offsetof(struct hvp_event, msg));
    CHECK(old.ev.msg[0] == '\0' && old.after == 'x');
    event_queue_add(&q, HVP_EVENT_RESET, -1, "left behind");
    event_queue_done(&q);
}

TEST(a_listening_socket_is_private_and_connectable)
{
    char dir[] = "/tmp/av-unit.XXXXXX", path[64];
    struct hvp_error err = {0};
    struct stat st;
    int listener, fd;

    CHECK(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/s", dir);
    CHECK_ERR(file_connect(path, &fd, &err), -ENOENT);
    CHECK_OK(file_listen(path, &listener, &err), err);
    CHECK_INT_EQ(stat(path, &st), 0);
    CHECK_INT_EQ(st.st_mode & 0777, 0600);
    CHECK_OK(file_connect(path, &fd, &err), err);
    CHECK(!(fcntl(fd, F_GETFL) & O_NONBLOCK));
    close(fd);
    close(listener);
    CHECK_ERR(file_connect(path, &fd, &err), -ECONNREFUSED);
    unlink(path);
    rmdir(dir);
}

TEST(a_deadline_passes_also_where_nothing_is_watched)
{
    struct deadline d = deadline_start(NULL, 1);

    CHECK_INT_EQ(deadline_poll(&d, NULL, 0), -ETIMEDOUT);
}
