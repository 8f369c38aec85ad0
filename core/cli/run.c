/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/creation/creation.h"
#include "cli/attach/foreground.h"
#include "cli/attach/last_words.h"
#include "cli/lifecycle.h"
#include "cli/attach/terminal.h"

struct run_options {
    const char *bundle, *pid_file, *console_socket, *preserve_fds;
    bool detach, keep, no_pivot, no_new_keyring, no_subreaper;
};

#define O(member) offsetof(struct run_options, member)
static const struct option_row rows[] = {
    {"bundle", 'b', OPTION_TEXT, O(bundle), "DIR", "the OCI bundle (default: here)"},
    {"detach", 'd', OPTION_FLAG, O(detach), NULL, "return when the process runs"},
    {"keep", 0, OPTION_FLAG, O(keep), NULL, "keep the stopped container for 'state' and 'logs'"},
    {"pid-file", 0, OPTION_TEXT, O(pid_file), "FILE", "write the container's process id to FILE"},
    {"console-socket", 0, OPTION_TEXT, O(console_socket), "PATH",
     "unix socket that gets the terminal"},
    {"preserve-fds", 0, OPTION_TEXT, O(preserve_fds), "N",
     "accepted; no descriptor crosses into a VM"},
    {"no-pivot", 0, OPTION_FLAG, O(no_pivot), NULL, "accepted for runc's sake, ignored"},
    {"no-new-keyring", 0, OPTION_FLAG, O(no_new_keyring), NULL,
     "accepted for runc's sake, ignored"},
    {"no-subreaper", 0, OPTION_FLAG, O(no_subreaper), NULL, "accepted for runc's sake, ignored"},
};

static bool is_bundle(const char *path)
{
    cleanup_free char *config = path_join(path, "config.json");

    return access(config, F_OK) == 0;
}

/* "run BUNDLE": an id from the folder's name and something that is not taken yet. */
static char *make_id(const char *bundle)
{
    cleanup_free char *resolved = realpath(bundle, NULL);
    const char *slash = resolved ? strrchr(resolved, '/') : NULL;
    cleanup_free char *base = xstrdup(slash && slash[1] ? slash + 1 : "bundle");
    uint32_t random = 0;

    for (char *p = base; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-", *p))
            *p = '-';
    (void)getrandom(&random, sizeof(random), 0);
    return xasprintf("%.64s-%08x", base, random);
}

struct running {
    struct creation creation;
    struct terminal terminal;
    struct foreground front;
};

static void running_done(struct running *r)
{
    foreground_end(&r->front);
    terminal_close(&r->terminal);
    creation_done(&r->creation);
}

static int open_terminal(struct running *r, const struct run_options *o, struct err *err)
{
    const struct oci_process *p = &r->creation.spec->process;
    int e = terminal_open(p->rows, p->cols, &r->terminal, err);

    if (e == 0 && o->console_socket) {
        e = terminal_send(o->console_socket, &r->terminal, err);
        close_fd(&r->terminal.master);
    } else if (e == 0) {
        foreground_size(r->terminal.master);
    }
    for (int i = 0; i < 3; i++)
        r->creation.stdio[i] = r->terminal.slave;
    return e;
}

/* A container that has ended since it was made cannot be started: its sandbox knows why. */
static int start_it(struct running *running, struct err *err)
{
    const struct cli *cli = running->creation.cli;
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    struct err said = ERR_INIT;
    int r = container_open_locked(cli, running->creation.id, &c, err);

    if (r == 0)
        r = container_start(cli, &c, err);
    if (r < 0 && ipc_last_words(running->creation.sock, &said)) {
        *err = said;
        r = -said.code;
    }
    return r;
}

static int in_front(struct cli *cli, struct running *r, bool terminal, const char *id,
                    const struct run_options *o, struct err *err)
{
    struct child *proxy = &r->creation.proxy;
    struct err ignored = ERR_INIT;
    int status;

    if (!terminal)
        foreground_release_stdio();
    status = foreground_wait(&r->front, proxy->pid, proxy->pidfd, r->terminal.master, err);
    foreground_end(&r->front);
    last_words_tell(cli, r->creation.id, r->creation.sock, status);
    if (!o->keep && delete_by_id(cli, id, true, &ignored) < 0)
        log_warn("delete container '%s': %s, ignoring", id, ignored.msg);
    return status;
}

static int run_id(struct cli *cli, const struct run_options *o, const char *id, const char *bundle,
                  struct err *err)
{
    cleanup_call(running_done) struct running r = {
        .creation = CREATION_INIT, .terminal = TERMINAL_INIT, .front = FOREGROUND_INIT};
    struct err ignored = ERR_INIT;
    bool terminal;
    int e;

    r.creation.cli = cli;
    r.creation.id = id;
    r.creation.bundle = bundle;
    r.creation.pid_file = o->pid_file;
    for (int i = 0; i < 3; i++)
        r.creation.stdio[i] = i;
    if ((e = not_carried_descriptors(o->preserve_fds, err)) < 0 ||
        (e = creation_prepare(&r.creation, err)) < 0)
        return e;
    terminal = r.creation.spec->process.terminal;
    if ((e = terminal_check(terminal, o->detach, o->console_socket, err)) < 0)
        return e;
    if (!o->detach && (e = foreground_begin(&r.front, err)) < 0)
        return e;
    if ((terminal && (e = open_terminal(&r, o, err)) < 0) ||
        (e = creation_execute(&r.creation, err)) < 0)
        return e;
    close_fd(&r.terminal.slave);
    state_dir_close(&r.creation.dir);
    /* Only now: until here ^C shall still be a signal. */
    if (!o->detach && r.terminal.master >= 0)
        e = foreground_terminal(&r.front, r.terminal.master, err);
    if (e == 0)
        e = start_it(&r, err);
    if (e < 0) {
        (void)delete_by_id(cli, id, true, &ignored);
        return e;
    }
    return o->detach ? 0 : in_front(cli, &r, terminal, id, o, err);
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct run_options *o = options;
    cleanup_free char *id = NULL;

    (void)argc;
    if (!o->bundle && is_bundle(argv[0]) && (strchr(argv[0], '/') || !is_bundle("."))) {
        id = make_id(argv[0]);
        return run_id(cli, o, id, argv[0], err);
    }
    return run_id(cli, o, argv[0], o->bundle ? o->bundle : ".", err);
}

const struct verb verb_run = {
    .name = "run",
    .arguments = "ID | BUNDLE",
    .summary = "create and start a container, wait for its end, delete it",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct run_options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
