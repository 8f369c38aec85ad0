/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include "base/cleanup.h"
#include "cli/cli.h"

struct ps_options {
    const char *format;
};

static const struct option_row rows[] = {
    {"format", 'f', OPTION_TEXT, offsetof(struct ps_options, format), "FORMAT",
     "table (processes of the guest) or json (process ids of the host)"},
};

/* The host's processes are the proxies: what engines look up in the host's ps. */
static int print_json(const struct msg_ps *ps, struct err *err)
{
    cleanup_free char *text = xstrdup("[");
    bool first = true;
    int r;

    for (size_t i = 0; i < ps->n; i++) {
        char *longer;

        if (!ps->rows[i].proc_id)
            continue;
        longer = xasprintf("%s%s%u", text, first ? "" : ",", ps->rows[i].proc_id);
        free(text);
        text = longer;
        first = false;
    }
    {
        cleanup_free char *whole = xasprintf("%s]", text);

        r = cli_print(whole, err);
    }
    return r;
}

/* A process may call itself whatever it likes, with line breaks and commands for the terminal. */
static const char *printable(char *text, const char *otherwise)
{
    if (!text || !*text)
        return otherwise;
    str_tame(text);
    return text;
}

static void print_table(const struct msg_ps *ps)
{
    printf("%-8s %-8s %-8s %-10s %-10s %s\n", "UID", "PID", "PPID", "TTY", "TIME", "CMD");
    for (size_t i = 0; i < ps->n; i++) {
        const struct msg_ps_row *row = &ps->rows[i];
        unsigned s = row->cpu_ms / 1000;

        printf("%-8u %-8u %-8u %-10s %02u:%02u:%02u   %s\n", row->uid, row->pid, row->ppid,
               printable(row->tty, "?"), s / 3600, s / 60 % 60, s % 60, printable(row->cmd, ""));
    }
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct ps_options *o = options;
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
    cleanup_call(msg_ps_done) struct msg_ps ps = {0};
    bool json;
    int r;

    if (argc > 1)
        log_warn("ps: options for ps(1) are not for a guest, ignoring");
    if ((r = cli_format(o->format, &json, err)) < 0 ||
        (r = container_open(cli, argv[0], &c, err)) < 0)
        return r;
    if (c.status == STATE_STOPPED || c.status == STATE_CREATING)
        return err_set(err, EINVAL, "container not running");
    r = container_request(cli, &c, IPC_PS, NULL, CLI_REQUEST_MS, &reply, err);
    if (r < 0)
        return r;
    if (msg_ps_get(wire_over(reply.body, reply.body_len), &ps) < 0)
        return err_set(err, EPROTO, "the guest has sent a malformed process list");
    if (json)
        return print_json(&ps, err);
    print_table(&ps);
    return 0;
}

const struct verb verb_ps = {
    .name = "ps",
    .arguments = "ID [PS OPTION...]",
    .summary = "show the processes of a container",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct ps_options),
    .min_args = 1,
    .max_args = -1,
    .stop = true,
    .run = run,
};
