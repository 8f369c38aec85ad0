/* SPDX-License-Identifier: Apache-2.0 */
/* err.h, log.h, timing.h, cleanup.h and fault.h */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/timing.h"
#include "test.h"

TEST(error_holds_code_and_sentence_and_returns_minus_code)
{
    struct err err = ERR_INIT;

    CHECK_ERR(err_set(&err, ENOENT, "open '%s': %m", "x"), -ENOENT);
    CHECK_INT_EQ(err.code, ENOENT);
    CHECK_STR_EQ(err.msg, "open 'x': No such file or directory");
}

TEST(error_without_code_is_eio_and_null_err_is_allowed)
{
    CHECK_ERR(err_set(NULL, 0, "x"), -EIO);
    CHECK_ERR(err_set(NULL, EPERM, "x"), -EPERM);
}

TEST(wrapped_error_reads_outer_then_inner)
{
    struct err err = ERR_INIT;

    err_set(&err, EPERM, "inner");
    CHECK_ERR(err_wrap(&err, "outer %d", 1), -EPERM);
    CHECK_STR_EQ(err.msg, "outer 1: inner");
}

TEST(wrapping_a_full_message_cuts_it)
{
    struct err err = ERR_INIT;
    char text[4000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    err_set(&err, EPERM, "%s", text);
    err_wrap(&err, "outer");
    CHECK_INT_EQ(strlen(err.msg), sizeof(err.msg) - 1);
    CHECK_MEM_EQ(err.msg, "outer: xxx", 10);
}

TEST(first_phase_of_an_error_stays)
{
    struct err err = ERR_INIT;

    err_set(&err, EPERM, "x");
    CHECK_ERR(err_in_phase(&err, PHASE_STORAGE), -EPERM);
    err_in_phase(&err, PHASE_AGENT);
    CHECK_INT_EQ(err.phase, PHASE_STORAGE);
    err_set_phase(&err, PHASE_VMM, EIO, "y");
    CHECK_INT_EQ(err.phase, PHASE_VMM);
}

TEST(phase_names_parse_back)
{
    for (int p = PHASE_CONFIG; p <= PHASE_PROCESS; p++) {
        const char *name = err_phase_name((enum err_phase)p);

        CHECK(*name);
        CHECK_INT_EQ(err_phase_parse(name), p);
    }
    CHECK_INT_EQ(err_phase_parse("nonsense"), PHASE_NONE);
    CHECK_STR_EQ(err_phase_name(PHASE_NONE), "");
}

static void logged(enum log_format format, enum log_level max, char *out, size_t size)
{
    int ends[2];
    ssize_t n;

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    log_init(ends[1], format, max);
    log_error("a \"b\"\n\x01");
    log_debug("detail");
    log_init(2, LOG_TEXT, LOG_L_WARN);
    close(ends[1]);
    n = read(ends[0], out, size - 1);
    close(ends[0]);
    CHECK(n >= 0);
    out[n] = '\0';
}

TEST(text_log_has_level_and_leaves_out_what_is_too_detailed)
{
    char line[500];

    logged(LOG_TEXT, LOG_L_WARN, line, sizeof(line));
    CHECK_STR_EQ(line, "error: a \"b\"\n    ?\n");
    CHECK_INT_EQ(log_max_level(), LOG_L_WARN);
    logged(LOG_TEXT, LOG_L_DEBUG, line, sizeof(line));
    CHECK_CONTAINS(line, "debug: detail\n");
}

TEST(log_below_error_ends_with_its_budget)
{
    char text[500];
    int ends[2];
    ssize_t n;

    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    log_init(ends[1], LOG_TEXT, LOG_L_INFO);
    log_budget(20);
    for (int i = 0; i < 100; i++)
        log_info("line");
    log_error("why");
    log_budget(0);
    log_init(2, LOG_TEXT, LOG_L_WARN);
    close(ends[1]);
    n = read(ends[0], text, sizeof(text) - 1);
    close(ends[0]);
    CHECK(n >= 0);
    text[n] = '\0';
    CHECK_STR_EQ(text, "info: line\nwarning: the log is full, only errors from here on\n"
                       "error: why\n");
}

TEST(json_log_escapes_the_message)
{
    char line[500];

    logged(LOG_JSON, LOG_L_WARN, line, sizeof(line));
    CHECK_CONTAINS(line, "{\"level\":\"error\",\"msg\":\"a \\\"b\\\"\\n\\u0001\",\"time\":\"2");
}

TEST(log_switched_off_writes_nothing)
{
    log_init(-1, LOG_TEXT, LOG_L_DEBUG);
    log_error("must not appear nor crash");
    log_init(2, LOG_TEXT, LOG_L_WARN);
}

TEST(deadline_counts_down_rounded_up)
{
    uint64_t before = now_ns();
    int left = deadline_left_ms(deadline_in_ms(10000));

    CHECK(now_ns() >= before);
    CHECK(left > 9000 && left <= 10000);
    CHECK_INT_EQ(deadline_left_ms(now_ns() + 1000000000), 1000);
    CHECK_INT_EQ(deadline_left_ms(0), 0);
    CHECK_INT_EQ(deadline_left_ms(now_ns()), 0);
}

TEST(deadline_never_is_what_poll_calls_for_ever)
{
    CHECK_U64_EQ(deadline_in_ms(UINT32_MAX), DEADLINE_NEVER);
    CHECK_INT_EQ(deadline_left_ms(DEADLINE_NEVER), -1);
}

TEST(cleanup_keeps_errno_and_stolen_resources)
{
    int fd = dup(0), kept;

    if (fd < 0)
        TEST_SKIP("stdin is closed");
    errno = ENOTTY;
    {
        cleanup_fd int owner = fd;

        kept = steal_fd(&owner);
    }
    CHECK_INT_EQ(kept, fd);
    CHECK(fcntl(kept, F_GETFD) >= 0);
    errno = ENOTTY;
    close_fd(&kept);
    CHECK_INT_EQ(errno, ENOTTY);
    CHECK_INT_EQ(kept, -1);
    CHECK(fcntl(fd, F_GETFD) < 0);
}

TEST(fault_point_fails_only_when_its_very_name_is_asked_for)
{
    unsetenv("ANYVISOR_FAULT");
    CHECK_INT_EQ(fault_point("a-point"), 0);
    setenv("ANYVISOR_FAULT", "a-point:fail", 1);
    if (fault_point("a-point") == 0)
        TEST_SKIP("built without AV_FAULT_POINTS");
    CHECK_ERR(fault_point("a-point"), -EIO);
    CHECK_INT_EQ(fault_point("a"), 0);
    CHECK_INT_EQ(fault_point("a-point-2"), 0);
    unsetenv("ANYVISOR_FAULT");
}
