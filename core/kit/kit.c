/* SPDX-License-Identifier: Apache-2.0 */
/* The parent: starts the child, passes its findings on, and tells how it ended. */
#include "kit/kit.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "kit/internal.h"

#define QUIET_MS 30000u /* beyond the time of a boot, until the plug-in counts as hanging */

static void count(const struct kit_options *o, struct kit_summary *s, const struct kit_check *c)
{
    s->passed += c->result == KIT_OK;
    s->failed += c->result == KIT_FAILED;
    s->skipped += c->result == KIT_SKIPPED;
    o->told(o->ctx, c);
}

static void found(const struct kit_options *o, struct kit_summary *s, const char *what,
                  const char *fmt, ...) PRINTF_LIKE(4, 5);
static void found(const struct kit_options *o, struct kit_summary *s, const char *what,
                  const char *fmt, ...)
{
    struct kit_check c = {.result = KIT_FAILED, .area = "faults"};
    va_list ap;

    snprintf(c.what, sizeof(c.what), "%s", what);
    va_start(ap, fmt);
    vsnprintf(c.detail, sizeof(c.detail), fmt, ap);
    va_end(ap);
    count(o, s, &c);
}

/* 1: the child has nothing more to say; 0: it has been silent for too long. */
static int listen_to(const struct kit_options *o, struct kit_summary *s, int fd)
{
    struct kit_check c;

    for (;;) {
        if (fd_wait(fd, POLLIN, (int)(o->boot_ms + QUIET_MS)) == 0)
            return 0;
        if (fd_read_exact(fd, &c, sizeof(c), NULL) < 0)
            return 1;
        count(o, s, &c);
    }
}

/* What the child has left: its children are ours now. Those that have ended left nothing. */
static int kill_orphans(void)
{
    cleanup_file FILE *f = NULL;
    int pid, n = 0;

    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    f = fopen("/proc/thread-self/children", "re");
    while (f && fscanf(f, "%d", &pid) == 1 && pid > 0) {
        kill(pid, SIGKILL);
        n++;
    }
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
        ;
    return n;
}

static void judge(const struct kit_options *o, struct kit_summary *s, int status, bool hung,
                  const struct kit_shared *shared)
{
    int left = kill_orphans();

    if (hung)
        found(o, s, "the plug-in comes back", "it has been in %s for more than %u s", shared->step,
              (o->boot_ms + QUIET_MS) / 1000);
    else if (WIFSIGNALED(status))
        found(o, s, "the plug-in does not crash", "signal %d (%s) after or in %s", WTERMSIG(status),
              strsignal(WTERMSIG(status)), shared->step);
    else if (!shared->finished)
        found(o, s, "the plug-in does not end the process", "status %d after or in %s",
              WEXITSTATUS(status), shared->step);
    else if (left)
        found(o, s, "no process outlives the plug-in", "%d did", left);
}

static int start(const struct kit_options *o, struct kit_shared *shared, int *ret_fd, pid_t *ret,
                 struct err *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_set(err, errno, "make a pipe: %m");
    fflush(NULL); /* what is buffered must not be written twice */
    *ret = fork();
    if (*ret == 0) {
        close(ends[0]);
        kit_child(o, shared, ends[1]);
    }
    close(ends[1]);
    if (*ret < 0) {
        close(ends[0]);
        return err_set(err, errno, "fork: %m");
    }
    *ret_fd = ends[0];
    return 0;
}

static int check_areas(const struct strv *only, struct err *err)
{
    static const char *const areas[] = {"life",     "claims",   "devices",
                                        "template", "refusals", "faults"};

    for (size_t i = 0; i < only->n; i++) {
        size_t a = 0;

        while (a < ARRAY_SIZE(areas) && strcmp(only->v[i], areas[a]) != 0)
            a++;
        if (a == ARRAY_SIZE(areas))
            return err_set(err, EINVAL,
                           "the kit has no area '%s': take life, claims, devices, template, "
                           "refusals or faults",
                           only->v[i]);
    }
    return 0;
}

int kit_run(const struct kit_options *o, struct kit_summary *ret, struct err *err)
{
    cleanup_fd int fd = -1;
    struct kit_shared *shared;
    bool hung;
    int status = 0, r;
    pid_t pid = -1;

    if ((r = check_areas(o->only, err)) < 0)
        return r;
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return err_set(err, errno, "share memory: %m");
    *ret = (struct kit_summary){0};
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    snprintf(shared->work, sizeof(shared->work), "/tmp/av-kit.XXXXXX");
    r = mkdtemp(shared->work) ? start(o, shared, &fd, &pid, err)
                              : err_set(err, errno, "make a directory in /tmp: %m");
    if (r == 0) {
        hung = !listen_to(o, ret, fd);
        if (hung)
            kill(pid, SIGKILL); /* not reaped yet, so it is ours */
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
        judge(o, ret, status, hung, shared);
        ret->ran_vms = shared->probed;
        ret->info = shared->info;
        (void)path_remove_tree(AT_FDCWD, shared->work, NULL); /* its mounts went with the child */
    }
    munmap(shared, sizeof(*shared));
    return r;
}
