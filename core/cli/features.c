/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "cli/cli.h"
#include "oci/oci.h"

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    cleanup_free char *json = oci_features_json();

    (void)cli, (void)options, (void)argc, (void)argv;
    return cli_print(json, err);
}

const struct verb verb_features = {
    .name = "features",
    .arguments = "",
    .summary = "print what this runtime supports, as JSON",
    .run = run,
};
