/* SPDX-License-Identifier: Apache-2.0 */
/*
 * internal.h - between the files of core/policy only.
 */
#ifndef POLICY_INTERNAL_H
#define POLICY_INTERNAL_H
#include "policy/policy.h"

/* The class's value where it has one, else the default's. */
struct vm_wish {
    uint64_t vcpus, memory, overhead; /* CONFIG_AUTO for the first two */
    const char *vcpus_by, *memory_by; /* who said so, for explain */
};

/* Sizes from the class (NULL: defaults), what the workload may ask for, and its limits. */
int policy_size(const struct config *config, const struct config_class *cls,
                const struct workload *w, uint32_t host_cpus, struct decision *d, struct err *err);

#endif
