/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/last_words.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/proc.h"

#define ERROR_PREFIX "error: "
#define MORE "    " /* what log_tame puts before each further line of a message */
#define TAIL_MAX 65536
#define STATUS_LOST (128 + SIGKILL) /* what a proxy ends with whose guest is gone */

static const char *last_error(const char *log)
{
    const char *found = NULL;

    for (const char *line = log; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, ERROR_PREFIX, strlen(ERROR_PREFIX)) == 0)
            found = line;
    }
    return found;
}

char *last_words_find(const char *log)
{
    const char *at = last_error(log);
    char *text, *to;

    if (!at)
        return NULL;
    at += strlen(ERROR_PREFIX);
    to = text = xstrdup(at);
    while (*at && (*at != '\n' || str_starts_with(at + 1, MORE))) {
        *to++ = *at;
        at += *at == '\n' ? 1 + strlen(MORE) : 1;
    }
    *to = '\0';
    return text;
}

/* The end of the log, from a whole line on. */
static char *read_tail(int dirfd)
{
    cleanup_fd int fd = openat(dirfd, "monitor.log", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    char *buf = xcalloc(TAIL_MAX + 1, 1);
    ssize_t n = fd < 0 ? 0 : pread(fd, buf, TAIL_MAX, size > TAIL_MAX ? size - TAIL_MAX : 0);

    buf[n > 0 ? n : 0] = '\0';
    return buf;
}

/* A monitor that ends by itself has written how its container did. */
static bool monitor_was_killed(int dirfd)
{
    enum state_status status;
    struct proc_id monitor;

    return state_status_read(dirfd, &status, NULL, NULL) == 0 && status != STATE_STOPPED &&
           state_monitor_read(dirfd, &monitor, NULL) == 0 && !proc_alive(&monitor);
}

void last_words_tell(const struct cli *cli, int dirfd, int status)
{
    cleanup_free char *log = NULL;
    cleanup_free char *text = NULL;
    char tame[4096]; /* part of it is a guest's */

    if (status != STATUS_LOST || dirfd < 0)
        return;
    log = read_tail(dirfd);
    text = last_words_find(log);
    if (!text && monitor_was_killed(dirfd))
        text = xstrdup("the container's monitor was killed");
    if (!text)
        return;
    if (cli->log)
        log_error("%s", text);
    log_tame(tame, sizeof(tame), text);
    fprintf(stderr, "anyvisor: %s\n", tame);
}
