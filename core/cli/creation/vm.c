/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VM of a new container: one that boots, a clone of a template, one of the pool, or that of the
 * container that it joins.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "cli/creation/creation.h"
#include "cli/creation/from_template.h"
#include "cli/creation/grow.h"
#include "cli/lifecycle.h"
#include "cli/pool/pool.h"

static int make_run_dir(struct creation *c, struct err *err)
{
    cleanup_free char *owner = NULL;
    int r = path_mkdirs(layout_vm_dir(), 0700, err);

    if (r < 0)
        return r;
    if (mkdir(c->state.run_dir, 0700) < 0)
        return err_set(err, errno, "make '%s': %m", c->state.run_dir);
    owner = path_join(c->state.run_dir, CLI_OWNER_FILE);
    return path_replace(AT_FDCWD, owner, c->dir.path, strlen(c->dir.path), 0600, err);
}

/* All clones of a template have one NIC from the start; what an engine has added is plugged. */
static int take_taps(struct creation *c, struct err *err)
{
    struct network_wish wish;

    network_wish_of(&c->state, &wish);
    wish.max = c->choice.decision.template_scope ? 1 : NETWORK_COLD_NICS_MAX;
    return network_prepare(c->proxy.pid, &wish, &c->nics, err);
}

static int choose_template(struct creation *c, struct err *err)
{
    struct err why = ERR_INIT;
    int r = from_template_find(c, &why);

    if (r < 0)
        return *err = why, r;
    c->cloning = r > 0;
    if (why.code)
        log_line(why.code == ENOTSUP ? LOG_L_INFO : LOG_L_WARN,
                 "the VM boots, for there is no template to clone: %s", why.msg);
    return 0;
}

/* The proxy, if there is none yet, before the NICs: they are taps in its network namespace. */
static int make_vm(struct creation *c, struct err *err)
{
    int r;

    if ((r = make_run_dir(c, err)) < 0 || (r = sandbox_spawn_monitor(c, err)) < 0 ||
        (c->proxy.pid == 0 && (r = sandbox_spawn_proxy(c, err)) < 0) ||
        (r = take_taps(c, err)) < 0 || (r = choose_template(c, err)) < 0)
        return r;
    return sandbox_request(c, SEQ_SANDBOX, err);
}

int vm_begin(struct creation *c, struct err *err)
{
    return c->pool_member ? sandbox_proxy_socket(c, err) : make_vm(c, err);
}

/* As if there had been no pool. */
int vm_begin_anew(struct creation *c, const struct err *why, struct err *err)
{
    int r;

    log_warn("the VM is none of the pool, of which one could not be taken: %s", why->msg);
    if ((r = pool_abandon(c, err)) < 0 ||
        (!c->disks.fds &&
         (r = disks_open(&c->disks, &c->choice, c->dir.path, c->interrupt.fd, err)) < 0))
        return r;
    return make_vm(c, err);
}

/*
 * A clone is waited for before anything else is told to its monitor: when it does not come up, the
 * container gets a VM that boots, once, and the next one a new template. 1: that one is booting.
 */
int vm_settle_clone(struct creation *c, struct err *err)
{
    struct err why = ERR_INIT;
    int r = creation_wait(c, SEQ_SANDBOX, NULL, &why);

    if (r == -EINTR)
        return *err = why, r;
    from_template_done(c, r < 0 ? &why : NULL);
    if (r == 0)
        return 0;
    log_warn("the VM boots, for its template could not be cloned: %s", why.msg);
    close_fd(&c->sock);
    creation_end_child(&c->monitor); /* and with it the taps */
    close_fd(&c->monitor.pidfd);
    if ((r = run_dir_renew(c->state.run_dir, err)) < 0 || (r = sandbox_spawn_monitor(c, err)) < 0 ||
        (r = take_taps(c, err)) < 0 || (r = sandbox_request(c, SEQ_SANDBOX, err)) < 0)
        return r;
    return 1;
}

int vm_settle_boot(struct creation *c, struct err *err)
{
    cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
    struct err why = ERR_INIT;
    int r = creation_wait(c, SEQ_SANDBOX, &reply, err), created;

    if (r < 0 || reply.body_len == 0)
        return r;
    r = network_adopt(c->proxy.pid, &c->nics,
                      choice_makes_hostifs(c->cli, &c->choice, c->state.descriptor_file), &reply,
                      err);
    /* The namespace has gone with a container that could not be made: why is the reason. */
    if (r < 0 && (created = creation_wait(c, SEQ_CREATE, NULL, &why)) < 0)
        return *err = why, created;
    return r;
}

/* Which may have to grow for it. */
int vm_join(struct creation *c, struct err *err)
{
    const struct grow_limits limits = {c->state.memory_limit, c->state.cpu_limit};
    int r = grow_for_member(c->cli, &c->state, c->id, &limits, err);

    if (r < 0)
        return r;
    c->sock = container_connect(c->cli, &c->owner, err);
    return c->sock < 0 ? err_in_phase(err, PHASE_CONFIG) : sandbox_spawn_proxy(c, err);
}
