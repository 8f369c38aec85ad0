/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pod.h - whether a new container joins the VM of another one, and whose: told by the annotations
 * of containerd, CRI-O and podman, or by /proc/PID/ns/... of a container's process. For creation.c.
 */
#ifndef CLI_POD_H
#define CLI_POD_H
#include <stdbool.h>
#include "cli/cli.h"
#include "oci/oci.h"

#define POD_VM_CGROUP "anyvisor-%s" /* of a pod's VM, beside the members' cgroups */

/*
 * 1 and the container that the VM belongs to, 0 when the new container gets a VM of its own, or
 * -errno with a sentence: the sandbox is not ours, or a namespace is that of something without VM.
 */
int pod_find(const struct cli *cli, const struct oci_spec *spec, struct container *ret_owner,
             struct err *err);

/* Whether the VM of owner can hold it: its size, its namespaces. */
int pod_check(const struct cli *cli, const struct container *owner, const struct oci_spec *spec,
              struct err *err);

/* plan_input's question; ctx is a struct pod. */
struct pod {
    const struct cli *cli;
    const struct container *owner;
};
int pod_resolve_ns(void *ctx, const char *path, char **ret_id);

/* -ERANGE with both numbers when a limit is more memory than the container's VM has or may get, or
 * more CPU time than the processors that it may get have. */
int pod_check_limits(const struct state *s, const struct oci_resources *r, struct err *err);

/* Whether the container is in the VM of another one. */
bool pod_is_member(const struct state *s);

/* What the host's cgroup of a container holds at most: the VM and its VMM if they are in it. */
uint64_t pod_host_memory(const struct state *s, const struct oci_resources *r);

#endif
