/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grow.h - more memory and processors for a VM that runs, when the limits of its containers
 * together are more than it has. For create's members and for update.
 */
#ifndef CLI_GROW_H
#define CLI_GROW_H
#include "cli/cli.h"
#include "oci/oci.h"

#define GROW_CPU 1000u /* what limits have for a whole processor */

/* The memory limit in bytes; 0 = none. */
uint64_t grow_memory_limit(const struct oci_resources *r);

/* The quota of CPU time in thousandths of a processor, rounded up; 0 = none. */
uint64_t grow_cpu_limit(const struct oci_resources *r);

/* What a container is to have; 0 = nothing is said about it. */
struct grow_limits {
    uint64_t memory, cpus;
};

/*
 * Container id of the VM that belongs to vm gets those limits. vm is locked, and its state is
 * written when the VM has grown. -ERANGE: the VM does not get so large; other limits are promises
 * that the guest may break, as a host without a VM may.
 */
int grow_for(const struct cli *cli, struct container *vm, const char *id,
             const struct grow_limits *limits, struct err *err);

/* The same for a container in another one's VM: s is its state, where the VM's new size goes. */
int grow_for_member(const struct cli *cli, struct state *s, const char *id,
                    const struct grow_limits *limits, struct err *err);

#endif
