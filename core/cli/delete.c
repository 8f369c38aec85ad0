/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "cli/cli.h"
#include "cli/lifecycle.h"
#include "cli/pool/pool.h"
#include "hooks/hooks.h"

struct delete_options {
    bool force;
};

static const struct option_row rows[] = {
    {"force", 'f', OPTION_FLAG, offsetof(struct delete_options, force), NULL,
     "kill a running container first; a missing one is no error"},
};

static void warn(const char *sentence)
{
    log_warn("%s, ignoring", sentence);
}

static void poststop(const struct container *c)
{
    cleanup_free char *json = NULL;
    struct oci_spec *spec = NULL;

    if (!c->state.id || container_spec(c, &spec, NULL) < 0)
        return;
    json = state_oci_json(&c->state, STATE_STOPPED);
    hooks_run_all(
        &spec->hooks[OCI_HOOK_POSTSTOP],
        &(struct hooks_run){.kind = OCI_HOOK_POSTSTOP, .state_json = json, .cwd = c->state.bundle},
        warn);
    oci_spec_free(spec);
}

/* The monitor answers when the VM is gone; a dead or dying one is left to container_clean. */
static void ask_monitor(const struct cli *cli, const struct container *c)
{
    struct ipc_target target = {.all = 1};
    struct proc_id monitor;
    cleanup_fd int pidfd = -1;
    struct err err = ERR_INIT;
    int r;

    /* A VM of the pool, whose taker died before its monitor heard of the container: it will answer
     * that there is none, and go on to wait. container_clean kills it. */
    if (!c->state.id || faccessat(c->dir.fd, POOL_FACTS, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return;
    if (state_monitor_read(c->dir.fd, &monitor, NULL) == 0)
        pidfd = proc_open(&monitor, NULL);
    r = container_request(cli, c, IPC_DELETE, &target, CLI_END_MS, NULL, &err);
    if (r < 0)
        log_debug("delete: %s", err.msg);
    /* Also without an answer: a VM on its way down ends faster by itself than by being killed. */
    if (pidfd >= 0 && (r == 0 || r == -EPIPE || r == -ECONNREFUSED || r == -ENOENT))
        (void)proc_wait_gone(pidfd, CLI_END_MS);
}

static int check_status(const struct container *c, const char *id, bool force, struct err *err)
{
    if (force || c->status == STATE_STOPPED || c->status == STATE_CREATED)
        return 0;
    return err_set(err, EBUSY, "cannot delete container %s that is not stopped: %s", id,
                   state_status_name(c->status));
}

int container_delete(const struct cli *cli, struct container *c, const char *id, bool force,
                     struct err *err)
{
    int r = check_status(c, id, force, err);

    if (r < 0)
        return r;
    ask_monitor(cli, c);
    poststop(c);
    return container_clean(cli, c, id, force, err);
}

int delete_by_id(const struct cli *cli, const char *id, bool force, struct err *err)
{
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    int r = container_open_locked(cli, id, &c, err);

    if (r < 0 && r != -ETIMEDOUT && force)
        r = damaged_open(cli, id, &c, err);
    if (r == -ENOENT && force)
        return 0;
    return r < 0 ? r : container_delete(cli, &c, id, force, err);
}

static int run(struct cli *cli, void *options, int argc, char **argv, struct err *err)
{
    const struct delete_options *o = options;

    (void)argc;
    return delete_by_id(cli, argv[0], o->force, err);
}

const struct verb verb_delete = {
    .name = "delete",
    .arguments = "ID",
    .summary = "remove a stopped container with its VM and everything that belongs to it",
    .options = {rows, ARRAY_SIZE(rows)},
    .size = sizeof(struct delete_options),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
