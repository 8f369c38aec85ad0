/* SPDX-License-Identifier: Apache-2.0 */
/* pause and resume. */
#include <errno.h>
#include "base/cleanup.h"
#include "cli/cli.h"

static int run_pause(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    int r = container_open_locked(cli, argv[0], &c, err);

    (void)options;
    (void)argc;
    if (r < 0)
        return r;
    if (c.status != STATE_RUNNING && c.status != STATE_CREATED)
        return err_set(err, EINVAL, "container not running or created: %s",
                       state_status_name(c.status));
    return container_request(cli, &c, IPC_PAUSE, NULL, CLI_REQUEST_MS, NULL, err);
}

static int run_resume(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    int r = container_open_locked(cli, argv[0], &c, err);

    (void)options;
    (void)argc;
    if (r < 0)
        return r;
    if (c.status != STATE_PAUSED)
        return err_set(err, EINVAL, "container not paused");
    return container_request(cli, &c, IPC_RESUME, NULL, CLI_REQUEST_MS, NULL, err);
}

const struct verb verb_pause = {
    .name = "pause",
    .arguments = "ID",
    .summary = "freeze all processes of a container",
    .min_args = 1,
    .max_args = 1,
    .run = run_pause,
};

const struct verb verb_resume = {
    .name = "resume",
    .arguments = "ID",
    .summary = "thaw a paused container",
    .min_args = 1,
    .max_args = 1,
    .run = run_resume,
};
