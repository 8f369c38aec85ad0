/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "cli/creation/creation.h"
#include "cli/lifecycle.h"
#include "cli/creation/preview.h"
#include "cli/attach/terminal.h"

struct create_options {
    const char *bundle, *pid_file, *console_socket, *preserve_fds, *format;
    bool no_pivot, no_new_keyring, dry_run;
};

#define O(member) offsetof(struct create_options, member)
static const struct option_row rows[] = {
    {"bundle", 'b', OPTION_TEXT, O(bundle), "DIR", "the OCI bundle (default: here)"},
    {"pid-file", 0, OPTION_TEXT, O(pid_file), "FILE", "write the container's process id to FILE"},
    {"console-socket", 0, OPTION_TEXT, O(console_socket), "PATH",
     "unix socket that gets the terminal"},
    {"preserve-fds", 0, OPTION_TEXT, O(preserve_fds), "N",
     "accepted; no descriptor crosses into a VM"},
    {"dry-run", 0, OPTION_FLAG, O(dry_run), NULL, "say what would be made, and make nothing"},
    {"format", 0, OPTION_TEXT, O(format), "FORMAT", "of --dry-run: text or json"},
    {"no-pivot", 0, OPTION_FLAG, O(no_pivot), NULL, "accepted for runc's sake, ignored"},
    {"no-new-keyring", 0, OPTION_FLAG, O(no_new_keyring), NULL,
     "accepted for runc's sake, ignored"},
};

/* Ends where the first thing would be made. */
static int dry_run(struct creation *c, const struct create_options *o, struct err *err)
{
    struct preview p = {.cli = c->cli, .choice = &c->choice, .id = c->id};
    struct err print_err = ERR_INIT;
    int r, shown;

    if ((r = cli_format(o->format, &p.json, err)) < 0)
        return r;
    if ((r = creation_prepare(c, err)) == 0)
        r = terminal_check(c->spec->process.terminal, true, o->console_socket, err);
    if (r < 0 && !c->choice.decision.cls)
        return r;
    p.spec = c->spec;
    p.disks = &c->disks;
    p.owner = c->member ? &c->owner : NULL;
    p.failure = r < 0 ? err->msg : NULL;
    shown = preview_print(&p, &print_err);
    if (r == 0 && shown < 0) {
        *err = print_err;
        r = shown;
    }
    return r;
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct create_options *o = options;
    cleanup_call(terminal_close) struct terminal t = TERMINAL_INIT;
    cleanup_call(creation_done) struct creation c = CREATION_INIT;
    const struct oci_process *p;
    int r;

    (void)argc;
    c.cli = cli;
    c.id = argv[0];
    c.bundle = o->bundle ? o->bundle : ".";
    c.pid_file = o->pid_file;
    c.dry_run = o->dry_run;
    if ((r = not_carried_descriptors(o->preserve_fds, err)) < 0)
        return r;
    if (o->dry_run)
        return dry_run(&c, o, err);
    if ((r = creation_prepare(&c, err)) < 0)
        return r;
    p = &c.spec->process;
    if ((r = terminal_check(p->terminal, true, o->console_socket, err)) < 0)
        return r;
    for (int i = 0; i < 3; i++)
        c.stdio[i] = i;
    if (p->terminal) {
        if ((r = terminal_open(p->rows, p->cols, &t, err)) < 0 ||
            (r = terminal_send(o->console_socket, &t, err)) < 0)
            return r;
        close_fd(&t.master);
        c.stdio[0] = c.stdio[1] = c.stdio[2] = t.slave;
    }
    return creation_execute(&c, err);
}

const struct verb verb_create = {
    .name = "create",
    .arguments = "ID",
    .summary = "boot a VM for a bundle and build its container, up to before its process runs",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct create_options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
