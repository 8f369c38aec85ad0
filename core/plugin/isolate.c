/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "plugin/internal.h"

#define GRACE_MS 2000u

/* What the child sends back: the same build on both sides, so the structs themselves. */
struct report {
    int r;
    struct err err;
    struct plugin_info info;
};

static void describe(const struct plugin *p, struct plugin_info *ret)
{
    const struct hvp_plugin *ops = plugin_ops(p);

    snprintf(ret->name, sizeof(ret->name), "%s", ops->name);
    snprintf(ret->version, sizeof(ret->version), "%s", ops->version);
    ret->thread_model = ops->thread_model;
    ret->caps = *plugin_caps(p);
}

/* What the child does beside opening the plug-in. */
struct question {
    bool probe;
    const struct hvp_vm_spec *words; /* NULL: not asked */
};

/* No core file and no message of the C library: the parent tells what happened. */
static _Noreturn void run_child(const struct descriptor *d, const struct hvp_host *host,
                                const struct question *q, uint32_t timeout_ms, int fd)
{
    static const struct rlimit no_core = {0, 0};
    struct report report = {.r = 0};
    struct plugin *p = NULL;

    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    report.r = plugin_open(d, host, &p, &report.err);
    if (report.r == 0 && q->probe)
        report.r = plugin_probe(p, timeout_ms, NULL, &report.err);
    if (report.r == 0 && q->words)
        report.r = plugin_vm_words(p, q->words, &report.err);
    if (p)
        describe(p, &report.info);
    plugin_close(p);
    _exit(fd_write_all(fd, &report, sizeof(report), NULL) < 0 ? 1 : 0);
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Read the report; sets *len to what came before EOF. -ETIMEDOUT at the deadline. */
static int receive(int fd, uint32_t timeout_ms, struct report *report, size_t *len)
{
    int64_t end = now_ms() + timeout_ms;

    *len = 0;
    while (*len < sizeof(*report)) {
        int64_t left = timeout_ms == HVP_NO_TIMEOUT ? -1 : end - now_ms();
        int ready = left < 0 && timeout_ms != HVP_NO_TIMEOUT
                        ? 0
                        : fd_wait(fd, POLLIN, (int)(left > INT32_MAX ? INT32_MAX : left));
        ssize_t n;

        if (ready == 0)
            return -ETIMEDOUT;
        n = ready < 0 ? -1 : read(fd, (char *)report + *len, sizeof(*report) - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        *len += (size_t)n;
    }
    return 0;
}

static int judge(const struct descriptor *d, int waited, int status, const struct report *report,
                 size_t len, struct err *err)
{
    if (waited == -ETIMEDOUT)
        return err_set_phase(err, PHASE_PLUGIN, ETIMEDOUT,
                             "back-end '%s' did not answer its probe in time", d->name);
    if (WIFSIGNALED(status))
        return err_set_phase(err, PHASE_PLUGIN, EPROTO,
                             "back-end '%s' crashed with signal %d in probe", d->name,
                             WTERMSIG(status));
    if (len != sizeof(*report) || WEXITSTATUS(status) != 0)
        return err_set_phase(err, PHASE_PLUGIN, EPROTO,
                             "back-end '%s' ended the process with status %d in probe", d->name,
                             WEXITSTATUS(status));
    if (report->r < 0 && err)
        *err = report->err;
    return report->r;
}

static int ask(const struct descriptor *d, const struct hvp_host *host, const struct question *q,
               uint32_t timeout_ms, struct plugin_info *ret, struct err *err)
{
    cleanup_fd int read_end = -1;
    cleanup_fd int write_end = -1;
    struct report report = {.r = 0};
    int ends[2], status = 0, waited, r;
    size_t len;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, errno, "make a pipe: %m");
    read_end = ends[0];
    write_end = ends[1];
    fflush(NULL); /* what is buffered must not be written twice */
    pid = fork();
    if (pid < 0)
        return err_set(err, errno, "fork: %m");
    if (pid == 0)
        run_child(d, host, q, timeout_ms, write_end);
    close_fd(&write_end);
    /* The plug-in knows the time-out too: let it speak first. */
    waited = receive(read_end,
                     timeout_ms > HVP_NO_TIMEOUT - GRACE_MS ? timeout_ms : timeout_ms + GRACE_MS,
                     &report, &len);
    if (waited < 0)
        kill(pid, SIGKILL); /* not reaped yet, so it is ours */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    r = judge(d, waited, status, &report, len, err);
    if (r == 0)
        *ret = report.info;
    return r;
}

int plugin_host_fits(const struct descriptor *d, struct err *err)
{
    for (size_t i = 0; i < d->requires.n; i++)
        if (access(d->requires.v[i], F_OK) < 0)
            return err_set_phase(err, PHASE_PLUGIN, ENODEV,
                                 "back-end '%s': this host has no '%s', which its descriptor "
                                 "requires",
                                 d->name, d->requires.v[i]);
    return 0;
}

int plugin_probe_isolated(const struct descriptor *d, const struct hvp_host *host,
                          uint32_t timeout_ms, struct plugin_info *ret, struct err *err)
{
    const struct question q = {.probe = true};
    int r = plugin_host_fits(d, err);

    return r < 0 ? r : ask(d, host, &q, timeout_ms, ret, err);
}

int plugin_open_isolated(const struct descriptor *d, const struct hvp_host *host,
                         uint32_t timeout_ms, struct err *err)
{
    const struct question q = {.probe = false};
    struct plugin_info ignored;

    return ask(d, host, &q, timeout_ms, &ignored, err);
}

int plugin_words_isolated(const struct descriptor *d, const struct hvp_host *host,
                          const struct hvp_vm_spec *spec, uint32_t timeout_ms, struct err *err)
{
    const struct question q = {.words = spec};
    struct plugin_info ignored;

    return ask(d, host, &q, timeout_ms, &ignored, err);
}
