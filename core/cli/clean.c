/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what is left of a container by its records alone: nobody else need be alive. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "cgroup/systemd.h"
#include "cli/creation/choice.h"
#include "cli/cli.h"
#include "cli/lifecycle.h"
#include "cli/network/network.h"
#include "cli/creation/pod.h"

#define KILL_MS 10000
#define VM_MS 20000
#define CGROUP_MS 2000

/* Kill that very process and wait for its end; gone already is fine. */
static int end_process(const struct proc_id *id, const char *what, struct err *err)
{
    cleanup_fd int pidfd = -1;
    int r;

    if (id->pid <= 0)
        return 0;
    pidfd = proc_open(id, err);
    if (pidfd == -ESRCH)
        return 0;
    if (pidfd < 0)
        return pidfd;
    r = proc_kill(id, SIGKILL, err);
    if (r < 0 && r != -ESRCH)
        return r;
    if (proc_wait_gone(pidfd, KILL_MS) < 0)
        return err_set(err, ETIMEDOUT, "%s (process %d) has not ended %d s after SIGKILL", what,
                       (int)id->pid, KILL_MS / 1000);
    return 0;
}

static int end_monitor(const struct container *c, struct err *err)
{
    struct proc_id monitor;
    int r = state_monitor_read(c->dir.fd, &monitor, err);

    if (r == -ENOENT || r == -EINVAL)
        return 0;
    return r < 0 ? r : end_process(&monitor, "the monitor", err);
}

int vm_destroy_by_ref(const struct cli *cli, const struct descriptor *d, const char *ref,
                      bool *ret_found, struct err *err)
{
    cleanup_free char *guest_dir = NULL;
    struct plugin *p = NULL;
    struct plugin_vm *vm = NULL;
    struct hvp_host host;
    int r;

    choice_host(cli, d->arch, &host, &guest_dir);
    if ((r = plugin_open(d, &host, &p, err)) < 0)
        return r;
    r = plugin_vm_reopen(p, ref, VM_MS, &vm, err);
    *ret_found = r == 0 || r == -ENOENT;
    if (r == -ENOENT)
        r = 0;
    else if (r == 0)
        r = plugin_vm_destroy(vm, VM_MS, err);
    plugin_vm_close(vm);
    plugin_close(p);
    return r;
}

int container_end_vm(const struct cli *cli, const struct container *c, bool force, struct err *err)
{
    struct descriptor d = {0};
    cleanup_free char *ref = NULL;
    bool found = false;
    int r = state_vm_read(c->dir.fd, &ref, err);

    if (r == -ENOENT || !c->state.descriptor_file)
        return 0;
    if (r < 0)
        return r;
    r = descriptor_load(c->state.descriptor_file, cli->layout.backend_dir, &d, err);
    if (r == 0) {
        r = vm_destroy_by_ref(cli, &d, ref, &found, err);
        descriptor_done(&d);
    }
    if (r == 0)
        return 0;
    err_wrap(err, "end the VM '%s'", ref);
    if (!force || found)
        return r;
    log_warn("%s, going on: should it still run, 'anyvisor gc' ends it once back-end '%s' can be "
             "used again",
             err->msg, c->state.descriptor ? c->state.descriptor : "?");
    return 0;
}

/* With all that is mounted below them: of containers whose monitor has not lived to unmount it. */
static int remove_host_mounts(const char *run_dir, struct err *err)
{
    static const char *const names[] = {CLI_HOST_MOUNTS "/share", CLI_HOST_MOUNTS "/disks"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        cleanup_free char *path = path_join(run_dir, names[i]);

        while (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0) /* a mount and its view */
            ;
        if (errno != EINVAL && errno != ENOENT && errno != EPERM)
            return err_set(err, errno, "unmount '%s': %m", path);
    }
    return 0;
}

int run_dir_renew(const char *dir, struct err *err)
{
    cleanup_free char *mounts = path_join(dir, CLI_HOST_MOUNTS);

    if (remove_host_mounts(dir, err) < 0)
        return -err->code;
    return path_remove_tree(AT_FDCWD, mounts, err);
}

int run_dir_remove(const char *dir, struct err *err)
{
    if (remove_host_mounts(dir, err) < 0)
        return -err->code;
    return path_remove_tree(AT_FDCWD, dir, err);
}

static int remove_run_dir(const struct container *c, struct err *err)
{
    const char *dir = c->state.run_dir;

    const char *vms = layout_vm_dir();

    /* Only ever a directory of ours: state files are written by us, but cheap to distrust. */
    if (!dir || !str_starts_with(dir, vms) || dir[strlen(vms)] != '/' ||
        strchr(dir + strlen(vms) + 1, '/'))
        return 0;
    return run_dir_remove(dir, err);
}

/*
 * All of ours have ended by now: who is still inside shares the path, and keeps the directory. A
 * scope that systemd cannot be asked to stop goes with its last process, so it keeps nobody.
 */
static int remove_cgroups(const struct container *c, struct err *err)
{
    int r;

    for (size_t i = 0; i < c->state.scopes.n; i++)
        if (cgroup_scope_stop(c->state.scopes.v[i], c->dir.path, err) < 0)
            log_warn("%s, leaving it", err->msg);
    r = cgroup_remove(&c->state.cgroups, c->dir.path, deadline_in_ms(CGROUP_MS), err);
    if (r != -EBUSY)
        return r;
    log_warn("%s, leaving it", err->msg);
    return 0;
}

int container_clean(const struct cli *cli, struct container *c, const char *id, bool force,
                    struct err *err)
{
    int r;

    if ((r = end_monitor(c, err)) < 0 || (r = container_end_vm(cli, c, force, err)) < 0 ||
        (r = end_process(&c->state.proxy, "the proxy", err)) < 0)
        return r;
    if (!pod_is_member(&c->state))
        network_release(c);
    if ((r = remove_cgroups(c, err)) < 0 || (r = remove_run_dir(c, err)) < 0)
        return r;
    return state_dir_remove(cli->root, id, err);
}
