/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/creation/creation.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/path.h"
#include "base/timing.h"
#include "cli/attach/last_words.h"
#include "cli/creation/pod.h"
#include "cli/pool/pool.h"

#define CONFIG_COPY "config.json"
#define SEQ_COMMIT 3
#define BOOT_MARGIN_MS 30000 /* the monitor ends a boot itself; this is for a dead one */
#define COMMIT_MS 10000
#define LAST_WORDS_MS 1000 /* they are in the socket already */

void creation_done(struct creation *c)
{
    interrupt_end(&c->interrupt);
    for (size_t i = 0; i < c->n_mounts; i++)
        close_fd(&c->mounts[i]);
    free(c->mounts);
    plan_shares_done(&c->shares);
    plan_container_done(&c->plan);
    disks_done(&c->disks);
    network_nics_done(&c->nics);
    template_close(&c->template);
    close_fd(&c->proxy_sock);
    close_fd(&c->proxy_end);
    close_fd(&c->sock);
    close_fd(&c->monitor.pidfd);
    close_fd(&c->proxy.pidfd);
    strv_done(&c->cgroups);
    strv_done(&c->vm_cgroups);
    strv_done(&c->pool_cgroups);
    free(c->pool_member);
    kvs_done(&c->pool_facts);
    close_fd(&c->pool_pass);
    close_fd(&c->pool_ns);
    cgroup_scope_done(&c->scope);
    cgroup_scope_done(&c->vm_scope);
    cgroup_host_done(&c->cgroup_host);
    state_done(&c->state);
    if (c->dir.path)
        state_dir_close(&c->dir);
    choice_done(&c->choice);
    container_close(&c->owner);
    oci_spec_free(c->spec);
    *c = (struct creation)CREATION_INIT;
}

static int choose_vm(struct creation *c, struct err *err)
{
    int r;

    if ((r = choice_load(c->cli, &c->choice, err)) < 0)
        return r;
    c->choice.look_only = c->dry_run;
    if ((r = choice_make(c->cli, &c->choice, c->spec, c->dry_run, err)) < 0)
        return r;
    for (size_t i = 0; i < c->choice.decision.notes.n; i++)
        log_warn("%s", c->choice.decision.notes.v[i]);
    return 0;
}

static int choose_member(struct creation *c, struct err *err)
{
    int r = pod_check(c->cli, &c->owner, c->spec, err);

    if (r == 0)
        r = choice_member(c->cli, &c->choice, c->spec, c->owner.state.class_name, err);
    return r;
}

/* A pod's containers would find the places taken that are there for their own. */
static bool may_come_later(struct creation *c)
{
    const struct decision *d = &c->choice.decision;

    return (d->template_scope || d->pool.size) && !c->choice.workload.is_sandbox &&
           disks_can_wait(c->cli, &c->choice, &c->disks);
}

int creation_prepare(struct creation *c, struct err *err)
{
    int r;

    if ((r = str_check_id(c->id, err)) < 0 || (r = cli_check_pid_file(c->pid_file, err)) < 0)
        return r;
    if ((r = oci_bundle_load(c->bundle, &c->spec, err)) < 0) {
        err_in_phase(err, PHASE_CONFIG);
        return r;
    }
    if ((r = network_check(c->spec, err)) < 0)
        return r;
    r = pod_find(c->cli, c->spec, &c->owner, err);
    if (r < 0)
        return r;
    c->member = r > 0;
    r = c->member ? choose_member(c, err) : choose_vm(c, err);
    if (r < 0)
        return r;
    r = disks_add_volumes(c->spec, &c->choice, err);
    if (r < 0 || (r = disks_choose(c->id, c->spec, &c->choice, &c->disks, err)) < 0)
        return r;
    if (!c->member && c->disks.n)
        c->disks.later = may_come_later(c);
    if (pool_possible(c, NULL))
        pool_facts(c, &c->pool_facts);
    return 0;
}

static int copy_config(struct creation *c, struct err *err)
{
    cleanup_free char *from = path_join(c->spec->bundle, "config.json");
    cleanup_free char *text = NULL;
    size_t len;
    int r = path_read(AT_FDCWD, from, OCI_CONFIG_MAX, &text, &len, err);

    return r < 0 ? r : path_replace(c->dir.fd, CONFIG_COPY, text, len, 0600, err);
}

static int check_user(struct err *err)
{
    if (geteuid() == 0)
        return 0;
    return err_set_phase(err, PHASE_CONFIG, EPERM,
                         "user %u may make neither namespaces nor mounts: run it as root of a user "
                         "namespace, as podman does ('podman unshare', or 'unshare --user "
                         "--map-root-user --map-auto --mount')",
                         (unsigned)geteuid());
}

/* The state is on disk before anything that it records exists. */
static int begin(struct creation *c, struct err *err)
{
    int r;

    if ((r = check_user(err)) < 0 || (r = creation_record(c, err)) < 0 ||
        (r = host_cgroups_find(c, err)) < 0 || (r = pool_take(c, err)) < 0 ||
        (r == 0 && (r = state_dir_create(c->cli->root, c->id, &c->dir, err)) < 0))
        return r;
    c->made_dir = true;
    if ((r = copy_config(c, err)) < 0 || (r = state_write(&c->dir, &c->state, err)) < 0)
        return r;
    return fault_point("cli.state-created") < 0 ? err_set(err, EIO, "fault cli.state-created") : 0;
}

uint64_t creation_deadline(const struct creation *c)
{
    uint64_t ms = c->choice.decision.boot_timeout_s * 1000 + BOOT_MARGIN_MS;

    return deadline_in_ms((uint32_t)MIN(ms, UINT32_MAX - 1));
}

/* A monitor that has given up does not take later requests; what it said before tells why. */
static int with_monitors_words(const struct creation *c, int r, struct err *err)
{
    struct err said = ERR_INIT;

    if ((r == -EPIPE || r == -ECONNRESET) &&
        ipc_wait(c->sock, SEQ_SANDBOX, deadline_in_ms(LAST_WORDS_MS), NULL, &said) < 0) {
        *err = said;
        r = -said.code;
    }
    if (r == -EPIPE)
        last_words_explain(c->cli, c->id, err);
    return r;
}

int creation_wait(const struct creation *c, uint32_t seq, struct ipc_reply *ret, struct err *err)
{
    uint64_t deadline = creation_deadline(c);
    int r = interrupt_wait(&c->interrupt, c->sock, deadline, err);

    if (r == 0)
        r = ipc_wait(c->sock, seq, deadline, ret, err);
    if (r == -EPIPE)
        last_words_explain(c->cli, c->id, err);
    return r;
}

/* A proxy that is gone makes for strange errors: the reason is that its container is. */
static int enter_root(struct creation *c, struct err *err)
{
    struct err said = ERR_INIT;
    int r = proxy_enter_root(c, err);

    /* An exiting process has lost its namespaces a moment before its pidfd says so. */
    if (r == 0 || fd_wait(c->proxy.pidfd, POLLIN, LAST_WORDS_MS) <= 0)
        return r;
    (void)fd_wait(c->sock, POLLIN, LAST_WORDS_MS);
    if (ipc_last_words(c->sock, &said))
        *err = said;
    else
        (void)err_set_phase(err, PHASE_NONE, ESRCH, "the container ended while it was created");
    return -err->code;
}

/* A clone is waited for, for a VM may have to boot in its place. *ret_booting: the VM's end is
 * still to be waited for. */
static int settle_clone(struct creation *c, bool *ret_booting, struct err *err)
{
    int r = c->cloning ? vm_settle_clone(c, err) : 1;

    *ret_booting = r > 0;
    return r < 0 ? r : 0;
}

static int ask_for_container(struct creation *c, struct err *err)
{
    int r = container_send(c, SEQ_CREATE, err);

    return r < 0 ? with_monitors_words(c, r, err) : 0;
}

/* What the guest says of the container comes first: without one its proxy has no namespaces. */
static bool was_refused(const struct creation *c, struct err *err)
{
    struct err said = ERR_INIT;

    if (fd_wait(c->sock, POLLIN, 0) <= 0 ||
        ipc_wait(c->sock, SEQ_CREATE, deadline_in_ms(LAST_WORDS_MS), NULL, &said) == 0 ||
        said.code == EPIPE)
        return false;
    *err = said;
    return true;
}

/* The same of another VM, for that of the pool cannot be where the container's is to be. */
static int ask_anew(struct creation *c, const struct err *why, struct err *err)
{
    bool booting;
    int r;

    if (was_refused(c, err))
        return -err->code;
    if ((r = vm_begin_anew(c, why, err)) < 0 || (r = settle_clone(c, &booting, err)) < 0 ||
        (r = ask_for_container(c, err)) < 0)
        return r;
    return booting ? vm_settle_boot(c, err) : 0;
}

/*
 * The host's part of a container in a VM that was there before. To change cgroups and network
 * namespaces is to wait for the kernel's RCU: meanwhile the guest makes its own part.
 */
static int join_member(struct creation *c, struct err *err)
{
    struct err why = ERR_INIT;
    int r = c->proxy.pid ? 0 : sandbox_spawn_proxy(c, err);

    if (r < 0)
        return r;
    if (pool_move(c, &why) < 0)
        return ask_anew(c, &why, err);
    container_sent(c);
    return 0;
}

/* The plan is made while the VM wakes up. */
static int plan_and_take(struct creation *c, struct err *err)
{
    struct err why = ERR_INIT;
    int asked = c->pool_member ? pool_ask(c, SEQ_SANDBOX, &why) : 0;
    int r = container_plan(c, err);

    /* A monitor that has not heard of us would go on waiting when our end closes. */
    if (r < 0 && asked < 0)
        (void)pool_abandon(c, NULL);
    if (r < 0 || !c->pool_member)
        return r;
    if (asked == 0)
        asked = pool_settle(c, SEQ_SANDBOX, creation_deadline(c), &why);
    if (asked == -EINTR)
        return *err = why, asked;
    return asked < 0 ? vm_begin_anew(c, &why, err) : 0;
}

/* Hooks are told of the proxy; without any it is started while the guest makes its part. */
static int start_hooks(struct creation *c, struct err *err)
{
    bool any = false;
    int r = 0;

    for (size_t i = 0; i < OCI_HOOK_KINDS; i++)
        any = any || c->spec->hooks[i].n > 0;
    if (any && !c->proxy.pid)
        r = sandbox_spawn_proxy(c, err);
    return r < 0 ? r : container_hooks(c, err);
}

/* Requests are pipelined: the VM boots while hooks run and mounts are opened. */
static int make(struct creation *c, struct err *err)
{
    bool booting = false;
    int r;

    sandbox_take_oom_score(c);
    if ((r = host_cgroups_make(c, err)) < 0 ||
        (r = disks_open(&c->disks, &c->choice, c->dir.path, c->interrupt.fd, err)) < 0 ||
        (r = c->member ? vm_join(c, err) : vm_begin(c, err)) < 0 || (r = plan_and_take(c, err)) < 0)
        return r;
    if (!c->member && !c->pool_member && (r = settle_clone(c, &booting, err)) < 0)
        return r;
    if ((r = start_hooks(c, err)) < 0 || (r = ask_for_container(c, err)) < 0 ||
        (c->pool_member && (r = join_member(c, err)) < 0))
        return r;
    if ((booting && (r = vm_settle_boot(c, err)) < 0) ||
        (r = creation_wait(c, SEQ_CREATE, NULL, err)) < 0)
        return r;
    disks_unname(&c->disks);
    if ((r = enter_root(c, err)) < 0 || (r = host_cgroups_booted(c, err)) < 0 ||
        (r = interrupt_check(&c->interrupt, err)) < 0)
        return r;
    return fault_point("cli.created") < 0 ? err_set(err, EIO, "fault cli.created") : 0;
}

static int write_pid_file(struct creation *c, struct err *err)
{
    cleanup_free char *text = NULL;
    int r;

    if (!c->pid_file)
        return 0;
    text = xasprintf("%d", (int)c->state.proxy.pid);
    r = path_replace(AT_FDCWD, c->pid_file, text, strlen(text), 0644, err);
    c->wrote_pid_file = r == 0;
    return r < 0 ? err_wrap(err, "pid file '%s'", c->pid_file) : 0;
}

/* A monitor that has just ended has said why before it closed. */
static int tell_commit(const struct creation *c, const struct wbuf *body, struct err *err)
{
    struct err said = ERR_INIT;
    int r = ipc_send(c->sock, IPC_COMMIT, SEQ_COMMIT, body, NULL, 0, err);

    if (r == 0)
        return ipc_wait(c->sock, SEQ_COMMIT, deadline_in_ms(COMMIT_MS), NULL, err);
    if (!ipc_last_words(c->sock, &said))
        return r;
    *err = said;
    return -said.code;
}

static int commit(struct creation *c, struct err *err)
{
    cleanup_call(wbuf_done) struct wbuf body = {0};
    const struct ipc_target target = {.id = c->state.id, .proxy = c->state.proxy};
    int r;

    c->state.creator = (struct proc_id){0};
    if ((r = state_write(&c->dir, &c->state, err)) < 0 || (r = write_pid_file(c, err)) < 0)
        return r;
    ipc_target_put(&body, &target);
    if ((r = tell_commit(c, &body, err)) < 0)
        return r;
    c->committed = true;
    (void)fault_point("cli.committed");
    return 0;
}

int creation_execute(struct creation *c, struct err *err)
{
    int r = interrupt_begin(&c->interrupt, err);

    if (r == 0)
        r = fd_reserve(&c->reserve, err);
    if (r == 0)
        r = begin(c, err);
    if (r == 0)
        r = make(c, err);
    if (r == 0)
        r = c->complete ? c->complete(c, err) : commit(c, err);
    if (r == 0 && !c->complete)
        pool_refill(c);
    if (r < 0) {
        creation_undo(c);
        /* A signal is taken in any case; where it was the reason it makes the sentence. */
        (void)interrupt_check(&c->interrupt, r == -EINTR ? err : NULL);
    }
    interrupt_end(&c->interrupt);
    fd_release(&c->reserve);
    return r;
}
