/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd-shim-anyvisor-v2: containerd's task service in front of the anyvisor program. The
 * verbs `start` and `delete` are containerd's calls; without a verb it serves the socket that start
 * gave it as descriptor 3. One for each task, or for each pod: then it is the reaper of all its
 * processes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/layout.h"
#include "base/log.h"
#include "base/path.h"
#include "base/timing.h"
#include "shim/job.h"
#include "shim/publish.h"
#include "shim/shim.h"
#include "shim/streams.h"

#define LISTENER_FD 3

static const struct flag {
    const char *name;
    size_t offset;
    bool value; /* else a bool */
} flags[] = {
    {"namespace", offsetof(struct shim_args, ns), true},
    {"id", offsetof(struct shim_args, id), true},
    {"address", offsetof(struct shim_args, address), true},
    {"bundle", offsetof(struct shim_args, bundle), true},
    {"publish-binary", offsetof(struct shim_args, unused), true},
    {"socket", offsetof(struct shim_args, unused), true},
    {"debug", offsetof(struct shim_args, debug), false},
    {"v", offsetof(struct shim_args, version), false},
    {"info", offsetof(struct shim_args, info), false},
};

/* As Go's flag package takes them: one dash or two, the value behind "=" or as the next word. */
static int parse_flag(struct shim_args *a, char **argv, int *i, struct err *err)
{
    const char *name = argv[*i] + 1 + (argv[*i][1] == '-');
    size_t len = strcspn(name, "=");

    for (size_t k = 0; k < ARRAY_SIZE(flags); k++) {
        void *to = (char *)a + flags[k].offset;

        if (strlen(flags[k].name) != len || strncmp(flags[k].name, name, len) != 0)
            continue;
        if (!flags[k].value)
            *(bool *)to = strcmp(name + len, "=false") != 0;
        else if (name[len] == '=')
            *(const char **)to = name + len + 1;
        else if (argv[*i + 1])
            *(const char **)to = argv[++*i];
        else
            return err_set(err, EINVAL, "-%s needs a value", name);
        return 0;
    }
    return err_set(err, EINVAL, "unknown flag '%s'", argv[*i]);
}

static int parse(int argc, char **argv, struct shim_args *ret, struct err *err)
{
    int i = 1, r;

    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++)
        if ((r = parse_flag(ret, argv, &i, err)) < 0)
            return r;
    ret->verb = i < argc ? argv[i] : "";
    if (ret->version || ret->info)
        return 0;
    if (!ret->ns || !ret->id || !*ret->ns)
        return err_set(err, EINVAL,
                       "-namespace and -id are needed: containerd starts this "
                       "program, see containerd-shim-anyvisor-v2(8)");
    /* It is part of paths. */
    if ((r = str_check_id(ret->ns, err)) < 0 || (r = str_check_id(ret->id, err)) < 0)
        return r;
    return 0;
}

static void on_children(void *ctx, uint32_t events)
{
    struct shim *s = ctx;
    struct signalfd_siginfo info;
    int status;
    pid_t pid;

    (void)events;
    while (read(s->signals.fd, &info, sizeof(info)) == sizeof(info))
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
            log_debug("signal %u, ignoring: containerd says when a shim ends", info.ssi_signo);
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (!job_ended(s, pid, status))
            task_child_ended(s, pid, status);
}

/* A shim outlives containerd's service: signals do not end it. */
static int take_signals(struct shim *s, struct err *err)
{
    sigset_t set;
    int r;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->signals = (struct loop_source){
        .fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), .fn = on_children, .ctx = s};
    if (s->signals.fd < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return err_set(err, errno, "take over processes: %m");
    r = loop_watch(&s->loop, &s->signals, EPOLLIN);
    return r < 0 ? err_set(err, -r, "watch signals: %m") : 0;
}

static void on_grace(void *ctx)
{
    ((struct shim *)ctx)->loop.stop = true;
}

static void sweep(void *ctx)
{
    struct shim *s = ctx;

    server_sweep(s);
    streams_sweep(s);
    task_sweep(s);
    if (s->leaving && server_idle(s) && publish_idle(s->publisher) && streams_idle(s) && !s->jobs)
        s->loop.stop = true;
}

/* containerd reads its shims' words from a FIFO in the bundle, our folder; without it they are
 * lost. */
static void open_log(const struct shim_args *a)
{
    int fd = open("log", O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

    log_init(fd, LOG_TEXT, a->debug ? LOG_L_DEBUG : LOG_L_INFO);
}

static int serve(struct shim *s, struct err *err)
{
    int r;

    open_log(&s->args);
    (void)chdir("/");
    s->grace = (struct loop_timer){.fn = on_grace, .ctx = s};
    if ((r = shim_cli_path(&s->cli, err)) < 0 || (r = loop_init(&s->loop, sweep, s, err)) < 0 ||
        (r = take_signals(s, err)) < 0 || (r = server_open(s, LISTENER_FD, err)) < 0)
        return r;
    s->publisher = publish_open(&s->loop, s->args.ns, getenv("TTRPC_ADDRESS"));
    s->socket = shim_socket_path(&s->args, s->args.id);
    return loop_run(&s->loop, err);
}

static int run(struct shim *s, struct err *err)
{
    const char *verb = s->args.verb;

    if (s->args.info)
        return shim_info(err);
    if (strcmp(verb, "start") == 0)
        return shim_start(&s->args, err);
    if (strcmp(verb, "delete") == 0)
        return shim_delete(&s->args, err);
    if (*verb)
        return err_set(err, EINVAL, "unknown verb '%s': start or delete", verb);
    return serve(s, err);
}

int main(int argc, char **argv)
{
    static struct shim s;
    struct err err = ERR_INIT;
    int r;

    signal(SIGPIPE, SIG_IGN);
    unsetenv("NOTIFY_SOCKET"); /* containerd's */
    log_init(-1, LOG_TEXT, LOG_L_INFO);
    r = parse(argc, argv, &s.args, &err);
    if (r == 0 && s.args.version)
        printf("%s:\n  Version:  %s\n", argv[0], layout_version());
    else if (r == 0)
        r = run(&s, &err);
    if (r >= 0)
        return 0;
    log_error("%s", err.msg);
    fprintf(stderr, "containerd-shim-anyvisor-v2: %s\n", err.msg);
    return 1;
}
