/* SPDX-License-Identifier: Apache-2.0 */
/* The host's cgroups of a new container: of the cgroup file system or scopes of systemd. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fault.h"
#include "cli/creation/creation.h"
#include "cli/creation/pod.h"

/* In v2 all that a scope has is systemd's; in v1 the hierarchies that it does not know are ours. */
static bool systemd_makes_all(const struct creation *c)
{
    return c->scope.unit && c->cgroup_host.mode == CGROUP_V2;
}

static int find_scope(struct creation *c, struct err *err)
{
    int r = cgroup_scope_parse(c->spec->linux_.cgroups_path, c->id, &c->scope, err);

    if (r < 0 || (r = cgroup_scope_check_host(err)) < 0)
        return r;
    cgroup_scope_dirs(&c->cgroup_host, &c->scope, &c->cgroups);
    strv_add(&c->state.scopes, c->scope.unit);
    return 0;
}

/*
 * Engines give a pod's sandbox next to nothing (cpu.shares 2): its VM lives beside the members, in
 * the cgroup or slice that they have in common.
 */
static void place_vm(struct creation *c)
{
    if (c->member || !c->choice.workload.is_sandbox)
        return;
    if (c->scope.unit) {
        c->vm_scope.slice = xstrdup(c->scope.slice);
        c->vm_scope.unit = xasprintf(POD_VM_CGROUP ".scope", c->id);
        cgroup_scope_dirs(&c->cgroup_host, &c->vm_scope, &c->vm_cgroups);
        strv_add(&c->state.scopes, c->vm_scope.unit);
        return;
    }
    for (size_t i = 0; i < c->cgroups.n; i++) {
        const char *dir = c->cgroups.v[i];

        strv_addf(&c->vm_cgroups, "%.*s/" POD_VM_CGROUP, (int)(strrchr(dir, '/') - dir), dir,
                  c->id);
    }
}

/* A user whom nobody gave a cgroup goes without one on the host, as with runc. The limits of the
 * bundle hold all the same: it is the guest's cgroups that keep them. */
static int find_users(struct creation *c, const char *path, struct err *err)
{
    int r = c->cli->systemd_cgroup ? 0 /* a scope of the system's manager is not his to make */
                                   : cgroup_paths(&c->cgroup_host, path, c->id, &c->cgroups, err);

    if (r < 0 || (c->cgroups.n > 0 && cgroup_may_make(&c->cgroups)))
        return r;
    log_info("no cgroup on the host: user %u may not make one", (unsigned)getuid());
    strv_done(&c->cgroups);
    cgroup_host_done(&c->cgroup_host);
    return 0;
}

int host_cgroups_find(struct creation *c, struct err *err)
{
    const char *path = c->spec->linux_.cgroups_path;
    int r = cgroup_host_read("/proc/self/mountinfo", "/proc/self/cgroup", &c->cgroup_host, err);

    if (r < 0)
        return r;
    if (layout_is_users())
        r = find_users(c, path, err);
    else
        r = c->cli->systemd_cgroup ? find_scope(c, err)
                                   : cgroup_paths(&c->cgroup_host, path, c->id, &c->cgroups, err);
    if (r < 0)
        return r;
    place_vm(c);
    if (systemd_makes_all(c))
        return 0;
    cgroup_missing(&c->cgroup_host, &c->cgroups, &c->state.cgroups);
    cgroup_missing(&c->cgroup_host, &c->vm_cgroups, &c->state.cgroups);
    return 0;
}

/* A scope does not exist without a process; this one stays until those who belong there are in. */
static pid_t start_holder(void)
{
    pid_t parent = getpid(), pid = fork();

    if (pid != 0)
        return pid;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent)
        pause();
    _exit(0);
}

static int start_scope(const struct creation *c, const struct cgroup_scope *s, pid_t *holder,
                       const struct oci_resources *res, struct err *err)
{
    struct scope_property p[SCOPE_PROPERTIES_MAX];
    int n = cgroup_scope_properties(res, pod_host_memory(&c->state, res),
                                    c->cgroup_host.mode == CGROUP_V2, p, err);

    if (n < 0)
        return n;
    *holder = start_holder();
    if (*holder < 0)
        return err_set(err, errno, "start a process for scope '%s': %m", s->unit);
    return cgroup_scope_start(s, c->dir.path, *holder, p, (size_t)n, err);
}

static int start_scopes(struct creation *c, const struct oci_resources *res, struct err *err)
{
    const struct oci_resources unlimited = {0};
    int r = c->scope.unit ? start_scope(c, &c->scope, &c->holders[0], res, err) : 0;

    if (r == 0 && c->vm_scope.unit)
        r = start_scope(c, &c->vm_scope, &c->holders[1], &unlimited, err);
    return r;
}

static int limit(const struct creation *c, const struct oci_resources *res, struct err *err)
{
    return cgroup_limit(&c->cgroups, res, pod_host_memory(&c->state, res), err);
}

/* The container's quota is not for the boot of its VM: a tenth of a CPU would make it ten times as
 * long. Weights and the rest hold from the beginning. */
int host_cgroups_make(struct creation *c, struct err *err)
{
    struct oci_resources res = c->spec->linux_.resources;
    int r;

    res.cpu.quota.set = false;
    if ((r = start_scopes(c, &res, err)) < 0)
        return r;
    if (!systemd_makes_all(c) && ((r = cgroup_make(&c->cgroup_host, &c->cgroups, err)) < 0 ||
                                  (r = cgroup_make(&c->cgroup_host, &c->vm_cgroups, err)) < 0))
        return r;
    if ((r = limit(c, &res, err)) < 0)
        return r;
    return fault_point("cli.cgroups") < 0 ? err_set(err, EIO, "fault cli.cgroups") : 0;
}

int host_cgroups_booted(struct creation *c, struct err *err)
{
    const struct oci_resources *res = &c->spec->linux_.resources;
    struct scope_property p[SCOPE_PROPERTIES_MAX];
    int r = 0;

    host_cgroups_release(c);
    if (c->scope.unit && res->cpu.quota.set) {
        r = cgroup_scope_properties(res, pod_host_memory(&c->state, res),
                                    c->cgroup_host.mode == CGROUP_V2, p, err);
        if (r >= 0)
            r = cgroup_scope_update(c->scope.unit, p, (size_t)r, err);
    }
    return r < 0 ? r : limit(c, res, err);
}

void host_cgroups_release(struct creation *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(c->holders); i++) {
        if (c->holders[i] <= 0)
            continue;
        (void)kill(c->holders[i], SIGKILL);
        while (waitpid(c->holders[i], NULL, 0) < 0 && errno == EINTR)
            ;
        c->holders[i] = 0;
    }
}
