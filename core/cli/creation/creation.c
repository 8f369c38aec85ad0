/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/creation/creation.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/path.h"
#include "base/timing.h"
#include "cli/creation/from_template.h"
#include "cli/creation/grow.h"
#include "cli/attach/last_words.h"
#include "cli/lifecycle.h"
#include "cli/creation/pod.h"
#include "cli/pool/pool.h"

#define CONFIG_COPY "config.json"
#define SEQ_SANDBOX 1
#define SEQ_CREATE 2
#define SEQ_COMMIT 3
#define BOOT_MARGIN_MS 30000 /* the monitor ends a boot itself; this is for a dead one */
#define COMMIT_MS 10000
#define UNDO_MS 20000
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

static uint64_t boot_deadline(const struct creation *c)
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

static int wait_reply(const struct creation *c, uint32_t seq, struct ipc_reply *ret,
                      struct err *err)
{
    uint64_t deadline = boot_deadline(c);
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

/* Hooks are told of the proxy. */
static bool has_hooks(const struct creation *c)
{
    for (size_t i = 0; i < OCI_HOOK_KINDS; i++)
        if (c->spec->hooks[i].n)
            return true;
    return false;
}

static int begin_vm(struct creation *c, struct err *err)
{
    if (!c->pool_member)
        return make_vm(c, err);
    return has_hooks(c) ? sandbox_spawn_proxy(c, err) : sandbox_proxy_socket(c, err);
}

/*
 * The host's part of a container in a VM that was there before. To change cgroups and network
 * namespaces is to wait for the kernel's RCU: meanwhile the guest makes its own part.
 */
static int join_member(struct creation *c, struct err *err)
{
    int r = c->proxy.pid ? 0 : sandbox_spawn_proxy(c, err);

    return r < 0 ? r : pool_move(c, err);
}

/* As if there had been no pool. */
static int begin_vm_anew(struct creation *c, const struct err *why, struct err *err)
{
    int r;

    log_warn("the VM is none of the pool, of which one could not be taken: %s", why->msg);
    r = pool_abandon(c, err);
    return r < 0 ? r : make_vm(c, err);
}

/*
 * A clone is waited for before anything else is told to its monitor: when it does not come up, the
 * container gets a VM that boots, once, and the next one a new template. 1: that one is booting.
 */
static int settle_clone(struct creation *c, struct err *err)
{
    struct err why = ERR_INIT;
    int r = wait_reply(c, SEQ_SANDBOX, NULL, &why);

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

static int settle_boot(struct creation *c, struct err *err)
{
    cleanup_call(ipc_reply_done) struct ipc_reply reply = {0};
    struct err why = ERR_INIT;
    int r = wait_reply(c, SEQ_SANDBOX, &reply, err), created;

    if (r < 0 || reply.body_len == 0)
        return r;
    r = network_adopt(c->proxy.pid, &c->nics,
                      choice_makes_hostifs(c->cli, &c->choice, c->state.descriptor_file), &reply,
                      err);
    /* The namespace has gone with a container that could not be made: why is the reason. */
    if (r < 0 && (created = wait_reply(c, SEQ_CREATE, NULL, &why)) < 0)
        return *err = why, created;
    return r;
}

/* Which may have to grow for it. */
static int join_vm(struct creation *c, struct err *err)
{
    int r = grow_for_member(c->cli, &c->state, c->id, c->state.memory_limit, err);

    if (r < 0)
        return r;
    c->sock = container_connect(c->cli, &c->owner, err);
    return c->sock < 0 ? err_in_phase(err, PHASE_CONFIG) : sandbox_spawn_proxy(c, err);
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
        asked = pool_settle(c, SEQ_SANDBOX, boot_deadline(c), &why);
    if (asked == -EINTR)
        return *err = why, asked;
    return asked < 0 ? begin_vm_anew(c, &why, err) : 0;
}

/* Requests are pipelined: the VM boots while hooks run and mounts are opened. */
static int make(struct creation *c, struct err *err)
{
    bool booting = !c->member; /* its end is still to be waited for */
    int r;

    sandbox_take_oom_score(c);
    if ((r = host_cgroups_make(c, err)) < 0 ||
        (r = disks_open(&c->disks, &c->choice, c->dir.path, c->interrupt.fd, err)) < 0 ||
        (r = c->member ? join_vm(c, err) : begin_vm(c, err)) < 0 || (r = plan_and_take(c, err)) < 0)
        return r;
    if (c->pool_member)
        booting = false;
    if (c->cloning) {
        if ((r = settle_clone(c, err)) < 0)
            return r;
        booting = r > 0;
    }
    if ((r = container_hooks(c, err)) < 0)
        return r;
    if ((r = container_send(c, SEQ_CREATE, err)) < 0)
        return with_monitors_words(c, r, err);
    if (c->pool_member && (r = join_member(c, err)) < 0)
        return r;
    if ((booting && (r = settle_boot(c, err)) < 0) ||
        (r = wait_reply(c, SEQ_CREATE, NULL, err)) < 0)
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

static int commit(struct creation *c, struct err *err)
{
    cleanup_call(wbuf_done) struct wbuf body = {0};
    const struct ipc_target target = {.id = c->state.id, .proxy = c->state.proxy};
    int r;

    c->state.creator = (struct proc_id){0};
    if ((r = state_write(&c->dir, &c->state, err)) < 0 || (r = write_pid_file(c, err)) < 0)
        return r;
    ipc_target_put(&body, &target);
    if ((r = ipc_send(c->sock, IPC_COMMIT, SEQ_COMMIT, &body, NULL, 0, err)) < 0 ||
        (r = ipc_wait(c->sock, SEQ_COMMIT, deadline_in_ms(COMMIT_MS), NULL, err)) < 0)
        return r;
    c->committed = true;
    (void)fault_point("cli.committed");
    return 0;
}

/* A child of ours, or a monitor of the pool: it gets until the deadline to go by itself. */
static void end_child(struct child *child, uint64_t deadline)
{
    int status;

    if (child->pid <= 0)
        return;
    if (proc_wait_gone(child->pidfd, deadline_left_ms(deadline)) < 0)
        (void)pidfd_send_signal(child->pidfd, SIGKILL, NULL, 0);
    (void)proc_reap(child->pidfd, &status, NULL);
    child->pid = 0;
}

void creation_end_child(struct child *child)
{
    end_child(child, deadline_in_ms(UNDO_MS));
}

/* The sandbox lives on: what the container used in it must be free before its id and files are. */
static void undo_in_sandbox(const struct creation *c)
{
    struct ipc_target target = {.all = 1};
    const struct container self = {.state = c->state};
    struct err ignored = ERR_INIT;

    (void)container_request(c->cli, &self, IPC_DELETE, &target, UNDO_MS, NULL, &ignored);
}

/*
 * Reverse order: closing the socket lets the monitor undo container and VM, and its end is the sign
 * that the VM is gone. Whatever cannot be undone here is in the state directory for gc.
 */
static void undo(struct creation *c)
{
    struct container left = {.dir = {-1, NULL}};
    struct err err = ERR_INIT;

    fd_release(&c->reserve);
    close_fd(&c->proxy_sock);
    close_fd(&c->proxy_end);
    close_fd(&c->sock);
    if (c->member && c->made_dir)
        undo_in_sandbox(c);
    host_cgroups_release(c);
    end_child(&c->monitor, deadline_in_ms(UNDO_MS));
    end_child(&c->proxy, 0);
    if (c->wrote_pid_file)
        (void)unlink(c->pid_file);
    if (!c->made_dir)
        return;
    left.dir = c->dir;
    left.state = c->state;
    c->dir = (struct state_dir){-1, NULL};
    c->state = (struct state){0};
    if (container_clean(c->cli, &left, c->id, false, &err) < 0)
        log_warn("undo of a failed create: %s, ignoring ('anyvisor gc' tries again)", err.msg);
    container_close(&left);
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
        undo(c);
        /* A signal is taken in any case; where it was the reason it makes the sentence. */
        (void)interrupt_check(&c->interrupt, r == -EINTR ? err : NULL);
    }
    interrupt_end(&c->interrupt);
    fd_release(&c->reserve);
    return r;
}
