/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file systems that nearly every container has, made before there is one. What makes them is
 * their type, source and options, as engines write them; flags are of the mount, and set when it
 * gets its place. The agent keeps those that show none of the container's namespaces: a file system
 * whose last mount goes with a process holds up the news of that one's end.
 */
#include "agent/files/files.h"

#include <string.h>
#include <sys/mount.h>

#include "base/cleanup.h"
#include "base/macros.h"

static const struct {
    const char *type, *source, *data;
    bool of_child; /* made in its namespaces */
} usual[] = {
    {"tmpfs", "tmpfs", "mode=755,size=65536k", false},
    {"devpts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", false},
    {"tmpfs", "shm", "mode=1777,size=65536k", false},
    {"sysfs", "sysfs", "", false},
    {"proc", "proc", "", true},
    {"mqueue", "mqueue", "", true},
};
_Static_assert(ARRAY_SIZE(usual) == USUAL_COUNT, "struct usual has a place for each");

void usual_init(struct usual *u)
{
    for (size_t i = 0; i < USUAL_COUNT; i++)
        u->fd[i] = -1;
}

void usual_make(struct usual *u, bool of_child)
{
    for (size_t i = 0; i < USUAL_COUNT; i++)
        if (usual[i].of_child == of_child)
            (void)mountapi_new(usual[i].type, usual[i].source, usual[i].data, 0, &u->fd[i], NULL);
}

static bool same(const char *text, const char *other)
{
    return strcmp(text ? text : "", other) == 0;
}

int usual_take(struct usual *u, const struct plan_mount *m)
{
    const uint64_t of_super = MS_SYNCHRONOUS | MS_DIRSYNC | (1u << 25) /* MS_LAZYTIME */;

    for (size_t i = 0; i < USUAL_COUNT; i++)
        if (u->fd[i] >= 0 && !(m->ms_flags & of_super) && same(m->type, usual[i].type) &&
            same(m->source, usual[i].source) && same(m->data, usual[i].data))
            return steal_fd(&u->fd[i]);
    return -1;
}

void usual_done(struct usual *u)
{
    for (size_t i = 0; i < USUAL_COUNT; i++)
        close_fd(&u->fd[i]);
}
