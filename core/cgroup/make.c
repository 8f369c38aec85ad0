/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup/cgroup.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include "base/cleanup.h"
#include "base/path.h"

/* A v1 cpuset without cpus or mems accepts no process: take the parent's. */
static int inherit_cpuset(const char *parent, const char *dir, const char *file, struct err *err)
{
    cleanup_free char *from = path_join(parent, file), *to = path_join(dir, file);
    cleanup_free char *have = NULL, *want = NULL;
    int r;

    r = path_read(AT_FDCWD, to, 4096, &have, NULL, err);
    if (r < 0 || (have[0] != '\0' && have[0] != '\n'))
        return r;
    r = path_read(AT_FDCWD, from, 4096, &want, NULL, err);
    if (r < 0)
        return r;
    return path_write(AT_FDCWD, to, want, err);
}

/* v2: let children of dir use every controller that dir has; what cannot be enabled is left out. */
static void delegate(const char *dir)
{
    cleanup_free char *file = path_join(dir, "cgroup.controllers");
    cleanup_free char *control = path_join(dir, "cgroup.subtree_control");
    cleanup_free char *have = NULL;
    char *save = NULL;

    if (path_read(AT_FDCWD, file, 4096, &have, NULL, NULL) < 0)
        return;
    for (char *name = strtok_r(have, " \n", &save); name; name = strtok_r(NULL, " \n", &save)) {
        cleanup_free char *word = xasprintf("+%s", name);

        (void)path_write(AT_FDCWD, control, word, NULL);
    }
}

static int make_level(const struct cgroup_hierarchy *h, const char *parent, const char *dir,
                      struct err *err)
{
    int r;

    if (h->v2)
        delegate(parent);
    if (mkdir(dir, 0755) < 0 && errno != EEXIST)
        return err_set_phase(err, PHASE_CONFIG, errno, "create cgroup '%s': %m", dir);
    if (!h->cpuset)
        return 0;
    r = inherit_cpuset(parent, dir, "cpuset.cpus", err);
    return r < 0 ? r : inherit_cpuset(parent, dir, "cpuset.mems", err);
}

static int make_one(const struct cgroup_hierarchy *h, const char *dir, struct err *err)
{
    cleanup_free char *path = xstrdup(dir), *parent = xstrdup(h->mount);
    size_t at = strlen(h->mount);

    while (path[at]) {
        char *slash, saved;
        int r;

        at += strspn(path + at, "/");
        slash = path + at + strcspn(path + at, "/");
        saved = *slash;
        *slash = '\0';
        r = make_level(h, parent, path, err);
        if (r < 0)
            return r;
        free(parent);
        parent = xstrdup(path);
        *slash = saved;
        at = (size_t)(slash - path);
    }
    return 0;
}

int cgroup_make(const struct cgroup_host *h, const struct strv *dirs, struct err *err)
{
    for (size_t i = 0; i < dirs->n && i < h->n; i++) {
        int r = make_one(&h->v[i], dirs->v[i], err);

        if (r < 0)
            return r;
    }
    return 0;
}
