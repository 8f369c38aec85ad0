/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "base/cleanup.h"
#include "cli/cli.h"

struct kill_options {
    bool all;
};

static const struct option_row rows[] = {
    {"all", 'a', OPTION_FLAG, offsetof(struct kill_options, all), NULL,
     "signal every process of the container"},
};

static int send_signal(const struct cli *cli, const struct container *c, int signo, bool all,
                       struct err *err)
{
    struct ipc_target target = {.signo = (uint32_t)signo, .all = all};
    int r = container_request(cli, c, IPC_KILL, &target, CLI_REQUEST_MS, NULL, err);

    /* Without a monitor the proxy is all that is left of the container. */
    if (r == -ENOENT || r == -ECONNREFUSED || r == -EPIPE)
        r = proc_kill(&c->state.proxy, signo, err);
    return r == -ESRCH ? err_set(err, ESRCH, "container not running") : r;
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct kill_options *o = options;
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    int signo = argc < 2 ? SIGTERM : strcmp(argv[1], "0") == 0 ? 0 : str_to_signal(argv[1]);
    int r;

    if (signo < 0)
        return err_set(err, EINVAL, "unknown signal '%s'", argv[1]);
    if ((r = container_open(cli, argv[0], &c, err)) < 0)
        return r;
    if (c.status == STATE_STOPPED && o->all)
        return 0; /* a VM without its container has no other processes */
    if (c.status == STATE_STOPPED || c.status == STATE_CREATING)
        return err_set(err, ESRCH, "container not running");
    if (signo == 0) /* as kill(2): only whether there is somebody */
        return 0;
    return send_signal(cli, &c, signo, o->all, err);
}

const struct verb verb_kill = {
    .name = "kill",
    .arguments = "ID [SIGNAL]",
    .summary = "send a signal (default SIGTERM) to the container's process",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct kill_options),
    .min_args = 1,
    .max_args = 2,
    .run = run,
};
