/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "cli/cli.h"

void container_close(struct container *c)
{
    if (c->dir.path)
        state_dir_close(&c->dir);
    state_done(&c->state);
    *c = (struct container){.dir = {-1, NULL}};
}

void container_refresh(struct container *c)
{
    c->status = state_effective_status(&c->dir, &c->state);
}

static int open_and(const struct cli *cli, const char *id, bool lock, struct container *ret,
                    struct err *err)
{
    cleanup_call(container_close) struct container c = {.dir = {-1, NULL}};
    int r;

    if ((r = state_dir_open(cli->root, id, &c.dir, err)) < 0)
        return r;
    if (lock && (r = state_dir_lock(&c.dir, deadline_in_ms(CLI_LOCK_MS), err)) < 0)
        return r;
    if ((r = state_read(&c.dir, &c.state, err)) == -ENOENT)
        return err_set(err, ENOENT, "container '%s' does not exist", id);
    if (r < 0)
        return r;
    container_refresh(&c);
    *ret = c;
    c = (struct container){.dir = {-1, NULL}};
    return 0;
}

int container_open(const struct cli *cli, const char *id, struct container *ret, struct err *err)
{
    return open_and(cli, id, false, ret, err);
}

int container_open_locked(const struct cli *cli, const char *id, struct container *ret,
                          struct err *err)
{
    return open_and(cli, id, true, ret, err);
}

int container_connect(const struct cli *cli, const struct container *c, struct err *err)
{
    const char *sandbox = c->state.sandbox ? c->state.sandbox : c->state.id;
    cleanup_free char *dir = NULL;
    int r = str_check_id(sandbox, err);

    if (r < 0)
        return err_wrap(err, "state of container '%s': sandbox", c->state.id);
    dir = path_join(cli->root, sandbox);
    r = ipc_connect(dir, err);
    if (r == -ENOENT || r == -ECONNREFUSED)
        err_set(err, -r, "the sandbox of container '%s' is not running", c->state.id);
    return r;
}

int container_request(const struct cli *cli, const struct container *c, uint16_t type,
                      struct ipc_target *t, uint32_t timeout_ms, struct ipc_reply *ret,
                      struct err *err)
{
    cleanup_call(wbuf_done) struct wbuf body = {0};
    cleanup_fd int sock = container_connect(cli, c, err);
    struct ipc_target none = {0};

    if (sock < 0)
        return sock;
    t = t ? t : &none;
    t->id = c->state.id;
    ipc_target_put(&body, t);
    t->id = NULL;
    return ipc_call(sock, type, &body, deadline_in_ms(timeout_ms), ret, err);
}
