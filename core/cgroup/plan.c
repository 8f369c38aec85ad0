/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup/cgroup.h"
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/path.h"

static int check_components(const char *path, struct err *err)
{
    for (const char *p = path; *p;) {
        size_t n = strcspn(p, "/");

        if ((n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return err_set_phase(err, PHASE_CONFIG, EINVAL,
                                 "linux.cgroupsPath: '%s' must not hold '.' or '..'", path);
        if (n > NAME_MAX)
            return err_set_phase(err, PHASE_CONFIG, EINVAL,
                                 "linux.cgroupsPath: '%.40s...' has a too long name", path);
        p += n + (p[n] == '/');
    }
    return 0;
}

/* "SLICE:PREFIX:NAME" is for systemd: as a path it would be a directory nobody looks at. */
static bool is_systemd_form(const char *text)
{
    const char *first = strchr(text, ':');

    return text[0] != '/' && first && strchr(first + 1, ':');
}

static int normalise(const char *cgroups_path, const char *id, char **ret, struct err *err)
{
    cleanup_free char *path = NULL;
    int r;

    path = xstrdup(cgroups_path && *cgroups_path ? cgroups_path : id);
    if (is_systemd_form(path))
        return err_set_phase(err, PHASE_CONFIG, EINVAL,
                             "linux.cgroupsPath: '%.200s' names a scope of systemd, which needs "
                             "--systemd-cgroup",
                             path);
    if ((r = check_components(path, err)) < 0)
        return r;
    if (path[strspn(path, "/")] == '\0')
        return err_set_phase(err, PHASE_CONFIG, EINVAL,
                             "linux.cgroupsPath: the root cgroup cannot be a container's");
    *ret = steal_ptr(&path);
    return 0;
}

/* Append the directories of leaf that do not exist yet; the mount point does. */
static void add_missing(const char *mount, const char *leaf, struct strv *missing)
{
    size_t at = strlen(mount);

    while (leaf[at]) {
        cleanup_free char *dir = NULL;

        at += strspn(leaf + at, "/");
        at += strcspn(leaf + at, "/");
        dir = xstrndup(leaf, at);
        if (!strv_has(missing, dir) && access(dir, F_OK) < 0)
            strv_add(missing, dir);
    }
}

void cgroup_missing(const struct cgroup_host *h, const struct strv *dirs, struct strv *ret)
{
    for (size_t i = 0; i < dirs->n && i < h->n; i++)
        add_missing(h->v[i].mount, dirs->v[i], ret);
}

static bool may_make(const char *dir)
{
    cleanup_free char *path = xstrdup(dir);
    char *slash;

    while (access(path, F_OK) < 0 && (slash = strrchr(path, '/')))
        *slash = '\0';
    return access(path, W_OK) == 0;
}

bool cgroup_may_make(const struct strv *dirs)
{
    for (size_t i = 0; i < dirs->n; i++)
        if (!may_make(dirs->v[i]))
            return false;
    return true;
}

int cgroup_paths(const struct cgroup_host *h, const char *cgroups_path, const char *id,
                 struct strv *ret_dirs, struct err *err)
{
    cleanup_free char *path = NULL;
    int r = normalise(cgroups_path, id, &path, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < h->n; i++) {
        cleanup_free char *base =
            path[0] == '/' ? xstrdup(h->v[i].mount) : path_join(h->v[i].mount, h->v[i].self);
        cleanup_free char *dir = path_join(base, path);
        size_t len = strlen(dir);

        while (dir[len - 1] == '/')
            dir[--len] = '\0';
        strv_add(ret_dirs, dir);
    }
    return 0;
}
