/* SPDX-License-Identifier: Apache-2.0 */
/* Named tmpfs of the sandbox, shared by the containers that name them; gone with the last one. */
#include "agent/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/sys.h"
#include "base/cleanup.h"

const char *shm_dir(const struct agent *a)
{
    /* On a host only in our own mount namespace, and only when a plan asks for it. */
    return a->at.machine ? AGENT_RUN "/shm" : "/mnt";
}

static struct shm *find(struct agent *a, const char *name)
{
    struct shm *s = a->shm;

    while (s && strcmp(s->name, name) != 0)
        s = s->next;
    return s;
}

static int path_of(const struct agent *a, const char *name, char path[512], struct err *err)
{
    if (strchr(name, '/') || name[0] == '.' || strlen(name) > 255)
        return err_set(err, EINVAL, "'%s' is no name for shared memory", name);
    snprintf(path, 512, "%s/%s", shm_dir(a), name);
    return 0;
}

static int make(struct agent *a, const struct plan_mount *m, struct err *err)
{
    struct shm *s = calloc(1, sizeof(*s));
    char path[512];
    int r = path_of(a, m->source, path, err);

    if (r == 0 && !a->shm && !a->at.machine &&
        mount("tmpfs", shm_dir(a), "tmpfs", 0, "mode=0711") < 0)
        r = err_set(err, errno, "place for shared memory: %m");
    if (r == 0 && !s)
        r = err_set(err, ENOMEM, "shared memory: %m");
    (void)mkdir(shm_dir(a), 0711);
    if (r == 0 && mkdir(path, 0755) < 0 && errno != EEXIST)
        r = err_set(err, errno, "make '%s': %m", path);
    if (r == 0 && mount("shm", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, m->data) < 0)
        r = err_set(err, errno, "mount shared memory '%s' with '%s': %m", m->source,
                    m->data ? m->data : "");
    if (r < 0) {
        free(s);
        return r;
    }
    s->name = strdup(m->source);
    s->next = a->shm;
    a->shm = s;
    return 0;
}

int shm_prepare(struct agent *a, const struct plan_container *c, struct err *err)
{
    for (size_t i = 0; i < c->n_mounts; i++) {
        const struct plan_mount *m = &c->mounts[i];
        int r = 0;

        if (m->kind != PLAN_M_SHM)
            continue;
        if (!find(a, m->source))
            r = make(a, m, err);
        if (r < 0)
            return r;
        find(a, m->source)->users++;
    }
    return 0;
}

static void drop(struct agent *a, struct shm *s)
{
    struct shm **at = &a->shm;
    struct err ignored = ERR_INIT;
    char path[512];

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    if (path_of(a, s->name, path, &ignored) == 0) {
        (void)umount2(path, MNT_DETACH);
        (void)rmdir(path);
    }
    if (!a->shm && !a->at.machine)
        (void)umount2(shm_dir(a), MNT_DETACH);
    free(s->name);
    free(s);
}

void shm_release(struct agent *a, const struct plan_container *c)
{
    for (size_t i = 0; i < c->n_mounts; i++) {
        struct shm *s = c->mounts[i].kind == PLAN_M_SHM ? find(a, c->mounts[i].source) : NULL;

        /* After a failed prepare the later ones were never counted. */
        if (s && s->users <= 1)
            drop(a, s);
        else if (s)
            s->users--;
    }
}
