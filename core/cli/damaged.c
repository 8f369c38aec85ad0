/* SPDX-License-Identifier: Apache-2.0 */
/* A container whose state cannot be read: what else tells of what was made for it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"
#include "base/timing.h"
#include "cgroup/systemd.h"
#include "cli/lifecycle.h"
#include "cli/creation/pod.h"

char *run_dir_written_owner(const char *run_dir)
{
    cleanup_free char *file = path_join(run_dir, CLI_OWNER_FILE);
    cleanup_free char *text = NULL;

    if (path_read(AT_FDCWD, file, PATH_MAX, &text, NULL, NULL) < 0 || text[0] != '/')
        return NULL;
    return steal_ptr(&text);
}

char *run_dir_owner(const char *run_dir)
{
    cleanup_free char *owner = run_dir_written_owner(run_dir);

    return owner && access(owner, F_OK) == 0 ? steal_ptr(&owner) : NULL;
}

/* Mounts of the host may be below it, which no process's end takes away. */
int damaged_remove_run_dirs(const char *id, struct err *err)
{
    cleanup_dir DIR *d = opendir(layout_vm_dir());
    struct dirent *e;
    int r = 0;

    while (d && r == 0 && (e = readdir(d))) {
        cleanup_free char *dir = e->d_name[0] == '.' ? NULL : path_join(layout_vm_dir(), e->d_name);
        cleanup_free char *owner = dir ? run_dir_written_owner(dir) : NULL;

        if (owner && strcmp(strrchr(owner, '/') + 1, id) == 0 && access(owner, F_OK) < 0)
            r = run_dir_remove(dir, err);
    }
    return r;
}

static void find_run_dir(struct container *c)
{
    cleanup_dir DIR *d = opendir(layout_vm_dir());
    struct dirent *e;

    while (d && !c->state.run_dir && (e = readdir(d))) {
        cleanup_free char *dir = e->d_name[0] == '.' ? NULL : path_join(layout_vm_dir(), e->d_name);
        cleanup_free char *owner = dir ? run_dir_owner(dir) : NULL;

        if (owner && strcmp(owner, c->dir.path) == 0)
            c->state.run_dir = steal_ptr(&dir);
    }
}

/* Those of its own scope or path, and the ones beside it that a pod's VM has. */
static void find_cgroups(const struct cli *cli, const char *id, const char *path, struct state *s)
{
    cleanup_call(cgroup_host_done) struct cgroup_host host = {0};
    cleanup_call(cgroup_scope_done) struct cgroup_scope scope = {0};
    cleanup_call(strv_done) struct strv own = {0};

    if (cgroup_host_read("/proc/self/mountinfo", "/proc/self/cgroup", &host, NULL) < 0)
        return;
    if (!cli->systemd_cgroup) {
        (void)cgroup_paths(&host, path, id, &own, NULL);
    } else if (cgroup_scope_parse(path, id, &scope, NULL) == 0) {
        cgroup_scope_dirs(&host, &scope, &own);
        strv_add(&s->scopes, scope.unit);
        strv_addf(&s->scopes, POD_VM_CGROUP ".scope", id);
    }
    for (size_t i = 0; i < own.n; i++) {
        const char *dir = own.v[i];

        strv_addf(&s->cgroups, "%.*s/" POD_VM_CGROUP "%s", (int)(strrchr(dir, '/') - dir), dir, id,
                  scope.unit ? ".scope" : "");
        strv_add(&s->cgroups, dir);
    }
}

void damaged_recover(const struct cli *cli, const char *id, struct container *c)
{
    struct oci_spec *spec = NULL;

    c->status = STATE_STOPPED;
    find_run_dir(c);
    if (container_spec(c, &spec, NULL) < 0)
        return;
    find_cgroups(cli, id, spec->linux_.cgroups_path, &c->state);
    oci_spec_free(spec);
}

int damaged_open(const struct cli *cli, const char *id, struct container *ret, struct err *err)
{
    int r = state_dir_open(cli->root, id, &ret->dir, err);

    if (r == 0)
        r = state_dir_lock(&ret->dir, deadline_in_ms(CLI_LOCK_MS), err);
    if (r == 0)
        damaged_recover(cli, id, ret);
    return r;
}
