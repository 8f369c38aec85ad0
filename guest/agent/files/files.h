/* SPDX-License-Identifier: Apache-2.0 */
/*
 * files.h - the files that a container sees: root, mounts, devices, shared memory.
 * For child.c, in whose process most of it runs, and for container.c.
 */
#ifndef AGENT_FILES_H
#define AGENT_FILES_H
#include "agent/agent.h"

struct shm {
    struct shm *next;
    char *name;
    unsigned users;
};

struct job;

/* shm.c */
int shm_prepare(struct agent *a, const struct plan_container *c, struct err *err);
void shm_release(struct agent *a, const struct plan_container *c);
const char *shm_dir(const struct agent *a);

/*
 * mounts.c: file systems that a container in a user namespace may not make by itself, since the
 * namespace that they show (the VM's network, ...) is not its own. They are made before the fork.
 */
#define LENT_MAX 8
struct lent {
    size_t n;
    struct {
        size_t index; /* of the plan's mount */
        int fd;       /* detached mount */
    } v[LENT_MAX];
};
int mounts_lend(const struct plan_container *c, struct lent *l, struct err *err);
void mounts_lend_done(struct lent *l);

/* usual.c: mounts that wait for a container. Made by the agent, and by the spare child in its own
 * namespaces (of_child); 1: the container has one of its own of those, 0: none is like it. */
void usual_make(const struct agent *a, bool of_child);
void usual_drop(const struct agent *a);
int usual_take(const struct job *j, const struct plan_mount *m, int *ret_mount, struct err *err);

/* In the child. */
int rootfs_build(struct job *j, int *ret_root, struct err *err);
int rootfs_switch(int root, struct err *err);
int devices_make(struct job *j, int root, struct err *err);
int devices_mask(struct job *j, int root, struct err *err);
int mounts_make(struct job *j, int root, struct err *err);
/* A detached mount in its place, with what the plan says of it. */
int mounts_put(int mount, int dest, const struct plan_mount *m, struct err *err);
int mounts_console(struct job *j, int root, struct err *err);
int copyup(int from, int to, struct err *err);
/* mountapi.c, inroot.c: helpers of the child */
int mountapi_new(const char *type, const char *source, const char *data, uint64_t ms_flags,
                 int *ret_mount, struct err *err);
int mountapi_clone(int from, bool recursive, int *ret_mount, struct err *err);
int mountapi_flags(int mount, uint64_t ms_flags, bool recursive);
int mountapi_propagation(int mount, uint64_t ms_flags);
int inroot_open(int root, const char *path, uint64_t flags);  /* fd or -errno */
int inroot_dir(int root, const char *path, struct err *err);  /* mkdir -p; fd */
int inroot_file(int root, const char *path, struct err *err); /* touch; O_PATH fd */
int inroot_parent(int root, const char *path, char **ret_name, struct err *err);

#endif
