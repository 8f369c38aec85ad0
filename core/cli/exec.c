/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/timing.h"
#include "cgroup/cgroup.h"
#include "cli/cli.h"
#include "cli/exec_process.h"
#include "cli/attach/foreground.h"
#include "cli/attach/last_words.h"
#include "cli/lifecycle.h"
#include "cli/creation/planning.h"
#include "cli/creation/proxy_command.h"
#include "cli/attach/terminal.h"

#define SEQ_EXEC 1

struct exec_options {
    struct exec_process_options process;
    const char *pid_file, *console_socket, *preserve_fds, *ignored;
    bool detach, ignore_paused;
};

#define O(member) offsetof(struct exec_options, member)
static const struct option_row rows[] = {
    {"process", 'p', OPTION_TEXT, O(process.file), "FILE", "process.json to run; '-' is stdin"},
    {"detach", 'd', OPTION_FLAG, O(detach), NULL, "return when the process runs"},
    {"tty", 't', OPTION_FLAG, O(process.tty), NULL, "give the process a terminal"},
    {"console-socket", 0, OPTION_TEXT, O(console_socket), "PATH",
     "unix socket that gets the terminal"},
    {"pid-file", 0, OPTION_TEXT, O(pid_file), "FILE", "write the process id to FILE"},
    {"user", 'u', OPTION_TEXT, O(process.user), "UID[:GID]", "run as this user"},
    {"additional-gids", 'g', OPTION_LIST, O(process.gids), "GID", "one more group"},
    {"cwd", 0, OPTION_TEXT, O(process.cwd), "DIR", "working directory in the container"},
    {"env", 'e', OPTION_LIST, O(process.env), "NAME=VALUE", "one more environment variable"},
    {"cap", 'c', OPTION_LIST, O(process.caps), "CAP", "one more capability"},
    {"no-new-privs", 0, OPTION_FLAG, O(process.no_new_privs), NULL, "set no_new_privs"},
    {"apparmor", 0, OPTION_TEXT, O(process.apparmor), "PROFILE", "AppArmor profile (not in a VM)"},
    {"process-label", 0, OPTION_TEXT, O(process.label), "LABEL", "SELinux label (not in a VM)"},
    {"preserve-fds", 0, OPTION_TEXT, O(preserve_fds), "N",
     "accepted; no descriptor crosses into a VM"},
    {"ignore-paused", 0, OPTION_FLAG, O(ignore_paused), NULL, "do not refuse a paused container"},
    {"cgroup", 0, OPTION_TEXT, O(ignored), "PATH", "accepted for runc's sake, ignored"},
};

struct exec {
    struct container c;
    struct oci_spec *spec;
    struct oci_process *process;
    struct plan_process plan;
    struct terminal terminal;
    struct foreground front;
    int stdio[3];
    pid_t proxy;
    int pidfd, sock, proxy_sock;
};

static void exec_done(struct exec *x)
{
    foreground_end(&x->front);
    terminal_close(&x->terminal);
    close_fd(&x->pidfd);
    close_fd(&x->sock);
    close_fd(&x->proxy_sock);
    plan_process_done(&x->plan);
    oci_process_free(x->process);
    oci_spec_free(x->spec);
    container_close(&x->c);
}

static int check_running(const struct exec *x, const struct exec_options *o, struct err *err)
{
    switch (x->c.status) {
    case STATE_RUNNING:
    case STATE_CREATED:
        return 0;
    case STATE_PAUSED:
        return o->ignore_paused ? 0 : err_set(err, EINVAL, "cannot exec in a paused container");
    default:
        return err_set(err, EINVAL, "cannot exec in a %s container",
                       state_status_name(x->c.status));
    }
}

static int make_plan(struct exec *x, const struct exec_options *o, char **words, struct err *err)
{
    struct strv warnings = {0};
    struct plan_input in;
    int r;

    if ((r = container_spec(&x->c, &x->spec, err)) < 0 ||
        (r = exec_process(&o->process, x->spec, words, &x->process, err)) < 0)
        return r;
    planning_input(x->c.state.id, x->c.state.arch ? x->c.state.arch : "", x->c.state.vm_vcpus, &in);
    r = plan_process_build(x->process, x->spec, &in, &x->plan, &warnings, err);
    for (size_t i = 0; i < warnings.n; i++)
        log_warn("%s", warnings.v[i]);
    strv_done(&warnings);
    return r;
}

static int open_terminal(struct exec *x, const struct exec_options *o, struct err *err)
{
    int r = terminal_open(x->process->rows, x->process->cols, &x->terminal, err);

    if (r == 0 && o->console_socket) {
        r = terminal_send(o->console_socket, &x->terminal, err);
        close_fd(&x->terminal.master);
    } else if (r == 0) {
        r = foreground_terminal(&x->front, x->terminal.master, err);
    }
    for (int i = 0; i < 3; i++)
        x->stdio[i] = x->terminal.slave;
    return r;
}

/*
 * Namespaces of the container's proxy that are not ours anyway. Not its mount namespace: that shows
 * the container's root (proxy_root.c), where there is no program of ours to run.
 */
static int open_namespaces(pid_t proxy, int fds[8], size_t *n, struct err *err)
{
    static const char *const names[] = {"net", "ipc", "uts", "pid", "cgroup"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        cleanup_free char *theirs = xasprintf("/proc/%d/ns/%s", (int)proxy, names[i]);
        cleanup_free char *ours = xasprintf("/proc/self/ns/%s", names[i]);
        struct stat a, b;
        int fd = open(theirs, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
            return err_set(err, errno, "open '%s': %m", theirs);
        if (fstat(fd, &a) == 0 && stat(ours, &b) == 0 && a.st_ino == b.st_ino) {
            close(fd);
            continue;
        }
        fds[(*n)++] = fd;
    }
    return 0;
}

static int spawn_in(struct exec *x, const char *path, int sock, struct strv *cgroups,
                    struct err *err)
{
    bool terminal = x->process->terminal;
    cleanup_call(proxy_command_done) struct proxy_command command = {{0}};
    int namespaces[8], r;
    size_t n = 0;

    r = open_namespaces(x->c.state.proxy.pid, namespaces, &n, err);
    proxy_command_make(x->process, x->c.dir.path, &command);
    struct proc_spawn how = {
        .path = path,
        .argv = (const char *const *)command.argv.v,
        .envp = (const char *const *)command.env.v,
        .fds = (struct proc_fd_map[]){{sock, IPC_FIRST_FD}, {x->stdio[0], 0}},
        .n_fds = terminal ? 2 : 1,
        .setns_fds = namespaces,
        .n_setns = n,
        .cgroups = (const char *const *)cgroups->v,
        .cwd = "/",
        .new_session = 1,
        .null_stdio = 1,
    };
    if (r == 0 && (r = proc_spawn(&how, &x->proxy, &x->pidfd, err)) < 0)
        err_wrap(err, "start the proxy");
    while (n > 0)
        close_fd(&namespaces[--n]);
    return r;
}

static int spawn_proxy(struct exec *x, const struct cli *cli, struct err *err)
{
    cleanup_free char *path = path_join(cli->layout.libexec_dir, "anyvisor-proxy");
    struct cgroup_host host = {0};
    struct strv dirs = {0};
    cleanup_fd int theirs = -1;
    int ends[2], r;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return err_set(err, errno, "socketpair: %m");
    x->proxy_sock = ends[0];
    theirs = ends[1];
    r = cgroup_host_read("/proc/self/mountinfo", "/proc/self/cgroup", &host, err);
    if (r == 0)
        r = cgroup_dirs_of(&host, x->c.state.proxy.pid, &dirs, err);
    if (r == 0)
        r = spawn_in(x, path, theirs, &dirs, err);
    strv_done(&dirs);
    cgroup_host_done(&host);
    return r;
}

static int request(struct exec *x, const struct cli *cli, struct err *err)
{
    cleanup_call(wbuf_done) struct wbuf body = {0}, process = {0};
    struct ipc_exec m = {.id = x->c.state.id, .terminal = x->process->terminal};
    const int fds[] = {x->proxy_sock, x->stdio[0], x->stdio[1], x->stdio[2]};
    int r;

    if ((x->sock = container_connect(cli, &x->c, err)) < 0)
        return x->sock;
    if ((r = proc_id_of(x->proxy, &m.proxy, err)) < 0)
        return r;
    plan_process_put(&process, &x->plan);
    m.process = process.data;
    m.process_len = process.len;
    ipc_exec_put(&body, &m);
    if (!wbuf_ok(&process) || !wbuf_ok(&body) || body.len > FRAME_BODY_MAX)
        return err_set(err, E2BIG, "the process is larger than %u bytes", FRAME_BODY_MAX);
    r = ipc_send(x->sock, IPC_EXEC, SEQ_EXEC, &body, fds, ARRAY_SIZE(fds), err);
    close_fd(&x->proxy_sock);
    if (r == 0)
        r = ipc_wait(x->sock, SEQ_EXEC, deadline_in_ms(CLI_REQUEST_MS), NULL, err);
    return r;
}

/* A proxy whose process never came to be ends when its socket does. */
static void end_proxy(struct exec *x)
{
    struct proc_id id;
    int status;

    close_fd(&x->proxy_sock);
    if (x->proxy <= 0)
        return;
    if (proc_id_of(x->proxy, &id, NULL) == 0)
        (void)proc_kill(&id, SIGKILL, NULL);
    (void)proc_reap(x->pidfd, &status, NULL);
}

static int write_pid(const struct exec *x, const char *file, struct err *err)
{
    cleanup_free char *text = xasprintf("%d", (int)x->proxy);

    return file ? path_replace(AT_FDCWD, file, text, strlen(text), 0644, err) : 0;
}

static int exec_it(struct exec *x, const struct cli *cli, const struct exec_options *o,
                   struct err *err)
{
    bool terminal = x->process->terminal;
    int r;

    if ((r = terminal_check(terminal, o->detach, o->console_socket, err)) < 0 ||
        (r = cli_check_pid_file(o->pid_file, err)) < 0 ||
        (!o->detach && (r = foreground_begin(&x->front, err)) < 0) ||
        (terminal && (r = open_terminal(x, o, err)) < 0))
        return r;
    if ((r = spawn_proxy(x, cli, err)) < 0 || (r = request(x, cli, err)) < 0 ||
        (r = write_pid(x, o->pid_file, err)) < 0) {
        end_proxy(x);
        return r;
    }
    close_fd(&x->terminal.slave);
    if (o->detach)
        return 0;
    if (!terminal)
        foreground_release_stdio();
    r = foreground_wait(&x->front, x->proxy, x->pidfd, x->terminal.master, err);
    foreground_end(&x->front);
    last_words_tell(cli, x->c.state.id, x->sock, r);
    return r;
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct exec_options *o = options;
    cleanup_call(exec_done) struct exec x = {.c = {.dir = {-1, NULL}},
                                             .terminal = TERMINAL_INIT,
                                             .front = FOREGROUND_INIT,
                                             .stdio = {0, 1, 2},
                                             .pidfd = -1,
                                             .sock = -1,
                                             .proxy_sock = -1};
    int r;

    if (!o->process.file && argc < 2)
        return cli_usage(&verb_exec, err);
    if ((r = not_carried_descriptors(o->preserve_fds, err)) < 0 ||
        (r = container_open(cli, argv[0], &x.c, err)) < 0 || (r = check_running(&x, o, err)) < 0 ||
        (r = make_plan(&x, o, argv + 1, err)) < 0)
        return r;
    return exec_it(&x, cli, o, err);
}

const struct verb verb_exec = {
    .name = "exec",
    .arguments = "ID [COMMAND ARGUMENT...]",
    .summary = "run one more process in a running container",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct exec_options),
    .min_args = 1,
    .max_args = -1,
    .stop = true,
    .failure = 255,
    .run = run,
};
