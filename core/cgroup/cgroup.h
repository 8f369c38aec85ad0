/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.h - the host's cgroups of a container: v1, hybrid and v2 by the cgroup file system.
 * For the CLI. The guest's own cgroups, which limit exactly, are in the plan; here the VM around
 * them is limited and accounted where the engine looks.
 */
#ifndef CGROUP_CGROUP_H
#define CGROUP_CGROUP_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "base/str.h"
#include "oci/oci.h"

struct cgroup_hierarchy {
    char *mount;       /* "/sys/fs/cgroup/memory" */
    char *self;        /* our own cgroup in it, "/" or "/a/b" */
    char *controllers; /* superblock options that name them: "rw,cpu,cpuacct" */
    bool v2, cpuset;   /* cpuset: a v1 hierarchy with that controller */
};

#define CGROUP_CPUS_MAX 8192 /* Linux's largest */

/* The hierarchies that containers live in: all of v1 when there is any controller in v1, else v2.
 */
enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };
struct cgroup_host {
    struct cgroup_hierarchy *v;
    size_t n;
    enum cgroup_mode mode; /* what is mounted, for people */
};
const char *cgroup_mode_name(enum cgroup_mode mode);

/* Paths are /proc/self/mountinfo and /proc/self/cgroup; others in tests. No cgroups: n = 0. */
int cgroup_host_read(const char *mountinfo_path, const char *cgroup_path, struct cgroup_host *ret,
                     struct err *err);
void cgroup_host_done(struct cgroup_host *h);

/*
 * The directories of a container, one per hierarchy. cgroups_path as in config.json: absolute is
 * below the hierarchy's root, relative below our own cgroup, NULL or "" is id relative. "." and
 * ".." and the root itself are -EINVAL, and so is "slice:prefix:name", which is systemd.h's. Pure.
 */
int cgroup_paths(const struct cgroup_host *h, const char *cgroups_path, const char *id,
                 struct strv *ret_dirs, struct err *err);

/* Which directories of dirs and of what is above them do not exist yet, outermost first: to be
 * recorded before cgroup_make makes them, for nothing else is ours to remove. */
void cgroup_missing(const struct cgroup_host *h, const struct strv *dirs, struct strv *ret);

/* Whether this process may make each of dirs: an unprivileged user mostly may not. */
bool cgroup_may_make(const struct strv *dirs);

/* The directories that a running process is in, one per hierarchy; none where this process may not
 * write to them. */
int cgroup_dirs_of(const struct cgroup_host *h, pid_t pid, struct strv *ret_dirs, struct err *err);

/*
 * Make the directories with their parents (existing ones are fine). cpuset of v1 inherits from its
 * parent; in v2 the parents delegate the controllers that exist.
 */
int cgroup_make(const struct cgroup_host *h, const struct strv *dirs, struct err *err);

/*
 * Write what the bundle limits and the host can: cpu, cpuset, blkio, hugetlb and the network's
 * class and priorities exactly; memory as memory_bytes (the VM and its VMM; 0 = none) only when the
 * bundle limits memory at all. pids and devices stay in the guest. A controller that the host lacks
 * is left out; a refused value fails.
 */
int cgroup_limit(const struct strv *dirs, const struct oci_resources *r, uint64_t memory_bytes,
                 struct err *err);

/* v2 has weights 1..10000 where v1 has shares 2..262144: the conversion that runc and crun use. */
uint64_t cgroup_weight_of_shares(uint64_t shares);

/*
 * Remove directories that we made (cgroup_missing), last first. Innermost ones are waited for until
 * the deadline, then -EBUSY names a process. Processes that have owner (a state directory) among
 * their arguments are killed, others never. Directories above stay while others use them. Missing
 * ones are fine.
 */
int cgroup_remove(const struct strv *made, const char *owner, uint64_t deadline_ns,
                  struct err *err);

#endif
