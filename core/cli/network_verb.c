/* SPDX-License-Identifier: Apache-2.0 */
/* For engines that change the namespace of a running container without a word to the runtime. */
#include <errno.h>
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/lifecycle.h"
#include "cli/network/network.h"
#include "cli/creation/pod.h"

/* The namespace is that of the container that the VM was made for. */
static int open_owner(struct cli *cli, struct container *c, struct err *err)
{
    cleanup_free char *owner = NULL;

    if (!pod_is_member(&c->state))
        return 0;
    owner = xstrdup(c->state.sandbox);
    container_close(c);
    return container_open_locked(cli, owner, c, err);
}

static int carry(const struct cli *cli, const struct container *c, struct err *err)
{
    struct oci_spec *spec = NULL;
    int r;

    if ((r = container_spec(c, &spec, err)) < 0)
        return r;
    if ((r = network_carry(cli, c, err)) == 0)
        network_resolver(cli, c, spec);
    oci_spec_free(spec);
    return r;
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    int r = container_open_locked(cli, argv[0], &c, err);

    (void)options;
    (void)argc;
    if (r < 0 || (r = open_owner(cli, &c, err)) < 0)
        return r;
    if (c.status != STATE_RUNNING)
        return err_set(err, EINVAL, "container '%s' is not running: %s", c.state.id,
                       state_status_name(c.status));
    return carry(cli, &c, err);
}

const struct verb verb_network = {
    .name = "network",
    .arguments = "ID",
    .summary = "carry what has changed in a running container's network namespace into its VM",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
