/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/cli.h"
#include "cli/lifecycle.h"
#include "cli/network/network.h"
#include "cli/creation/pod.h"
#include "hooks/hooks.h"
#include "policy/policy.h"

int container_spec(const struct container *c, struct oci_spec **ret, struct err *err)
{
    cleanup_free char *text = NULL;
    size_t len;
    int r = path_read(c->dir.fd, "config.json", OCI_CONFIG_MAX, &text, &len, err);

    return r < 0 ? r : oci_spec_parse(text, len, ret, err);
}

static void warn(const char *sentence)
{
    log_warn("%s, ignoring", sentence);
}

static void poststart(const struct container *c, const struct oci_spec *spec)
{
    cleanup_free char *json = state_oci_json(&c->state, STATE_RUNNING);

    hooks_run_all(
        &spec->hooks[OCI_HOOK_POSTSTART],
        &(struct hooks_run){.kind = OCI_HOOK_POSTSTART, .state_json = json, .cwd = c->state.bundle},
        warn);
}

static int check_created(const struct container *c, struct err *err)
{
    switch (c->status) {
    case STATE_CREATED:
        return 0;
    case STATE_STOPPED:
        return err_set(err, EINVAL, "cannot start a container that has stopped");
    case STATE_CREATING:
        return err_set(err, EINVAL, "cannot start a container that is still being created");
    default:
        return err_set(err, EINVAL, "cannot start an already running container");
    }
}

static int connect_network(const struct cli *cli, const struct container *c,
                           const struct oci_spec *spec, struct err *err)
{
    int r = network_carry(cli, c, err);

    if (r < 0)
        return r;
    network_resolver(cli, c, spec);
    if (workload_is_sandbox(&c->state.annotations))
        network_forward(cli, c);
    return 0;
}

static int start(const struct cli *cli, struct container *c, const struct oci_spec *spec,
                 struct err *err)
{
    int r = pod_is_member(&c->state) ? 0 : connect_network(cli, c, spec, err);

    if (r == 0)
        r = container_request(cli, c, IPC_START, NULL, CLI_REQUEST_MS, NULL, err);
    if (r == 0)
        poststart(c, spec);
    return r;
}

int container_start(const struct cli *cli, struct container *c, struct err *err)
{
    struct oci_spec *spec = NULL;
    int r;

    if ((r = check_created(c, err)) < 0 || (r = container_spec(c, &spec, err)) < 0)
        return r;
    r = start(cli, c, spec, err);
    oci_spec_free(spec);
    return r;
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    int r = container_open_locked(cli, argv[0], &c, err);

    (void)options;
    (void)argc;
    return r < 0 ? r : container_start(cli, &c, err);
}

const struct verb verb_start = {
    .name = "start",
    .arguments = "ID",
    .summary = "run the process of a created container",
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
