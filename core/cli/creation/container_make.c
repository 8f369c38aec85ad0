/* SPDX-License-Identifier: Apache-2.0 */
/* Plan, hooks and mounts of a new container, and the request that makes it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/fault.h"
#include "base/path.h"
#include "cli/creation/creation.h"
#include "cli/creation/planning.h"
#include "cli/creation/pod.h"
#include "hooks/hooks.h"
#include "storage/storage.h"

#define CONTAINER_NAMESPACES 6

int container_plan(struct creation *c, struct err *err)
{
    struct state creating = c->state;
    cleanup_free char *state_json = state_oci_json(&creating, STATE_CREATING);
    struct pod pod = {c->cli, &c->owner};
    struct plan_input in;
    int r;

    planning_tmp(&c->choice.decision.storage.tmp, c->state.vm_memory, c->spec);
    planning_input(c->id, c->state.arch, c->state.vm_vcpus, &in);
    in.state_json = state_json;
    in.disks = c->disks.uses;
    in.n_disks = c->disks.n_uses;
    in.nfs = c->disks.nfs;
    in.n_nfs = c->disks.n_nfs;
    if (c->member) {
        in.sandbox = c->owner.state.id;
        in.resolve_ns = pod_resolve_ns;
        in.ctx = &pod;
    }
    if ((r = plan_build(c->spec, &in, &c->plan, &c->shares, err)) < 0) {
        err_in_phase(err, PHASE_CONFIG);
        return r;
    }
    for (size_t i = 0; i < c->shares.warnings.n; i++)
        log_warn("%s", c->shares.warnings.v[i]);
    return 0;
}

/* The proxy's namespaces are the container's on the host: createContainer hooks run in them. */
static size_t open_proxy_namespaces(pid_t proxy, int fds[CONTAINER_NAMESPACES])
{
    static const char *const names[CONTAINER_NAMESPACES] = {"net", "ipc",    "uts",
                                                            "pid", "cgroup", "mnt"};
    size_t n = 0;

    for (size_t i = 0; i < CONTAINER_NAMESPACES; i++) {
        cleanup_free char *path = xasprintf("/proc/%d/ns/%s", (int)proxy, names[i]);
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd >= 0)
            fds[n++] = fd;
    }
    return n;
}

static int run_hooks(struct creation *c, enum oci_hook_kind kind, const int *fds, size_t n,
                     struct err *err)
{
    /* "created" by the specification's lifecycle, as crun says; runc says "creating". */
    cleanup_free char *json = state_oci_json(&c->state, STATE_CREATED);
    const struct hooks_run how = {
        .kind = kind,
        .state_json = json,
        .cwd = c->spec->bundle,
        .namespaces = fds,
        .n_namespaces = n,
        .can_cancel = true,
        .cancel_fd = c->interrupt.fd,
    };

    return hooks_run(&c->spec->hooks[kind], &how, err);
}

int container_hooks(struct creation *c, struct err *err)
{
    int fds[CONTAINER_NAMESPACES];
    size_t n;
    int r;

    if ((r = run_hooks(c, OCI_HOOK_PRESTART, NULL, 0, err)) < 0 ||
        (r = run_hooks(c, OCI_HOOK_CREATE_RUNTIME, NULL, 0, err)) < 0)
        return r;
    if (c->spec->hooks[OCI_HOOK_CREATE_CONTAINER].n) {
        n = open_proxy_namespaces(c->proxy.pid, fds);
        r = run_hooks(c, OCI_HOOK_CREATE_CONTAINER, fds, n, err);
        while (n > 0)
            close_fd(&fds[--n]);
    }
    if (r == 0 && fault_point("cli.hooks") < 0)
        r = err_set(err, EIO, "fault cli.hooks");
    return r;
}

/* After the hooks: what they mounted below the rootfs belongs to the container. */
static int open_mounts(struct creation *c, struct err *err)
{
    c->mounts = xcalloc(c->shares.n + 1, sizeof(*c->mounts));
    for (size_t i = 0; i < c->shares.n; i++) {
        const struct plan_share *s = &c->shares.v[i];
        const struct storage_bind bind = {s->host_path, s->is_file, s->recursive, s->slave,
                                          s->readonly};
        int r = s->host_only ? 0 : storage_clone(&bind, &c->mounts[c->n_mounts], err);

        if (r < 0)
            return r;
        c->n_mounts += !s->host_only;
    }
    return 0;
}

static struct ipc_mount *describe_mounts(const struct creation *c)
{
    struct ipc_mount *v = xcalloc(c->shares.n + 1, sizeof(*v));
    size_t n = 0;

    for (size_t i = 0; i < c->shares.n; i++) {
        const struct plan_share *s = &c->shares.v[i];

        if (s->host_only)
            continue;
        v[n++] = (struct ipc_mount){
            .name = s->name, /* borrowed */
            .is_file = s->is_file,
        };
    }
    return v;
}

int container_send(struct creation *c, uint32_t seq, struct err *err)
{
    cleanup_free struct ipc_mount *mounts = NULL;
    cleanup_free struct ipc_disk *disks = c->disks.sent ? NULL : disks_ipc(&c->disks);
    cleanup_call(wbuf_done) struct wbuf plan = {0}, body = {0};
    int fds[IPC_CREATE_FDS + IPC_MOUNTS_MAX + IPC_DISK_FDS_MAX] = {c->proxy_sock, c->stdio[0],
                                                                   c->stdio[1], c->stdio[2], -1};
    cleanup_fd int state = -1;
    int r;

    if (c->shares.n > IPC_MOUNTS_MAX)
        return err_set_phase(err, PHASE_STORAGE, E2BIG,
                             "%zu bind mounts are more than the %d that a container may have",
                             c->shares.n, IPC_MOUNTS_MAX);
    if ((r = open_mounts(c, err)) < 0)
        return r;
    /* Opened anew: a duplicate would keep the lock. */
    state = fds[4] = openat(c->dir.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (state < 0)
        return err_set(err, errno, "open '%s': %m", c->dir.path);
    memcpy(fds + IPC_CREATE_FDS, c->mounts, c->n_mounts * sizeof(*fds));
    if (c->disks.n_fds) /* none any more when they went with the new VM */
        memcpy(fds + IPC_CREATE_FDS + c->n_mounts, c->disks.fds, c->disks.n_fds * sizeof(*fds));
    mounts = describe_mounts(c);
    plan_container_put(&plan, &c->plan);
    const struct ipc_create m = {
        .id = c->state.id,
        .plan = plan.data,
        .plan_len = plan.len,
        .proxy = c->state.proxy,
        .terminal = c->spec->process.terminal,
        .mounts = mounts,
        .n_mounts = c->n_mounts,
        .disks = disks,
        .n_disks = disks ? c->disks.n : 0,
    };
    ipc_create_put(&body, &m);
    if (!wbuf_ok(&plan) || body.len > FRAME_BODY_MAX)
        return err_set_phase(err, PHASE_CONFIG, E2BIG,
                             "the container's plan is larger than %u bytes", FRAME_BODY_MAX);
    r = ipc_send(c->sock, IPC_CREATE, seq, &body, fds,
                 IPC_CREATE_FDS + c->n_mounts + c->disks.n_fds, err);
    disks_close(&c->disks);
    while (c->n_mounts > 0)
        close_fd(&c->mounts[--c->n_mounts]);
    free(steal_ptr(&c->mounts));
    if (!c->pool_member)
        container_sent(c);
    return r;
}

/* The monitor has its own copies: ours would keep files busy and hide EOFs. */
void container_sent(struct creation *c)
{
    close_fd(&c->proxy_sock);
}
