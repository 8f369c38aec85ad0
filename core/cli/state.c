/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "cli/cli.h"

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    cleanup_free char *json = NULL;
    int r = container_open(cli, argv[0], &c, err);

    (void)options;
    (void)argc;
    if (r < 0)
        return r;
    json = state_oci_json(&c.state, c.status);
    return cli_print(json, err);
}

const struct verb verb_state = {
    .name = "state",
    .arguments = "ID",
    .summary = "show the OCI state of a container",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
