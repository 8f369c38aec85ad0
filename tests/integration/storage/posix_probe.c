/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of POSIX and Linux a file system does, a line for each row of the table in docs/storage.md:
 *
 *     posix_probe DIR [peer]    "ROW<tab>works", an errno's name, or "no" where nothing fails but
 *                               the effect is missing
 *     posix_probe watch DIR     for the host: "ready"; after a line on stdin, "works" if inotify
 *                               has told of a change, else "no"
 *     posix_probe lock FILE     "locked" until stdin has something to say, or "refused"
 *
 * With "peer" there are also the rows that somebody on the other side takes part in: the probe
 * prints "ask WORD" and waits for an answer. Rows begin in a directory of their own and in a
 * process of their own. Static: it runs in any rootfs. posix.sh runs it and compares.
 */
#include "posix_rows.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/wait.h>

#define ROW_SECONDS 200

static const char *word(int r)
{
    const char *name = r < 0 ? strerrorname_np(-r) : NULL;

    return name ? name : r ? "no" : "works";
}

static void run_row(const struct row *row, const char *dir)
{
    char place[] = "row.XXXXXX";
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        alarm(ROW_SECONDS);
        if (chdir(dir) < 0 || (!row->in_dir && (!mkdtemp(place) || chdir(place) < 0)))
            _exit(2);
        printf("%s\t%s\n", row->name, word(row->run()));
        fflush(stdout);
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
        printf("%s\t%s\n", row->name,
               WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "not run");
    fflush(stdout);
}

static int watch(const char *dir)
{
    char line[16];
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    bool ok = fd >= 0 && inotify_add_watch(fd, dir, IN_MODIFY | IN_CREATE) >= 0;

    printf("%s\n", ok ? "ready" : strerror(errno));
    fflush(stdout);
    if (!fgets(line, sizeof(line), stdin))
        return 1;
    printf("%s\n", word(rows_told(fd)));
    return 0;
}

static int hold_lock(const char *file)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && fcntl(fd, F_SETLK, &whole) == 0;

    puts(ok ? "locked" : "refused");
    fflush(stdout);
    if (ok)
        (void)getchar();
    return !ok;
}

int main(int argc, char **argv)
{
    bool peer = argc > 2 && strcmp(argv[2], "peer") == 0;

    if (argc > 2 && strcmp(argv[1], "watch") == 0)
        return watch(argv[2]);
    if (argc > 2 && strcmp(argv[1], "lock") == 0)
        return hold_lock(argv[2]);
    if (argc < 2) {
        fputs("usage: posix_probe DIR [peer] | watch DIR | lock FILE\n", stderr);
        return 2;
    }
    for (const struct row *r = rows_local; r->name; r++)
        run_row(r, argv[1]);
    for (const struct row *r = rows_peer; peer && r->name; r++)
        run_row(r, argv[1]);
    return 0;
}
