/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forked child: becomes the container, reports, waits for START, becomes the program. An exec
 * without a terminal goes straight through: each switch to the loop and back costs. Blocking is
 * allowed here. It keeps no descriptor of the agent that a container could reach through /proc.
 */
#include "agent/container/child.h"
#include "agent/storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"

static void report(const struct job *j, int r, const struct err *err)
{
    struct ctl_report m = {.code = -r, .master = r < 0 ? -1 : j->master};

    if (r < 0)
        snprintf(m.text, sizeof(m.text), "%.*s", (int)sizeof(m.text) - 1, err->msg);
    (void)!send(j->ctl, &m, sizeof(m), MSG_NOSIGNAL);
}

static void fail(const struct job *j, int r, const struct err *err) __attribute__((noreturn));
static void fail(const struct job *j, int r, const struct err *err)
{
    report(j, r, err);
    _exit(127);
}

/* The loop's word, or the end of the loop. */
static void await(const struct job *j, char want)
{
    char got = 0;
    ssize_t n;

    do
        n = recv(j->ctl, &got, 1, 0);
    while (n < 0 && errno == EINTR);
    if (n != 1 || got != want)
        _exit(127);
}

/* The agent has changed no more than this, see watch_signals(). */
static void plain_signals(void)
{
    sigset_t none;

    (void)signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int compare(const void *x, const void *y)
{
    return *(const int *)x - *(const int *)y;
}

static void close_others(const struct job *j)
{
    int keep[PLAN_NS_COUNT + LENT_MAX + 3], n = 0;
    unsigned from = 3;

    keep[n++] = j->ctl;
    keep[n++] = j->init_pidfd;
    keep[n++] = j->exec ? -1 : j->a->null_fd;
    for (int i = 0; i < PLAN_NS_COUNT; i++)
        keep[n++] = j->exec ? -1 : j->join_pidfds[i];
    for (size_t i = 0; i < j->lent.n; i++)
        keep[n++] = j->lent.v[i].fd;
    qsort(keep, (size_t)n, sizeof(keep[0]), compare);
    for (int i = 0; i < n; i++) {
        if (keep[i] < (int)from)
            continue;
        if ((unsigned)keep[i] > from)
            (void)sys_close_range(from, (unsigned)keep[i] - 1);
        from = (unsigned)keep[i] + 1;
    }
    (void)sys_close_range(from, ~0u);
}

static void place_stdio(struct job *j)
{
    for (int i = 0; i < 3; i++)
        if (j->stdio[i] >= 0)
            (void)dup2(j->stdio[i], i);
}

static int become_container(struct job *j, struct err *err)
{
    cleanup_fd int root = -1;
    int r = rootfs_build(j, &root, err);

    if (r == 0)
        r = devices_make(j, root, err);
    if (r == 0 && (j->p->flags & PLAN_P_TERMINAL))
        r = terminal_open(j, root, err);
    if (r == 0 && j->slave >= 0)
        r = mounts_console(j, root, err);
    if (r == 0)
        r = sysctl_write(j, root, err);
    if (r == 0)
        r = devices_mask(j, root, err);
    if (r == 0 && (j->c->plan.flags & PLAN_C_READONLY) &&
        mountapi_flags(root, MS_RDONLY, false) < 0)
        r = err_set(err, errno, "make the root read-only: %m");
    if (r == 0)
        r = rootfs_switch(root, err);
    /* Only now: pivot_root takes no shared mount. */
    if (r == 0 && j->c->plan.root_propagation &&
        mountapi_propagation(root, j->c->plan.root_propagation) < 0)
        r = err_set(err, errno, "set the root's propagation: %m");
    return r;
}

static int join_container(struct job *j, struct err *err)
{
    cleanup_fd int root = -1;

    if (!(j->p->flags & PLAN_P_TERMINAL))
        return 0;
    root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return err_set(err, errno, "open the container's root: %m");
    return terminal_open(j, root, err);
}

/* Program and directory as the user would find them: the engine wants to know before START. */
static int look_up(const struct job *j, struct found_program *ret, struct err *err)
{
    int r = program_cwd(j->p, err), back;

    if (r < 0 || (r = credentials_borrow(j->p, err)) < 0)
        return r;
    r = program_find(j->p, ret, err);
    back = credentials_return(r < 0 ? NULL : err);
    return r < 0 ? r : back;
}

/* Both may be on a volume that is not mounted before START. */
static bool looks_later(const struct job *j)
{
    return !j->exec && nfs_wanted(&j->c->plan);
}

static int prepare(struct job *j, struct found_program *ret, struct plan_list *env, struct err *err)
{
    int r = namespaces_enter(j, err);

    umask(0);
    if (r == 0)
        r = j->exec ? join_container(j, err) : become_container(j, err);
    if (r == 0)
        r = terminal_claim(j, err);
    if (r == 0)
        r = program_env(env, j->p->uid, err);
    if (r == 0 && !looks_later(j))
        r = look_up(j, ret, err);
    return r;
}

/* Nothing of the agent is left to it but the socket. */
static void leave_agent(struct job *j)
{
    plain_signals();
    (void)setsid();
    (void)prctl(PR_SET_DUMPABLE, 0); /* others in a shared pid namespace must not look inside */
    place_stdio(j);
    close_others(j);
    if (j->a->at.machine)
        machine_child_limits();
}

/* Before it is known whose it will be. */
static void wait_as_spare(struct job *j)
{
    credentials_keyring();
    usual_make(j->a, true);
    sparechild_await(j);
}

void child_main(struct job *j)
{
    struct err err = ERR_INIT;
    struct found_program program = {NULL, -1, -1};
    struct plan_list env;
    int r;

    leave_agent(j);
    if (j->spare)
        wait_as_spare(j);
    env = j->p->env;
    if (j->await_go)
        await(j, CTL_GO);
    r = prepare(j, &program, &env, &err);
    if (r < 0)
        fail(j, r, &err);
    if (!j->unattended) {
        /* Until START the file may become another one. */
        close_fd(&program.fd);
        close_fd(&program.link_fd);
        report(j, 0, NULL);
        await(j, CTL_START);
    }
    if (looks_later(j) && (r = look_up(j, &program, &err)) < 0)
        fail(j, r, &err);
    if (!j->exec && (r = hooks_run(&j->c->plan, &err)) < 0)
        fail(j, r, &err);
    if (!j->spare)
        credentials_keyring();
    if ((r = credentials_take(j->p, &err)) < 0)
        fail(j, r, &err);
    (void)execve(program.path, j->p->args.v, env.v ? env.v : (char *[]){NULL});
    r = -errno;
    snprintf(err.msg, sizeof(err.msg), "exec %s: %s", program.path, strerror(-r));
    if (err.msg[0] && strlen(program.path) + 7 < sizeof(err.msg))
        err.msg[strlen(program.path) + 7] |= 0x20; /* Go's words begin small: engines match them */
    fail(j, r, &err);
}
