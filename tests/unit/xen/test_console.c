/* SPDX-License-Identifier: Apache-2.0 */
/* A pseudo-terminal stands for the one that xenconsoled offers. */
#include "test.h"
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include "base/fd.h"
#include "xen/console.h"

struct fixture {
    struct console *c;
    int guest; /* xenconsoled's end */
    char log[64];
    struct hvp_error err;
};

static struct fixture start(void)
{
    struct fixture f = {.guest = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC),
                        .log = "/tmp/av-console.XXXXXX"};
    int fd = mkstemp(f.log);

    CHECK(fd >= 0);
    close(fd);
    CHECK(f.guest >= 0 && grantpt(f.guest) == 0 && unlockpt(f.guest) == 0);
    CHECK_OK(console_start(ptsname(f.guest), f.log, &f.c, &f.err), f.err);
    return f;
}

static void stop(struct fixture *f, const char *logged)
{
    char text[64] = "";
    int fd;

    console_stop(f->c);
    fd = open(f->log, O_RDONLY | O_CLOEXEC);
    CHECK(read(fd, text, sizeof(text) - 1) >= 0);
    CHECK_STR_EQ(text, logged);
    close(fd);
    close(f->guest);
    unlink(f->log);
}

static void expect(int fd, const char *text)
{
    char got[32] = "";

    CHECK_INT_EQ(fd_wait(fd, POLLIN, 5000), 1);
    CHECK_INT_EQ(read(fd, got, sizeof(got) - 1), strlen(text));
    CHECK_STR_EQ(got, text);
}

TEST(what_the_guest_prints_is_in_the_log_when_the_console_stops)
{
    struct fixture f = start();

    CHECK_INT_EQ(write(f.guest, "hello\n", 6), 6);
    stop(&f, "hello\n");
}

TEST(who_watches_reads_and_types)
{
    struct fixture f = start();
    int watcher;

    CHECK_OK(console_connect(f.c, &watcher, &f.err), f.err);
    CHECK_INT_EQ(write(watcher, "ls\n", 3), 3);
    expect(f.guest, "ls\n"); /* raw: neither echoed nor edited */
    CHECK_INT_EQ(write(f.guest, "bin\n", 4), 4);
    expect(watcher, "bin\n");
    close(watcher);
    stop(&f, "bin\n");
}

TEST(a_second_watcher_takes_the_place_of_the_first)
{
    struct fixture f = start();
    int first, second;
    char c;

    CHECK_OK(console_connect(f.c, &first, &f.err), f.err);
    CHECK_OK(console_connect(f.c, &second, &f.err), f.err);
    CHECK_INT_EQ(fd_wait(first, POLLIN, 5000), 1);
    CHECK_INT_EQ(read(first, &c, 1), 0);
    CHECK_INT_EQ(write(f.guest, "x", 1), 1);
    expect(second, "x");
    close(first);
    close(second);
    stop(&f, "x");
}
