/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pool.h - VMs that wait for a container: found, taken, made anew, removed.
 * For creation.c, gc and the verbs `pool ...`. A member is a container's directory below
 * ROOT/@pool (no id has an '@'), whose container has ended and whose VM is paused. Whoever has its
 * lock takes it, by renaming it to ROOT/ID, or removes it.
 *
 * Below ROOT/@pool:
 *
 * - NAME/{state.json,...}: as of any container (state.h)
 * - NAME/facts: written last: what must be equal in who takes it; removed when its monitor has
 *   heard of that
 * - @fill.CLASS: locked by the one process that makes members for the class
 * - @bundle.CLASS: of those that it makes
 * - @failed.CLASS: why the last one could not be made
 * - @log: of the processes that make them
 */
#ifndef CLI_POOL_H
#define CLI_POOL_H
#include "cli/creation/creation.h"

#define POOL_DIR "@pool" /* in a root */
#define POOL_LOG "@log"
#define POOL_FAILED "@failed."
#define POOL_FACTS "facts"
#define POOL_CGROUP "/anyvisor-pool" /* one for each member below it */

/* The same program with the pool for its root. */
struct pool {
    struct cli cli;
    char *dir;
};
void pool_open(const struct cli *cli, struct pool *ret);
void pool_close(struct pool *p);

enum pool_state {
    POOL_READY,
    POOL_BUSY,    /* being made, or being taken */
    POOL_EXPIRED, /* too old */
    POOL_STALE,   /* made by another configuration */
    POOL_DEAD,    /* its maker or its VM has ended */
};
const char *pool_state_name(enum pool_state s);

struct pool_member {
    char *name;
    struct container c;
    struct kvs facts;
    uint64_t made; /* seconds since 1970; 0 = not yet */
};
#define POOL_MEMBER_INIT                                                                           \
    {                                                                                              \
        .c = {.dir = {-1, NULL} }                                                                  \
    }
/* lock: -ETIMEDOUT if somebody else has it. */
int pool_member_open(const struct pool *p, const char *name, bool lock, struct pool_member *ret,
                     struct err *err);
void pool_member_close(struct pool_member *m);
enum pool_state pool_member_look(const struct pool_member *m, const struct config *config);
/* It is locked: VM, cgroups, directory. */
int pool_member_drop(const struct pool *p, struct pool_member *m, struct err *err);

/* What must be equal in a member and in who takes it. The VM's size is among them. As it is before
 * anything is made of it: for c->pool_facts. */
void pool_facts(const struct creation *c, struct kvs *ret);
/* How many members wait for c, also those that have become too old if asked for; *ret_others:
 * members of its class that do not fit it. */
size_t pool_count(const struct pool *p, const struct creation *c, bool old,
                  struct strv *ret_others);
/* Remove who is of no use any more, of all classes. Their number. */
unsigned pool_sweep(const struct cli *cli, const struct config *config);

/*
 * take.c: 1: c->dir is a member's, renamed to the container's and with its state; 0: there is
 * none. Then: ask for it, wait for it. When that fails: make it as if there had been none. Then,
 * with a proxy: move its processes and taps to where the container's are.
 */
int pool_take(struct creation *c, struct err *err);
int pool_ask(struct creation *c, uint32_t seq, struct err *err);
int pool_settle(struct creation *c, uint32_t seq, uint64_t deadline, struct err *err);
int pool_move(struct creation *c, struct err *err);
int pool_abandon(struct creation *c, struct err *err);

/* fill.c: members like c's VM, up to size of them; *ret_made of them are new. */
int pool_fill(struct creation *c, size_t size, unsigned *ret_made, struct err *err);
/* The same in a process of its own, if c's class is short of them; the last that is done to c after
 * its commit, for it is unlocked. */
void pool_refill(struct creation *c);
/* Whether c's VM may come from a pool; else *ret_why, a sentence. */
bool pool_possible(const struct creation *c, const char **ret_why);
/* Of c's class; NULL = the last one has not failed. */
char *pool_failure(const struct pool *p, const char *cls);

/* room.c: -ENOMEM: a VM like c's would take more than this host has available. What it takes of the
 * hypervisor's own memory only the hypervisor can say, when it is made. */
int pool_check_room(struct creation *c, struct err *err);

/* warm_up.c: in dir, anew: the bundle of the container that warms a VM like c's up. */
int pool_bundle(const struct creation *c, const char *dir, struct err *err);

/* lock.c: -EAGAIN: another one makes them. */
int pool_lock(const struct pool *p, const char *cls, int *ret_fd, struct err *err);
void pool_unlock(int fd);
/* -ENOENT: it was drained since. */
int pool_lock_again(const struct pool *p, const char *cls, int fd, struct err *err);
char *pool_file(const struct pool *p, const char *kind, const char *cls);

struct pool_locks {
    struct strv names;
    int *fds;
};
/* End those who make members, and keep others from it; ret is to be freed in any case. */
int pool_stop_fillers(const struct pool *p, struct pool_locks *ret, struct err *err);
void pool_locks_remove(const struct pool *p, const struct pool_locks *l);
void pool_locks_done(struct pool_locks *l);

#endif
