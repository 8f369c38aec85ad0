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
    uint64_t vcpus_max, memory_max;
    /* who said so, for explain */
    const char *vcpus_by, *memory_by, *vcpus_max_by, *memory_max_by;
};

/* What the patterns of a `match` are compared with; strings are borrowed. */
struct match_facts {
    const char *v[FACT_MOUNT_DESTINATION]; /* by enum config_fact; NULL = unknown */
    const struct workload *w;
};
void match_facts_of(const struct workload *w, struct match_facts *ret);
bool match_holds(const struct config_match *m, const struct match_facts *facts);
bool match_pattern_fits(const struct config_pattern *p, const char *value);

/*
 * Fill d->granted from the workload's org.anyvisor.* annotations and say in d->notes what is not
 * granted. -EPERM: a value out of its bounds; the workload must not start with another one.
 */
int policy_grant(const struct config *config, const struct config_class *cls,
                 const struct workload *w, struct decision *d, struct err *err);

/* What kinds of annotations that a workload may set a pattern of keys fits. */
void policy_annotation_kinds(const char *pattern, bool *ret_amount, bool *ret_text);

/* The name of such an annotation that `key` may have been meant to be; NULL = none. */
const char *policy_annotation_nearest(const char *key);

/* Sizes from the class (NULL: defaults), what the workload may ask for, and its limits. */
int policy_size(const struct config *config, const struct config_class *cls,
                const struct workload *w, uint32_t host_cpus, struct decision *d, struct err *err);

#endif
