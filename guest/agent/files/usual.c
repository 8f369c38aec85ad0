/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file systems that nearly every container has, made before there is one: what makes them is
 * their type, source and options, as engines write them. A container gets a mount of its own of
 * each, with its own flags; the first one stays here until the container is deleted, for a file
 * system whose last mount goes with a process holds up the news of that one's end.
 */
#include "agent/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container/child.h"
#include "agent/sys.h"
#include "base/cleanup.h"
#include "base/macros.h"

#define USUAL_DIR AGENT_RUN "/usual"

static const struct {
    const char *type, *source, *data;
    bool of_child; /* made in its namespaces, which they show */
} usual[] = {
    {"tmpfs", "tmpfs", "mode=755,size=65536k", false},
    {"devpts", "devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5", false},
    {"tmpfs", "shm", "mode=1777,size=65536k", false},
    {"sysfs", "sysfs", "", false},
    {"proc", "proc", "", true},
    {"mqueue", "mqueue", "", true},
};

struct place {
    char path[sizeof(USUAL_DIR) + 8];
};

static struct place place_of(size_t i)
{
    struct place p;

    snprintf(p.path, sizeof(p.path), "%s/%zu", USUAL_DIR, i);
    return p;
}

/* A place without a mount would be taken for one. */
static void make(size_t i)
{
    const struct place p = place_of(i);
    cleanup_fd int mount = -1, dir = -1;

    (void)mkdir(USUAL_DIR, 0700);
    if (mkdir(p.path, 0700) < 0)
        return;
    dir = open(p.path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 ||
        mountapi_new(usual[i].type, usual[i].source, usual[i].data, 0, &mount, NULL) < 0 ||
        sys_move_mount(mount, dir) < 0)
        (void)rmdir(p.path);
}

void usual_make(const struct agent *a, bool of_child)
{
    for (size_t i = 0; i < ARRAY_SIZE(usual) && a->at.machine; i++)
        if (usual[i].of_child == of_child)
            make(i);
}

void usual_drop(const struct agent *a)
{
    for (size_t i = 0; i < ARRAY_SIZE(usual) && a->at.machine; i++) {
        (void)umount2(place_of(i).path, MNT_DETACH);
        (void)rmdir(place_of(i).path);
    }
}

static bool same(const char *text, const char *other)
{
    return strcmp(text ? text : "", other) == 0;
}

/* Each is one file system: who asks for two gets another one. */
static int find(const struct plan_mount *m)
{
    static bool taken[ARRAY_SIZE(usual)]; /* in the child's memory, which is one container's */
    const uint64_t of_super = MS_SYNCHRONOUS | MS_DIRSYNC | (1u << 25) /* MS_LAZYTIME */;

    for (size_t i = 0; i < ARRAY_SIZE(usual) && !(m->ms_flags & of_super); i++) {
        if (taken[i] || !same(m->type, usual[i].type) || !same(m->source, usual[i].source) ||
            !same(m->data, usual[i].data))
            continue;
        taken[i] = true;
        return open(place_of(i).path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    }
    return -1;
}

int usual_take(const struct job *j, const struct plan_mount *m, int *ret_mount, struct err *err)
{
    cleanup_fd int there = j->spare && m->kind == PLAN_M_FS ? find(m) : -1;
    int r;

    if (there < 0)
        return 0;
    r = mountapi_clone(there, false, ret_mount, err);
    if (r < 0)
        return r;
    if (mountapi_flags(*ret_mount, m->ms_flags, false) < 0)
        return err_set(err, errno, "set flags: %m");
    return 1;
}
