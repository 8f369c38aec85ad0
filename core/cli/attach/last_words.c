/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/attach/last_words.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/str.h"
#include "jail/jail.h"
#include "monitor/ipc.h"

#define STATUS_LOST (128 + SIGKILL) /* what a proxy ends with whose guest is gone */
#define TAIL_MAX 4096

/* In a signal handler the monitor can write a line to its log, but answer nobody. */
void last_words_explain(const struct cli *cli, const char *id, struct err *err)
{
    cleanup_free char *path = xasprintf("%s/%s/monitor.log", cli->root, id);
    cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    char tail[TAIL_MAX + 1];
    ssize_t n = fd < 0 ? 0 : pread(fd, tail, TAIL_MAX, size > TAIL_MAX ? size - TAIL_MAX : 0);
    const char *line;

    tail[n > 0 ? n : 0] = '\0';
    line = strstr(tail, "error: " JAIL_LAST_WORDS);
    if (line)
        (void)err_set_phase(err, err->phase, err->code, "%.*s",
                            (int)strcspn(line + strlen("error: "), "\n"), line + strlen("error: "));
}

void last_words_tell(const struct cli *cli, const char *id, int monitor, int status)
{
    struct err err = ERR_INIT;

    if (status != STATUS_LOST || monitor < 0 || !ipc_last_words(monitor, &err))
        return;
    if (err.code == EPIPE)
        last_words_explain(cli, id, &err);
    cli_report(cli, &err);
}
