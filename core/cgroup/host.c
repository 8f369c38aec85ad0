/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroup/cgroup.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/path.h"

#define PROC_FILE_MAX (4u << 20)

/* One line of mountinfo: "ID PARENT DEV ROOT MOUNT OPTIONS [FIELDS] - TYPE SOURCE SUPEROPTIONS". */
struct mount_line {
    char *root, *mount, *type, *super;
};

static bool split_mount_line(char *line, struct mount_line *ret)
{
    char *tail = strstr(line, " - "), *save = NULL, *word;

    if (!tail)
        return false;
    *tail = '\0';
    ret->mount = ret->root = NULL;
    for (int field = 0; (word = strtok_r(field ? NULL : line, " ", &save)); field++)
        if (field == 3)
            ret->root = word;
        else if (field == 4)
            ret->mount = word;
    ret->type = strtok_r(tail + 3, " ", &save);
    (void)strtok_r(NULL, " ", &save);
    ret->super = strtok_r(NULL, "\n", &save);
    return ret->mount && ret->type && ret->super;
}

const char *cgroup_mode_name(enum cgroup_mode mode)
{
    static const char *const names[] = {"none", "v1", "hybrid", "v2"};

    return (size_t)mode < ARRAY_SIZE(names) ? names[mode] : "unknown";
}

/* Path below the mount point: what the mount's root hides is cut off. */
static char *below_root(const char *root, char *path)
{
    size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);
    char *below = path;

    if (len && strncmp(path, root, len) == 0 && (path[len] == '/' || path[len] == '\0'))
        below = path[len] ? path + len : (char *)"/";
    below = xstrdup(below);
    free(path);
    return below;
}

static bool has_word(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = list; (p = strstr(p, word)); p += len)
        if ((p == list || p[-1] == ',') && (p[len] == ',' || p[len] == '\0'))
            return true;
    return false;
}

/*
 * Our own cgroup in the hierarchy whose controllers are in super: the line "N:CONTROLLERS:PATH" of
 * /proc/self/cgroup with the first of them; v2 is the line "0::PATH".
 */
static char *own_cgroup(const char *proc_cgroup, const char *super, bool v2)
{
    cleanup_free char *copy = xstrdup(proc_cgroup);
    char *save = NULL;

    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
        char *comma;

        if (!path)
            continue;
        *path++ = '\0';
        list++;
        if (v2 && *list == '\0')
            return xstrdup(path);
        comma = strchr(list, ',');
        if (comma)
            *comma = '\0';
        if (!v2 && *list && has_word(super, list))
            return xstrdup(path);
    }
    return xstrdup("/");
}

static void add_hierarchy(struct cgroup_host *h, const struct mount_line *m,
                          const char *proc_cgroup)
{
    bool v2 = strcmp(m->type, "cgroup2") == 0;

    for (size_t i = 0; i < h->n; i++)
        if (strcmp(h->v[i].mount, m->mount) == 0)
            return;
    h->v = xreallocarray(h->v, h->n + 1, sizeof(*h->v));
    h->v[h->n++] = (struct cgroup_hierarchy){
        .mount = xstrdup(m->mount),
        .self = below_root(m->root, own_cgroup(proc_cgroup, m->super, v2)),
        .controllers = xstrdup(m->super),
        .v2 = v2,
        .cpuset = !v2 && has_word(m->super, "cpuset"),
    };
}

static void free_hierarchy(struct cgroup_hierarchy *v)
{
    free(v->mount);
    free(v->self);
    free(v->controllers);
}

/* A host with controllers in v1 is a v1 host for engines, whatever else v2 holds (hybrid). */
static void keep_one_version(struct cgroup_host *h, bool have_v1)
{
    size_t kept = 0;

    for (size_t i = 0; i < h->n; i++) {
        if (have_v1 && h->v[i].v2) {
            free_hierarchy(&h->v[i]);
        } else {
            h->v[kept++] = h->v[i];
        }
    }
    h->n = kept;
}

int cgroup_host_read(const char *mountinfo_path, const char *cgroup_path, struct cgroup_host *ret,
                     struct err *err)
{
    cleanup_free char *mounts = NULL, *own = NULL;
    struct cgroup_host h = {0};
    struct mount_line m;
    bool have_v1 = false, have_v2 = false;
    char *save = NULL;
    int r;

    r = path_read(AT_FDCWD, mountinfo_path, PROC_FILE_MAX, &mounts, NULL, err);
    if (r < 0)
        return r;
    r = path_read(AT_FDCWD, cgroup_path, PROC_FILE_MAX, &own, NULL, err);
    if (r < 0)
        return r;
    for (char *line = strtok_r(mounts, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (!split_mount_line(line, &m) || !str_starts_with(m.type, "cgroup"))
            continue;
        if (strcmp(m.type, "cgroup") == 0 && !strstr(m.super, "name="))
            have_v1 = true;
        have_v2 |= strcmp(m.type, "cgroup2") == 0;
        add_hierarchy(&h, &m, own);
    }
    keep_one_version(&h, have_v1);
    h.mode = have_v1 ? (have_v2 ? CGROUP_HYBRID : CGROUP_V1) : have_v2 ? CGROUP_V2 : CGROUP_NONE;
    *ret = h;
    return 0;
}

void cgroup_host_done(struct cgroup_host *h)
{
    for (size_t i = 0; i < h->n; i++) {
        free_hierarchy(&h->v[i]);
    }
    free(h->v);
    *h = (struct cgroup_host){0};
}

int cgroup_dirs_of(const struct cgroup_host *h, pid_t pid, struct strv *ret_dirs, struct err *err)
{
    cleanup_free char *file = xasprintf("/proc/%d/cgroup", (int)pid);
    cleanup_free char *text = NULL;
    int r = path_read(AT_FDCWD, file, PROC_FILE_MAX, &text, NULL, err);

    if (r < 0)
        return err_wrap(err, "find the container's cgroups");
    for (size_t i = 0; i < h->n; i++) {
        cleanup_free char *own = own_cgroup(text, h->v[i].controllers, h->v[i].v2);
        cleanup_free char *dir = path_join(h->v[i].mount, own);

        strv_add(ret_dirs, dir);
    }
    if (!cgroup_may_make(ret_dirs))
        strv_done(ret_dirs); /* not ours: an unprivileged user's container has no cgroup here */
    return 0;
}
