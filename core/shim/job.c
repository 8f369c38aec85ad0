/* SPDX-License-Identifier: Apache-2.0 */
#include "shim/job.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/proc.h"

#define LOG_FD 4
#define LOG_FILE "/proc/self/fd/4"
#define LOG_MAX (1u << 20)
#define ERROR_MARK "error: "
#define WARN_MARK "warning: "
#define INFO_MARK "info: "

struct job *job_new(struct process *p, const struct call *c,
                    void (*done)(struct job *j, const char *error))
{
    struct job *j = xcalloc(1, sizeof(*j));

    *j = (struct job){
        .s = p->t->s, .t = p->t, .p = p, .call = *c, .log = -1, .listener = -1, .done = done};
    return j;
}

static void job_free(struct job *j)
{
    if (j->pid_file)
        (void)unlink(j->pid_file);
    if (j->console)
        (void)unlink(j->console);
    close_fd(&j->listener);
    close_fd(&j->log);
    free(j->pid_file);
    free(j->console);
    free(j);
}

static int spawn(struct job *j, const struct job_command *c, struct err *err)
{
    struct proc_fd_map fds[5];
    struct strv argv = {0};
    struct proc_spawn how = {
        .path = j->s->cli, .fds = fds, .cwd = "/", .death_signal = SIGTERM, .null_stdio = 1};
    int r;

    for (int i = 0; i < 3; i++)
        if (c->stdio[i] >= 0)
            fds[how.n_fds++] = (struct proc_fd_map){c->stdio[i], i};
    if (c->extra >= 0)
        fds[how.n_fds++] = (struct proc_fd_map){c->extra, JOB_EXTRA_FD};
    fds[how.n_fds++] = (struct proc_fd_map){j->log, LOG_FD};
    settings_command(&j->t->settings, j->s->cli, LOG_FILE, j->s->args.debug, &argv);
    for (size_t i = 0; c->words[i]; i++)
        strv_add(&argv, c->words[i]);
    how.argv = (const char *const *)argv.v;
    r = proc_spawn(&how, &j->pid, NULL, err);
    strv_done(&argv);
    return r;
}

int job_start(struct job *j, const struct job_command *command, struct err *err)
{
    int r;

    j->log = memfd_create("log", MFD_CLOEXEC);
    r = j->log < 0 ? err_set(err, errno, "memfd_create: %m") : spawn(j, command, err);
    if (r < 0) {
        job_free(j);
        return r;
    }
    j->next = j->s->jobs;
    j->s->jobs = j;
    j->p->jobs++;
    j->s->starting += j->starting;
    return 0;
}

static char *last_line_with(char *log, const char *mark)
{
    char *found = NULL;

    for (char *line = log; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (str_starts_with(line, mark))
            found = line;
    }
    return found;
}

/* Further lines of a message are indented. */
char *job_last_error(const char *log)
{
    cleanup_free char *copy = xstrdup(log);
    char *at = last_line_with(copy, ERROR_MARK), *end;

    if (!at)
        return NULL;
    for (end = strchr(at, '\n'); end && end[1] == ' ';)
        end = strchr(end + 1, '\n');
    if (end)
        *end = '\0';
    return xstrdup(at + strlen(ERROR_MARK));
}

static void relay_log(char *log)
{
    char *rest = log, *line;

    while ((line = strsep(&rest, "\n"))) {
        if (str_starts_with(line, WARN_MARK))
            log_warn("%s", line + strlen(WARN_MARK));
        else if (str_starts_with(line, INFO_MARK))
            log_info("%s", line + strlen(INFO_MARK));
    }
}

static char *result(struct job *j, int status)
{
    cleanup_free char *log = NULL;
    char *error;
    size_t len;

    if (lseek(j->log, 0, SEEK_SET) < 0 || fd_read_all(j->log, LOG_MAX, &log, &len, NULL) < 0)
        log = xstrdup("");
    error = WIFEXITED(status) && WEXITSTATUS(status) == 0 ? NULL : job_last_error(log);
    if (!error && WIFSIGNALED(status))
        error = xasprintf("the runtime was killed by signal %d", WTERMSIG(status));
    else if (!error && WEXITSTATUS(status) != 0)
        error = xasprintf("the runtime failed with status %d", WEXITSTATUS(status));
    relay_log(log);
    if (error)
        log_error("container '%s': %s", j->t->id, error);
    return error;
}

bool job_ended(struct shim *s, pid_t pid, int status)
{
    cleanup_free char *error = NULL;
    struct job **at = &s->jobs, *j;

    while (*at && (*at)->pid != pid)
        at = &(*at)->next;
    j = *at;
    if (!j)
        return false;
    *at = j->next;
    error = result(j, status);
    j->done(j, error);
    s->starting -= j->starting;
    j->p->jobs--;
    job_free(j);
    return true;
}
